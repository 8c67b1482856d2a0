"""Dispatches the URLs of a file on this machine, in several requests of one run."""

import codecs
import gzip
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from console.dispatch_response import MAX_LISTED, DispatchResponse, added
from console.errors import UsageError
from contract.crawl import Crawl
from contract.dispatch_report import DispatchCounts, ListedUrl, SourceCounts
from contract.sources import MAX_INLINE_URLS, UrlSources
from contract.url_lines import UnreadableFile, UrlLine, url_lines
from contract.urls import canonical_url, check_url
from contract.urls_file import UrlsFile

#: Maximum number of bytes of the URLs of one request. With its recipe a crawl has at most 1 MB.
MAX_URL_BYTES = 700_000
PIECE_BYTES = 64 * 1024
NAME = "sources.urls_file"


class LocalFile:
    """A file with URLs on this machine.

    Args:
        file: the address and the format of the file.
        maximum: the maximum number of jobs.

    Attributes:
        counts: what became of the URLs of the file so far, without those that the dispatcher counts; the
            names are those of `DispatchCounts`.
        rejected: the first 1,000 lines without a valid URL, each with the reason.

    Raises:
        UsageError: if the file cannot be opened.
    """

    def __init__(self, file: UrlsFile, maximum: int) -> None:
        self._file = file
        self._maximum = maximum
        self.counts = Counter[str]()
        self.rejected: list[ListedUrl] = []
        try:
            self._raw = Path(file.url).open("rb")  # noqa: SIM115 - `close` closes it
        except OSError as error:
            raise UsageError(f"{file.url} cannot be read: {error.strerror}.") from None
        self.size = Path(file.url).stat().st_size

    @property
    def position(self) -> int:
        """Number of bytes that were read."""
        return self._raw.tell()

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def batches(self) -> Iterator[tuple[str, ...]]:
        """Yield the checked URLs of different pages, at most 10,000 and 700 KB at a time.

        Raises:
            UsageError: if the file cannot be read.
        """
        batch, size = list[str](), 0
        for url in self._pages():
            if len(batch) == MAX_INLINE_URLS or size + len(url) > MAX_URL_BYTES:
                yield tuple(batch)
                batch, size = [], 0
            batch.append(url)
            size += len(url) + 4  # quotation marks, a comma and a space
        if batch:
            yield tuple(batch)

    def _pages(self) -> Iterator[str]:
        seen = set[bytes]()
        for line in self._lines():
            self.counts["found"] += 1
            try:
                if line.why:
                    raise ValueError(line.why)  # noqa: TRY301 - both reasons are reported in the same way
                url = check_url(line.url)
            except ValueError as error:
                self.counts["rejected"] += 1
                if len(self.rejected) < MAX_LISTED:
                    self.rejected.append(ListedUrl(url=line.url[:200], why=f"line {line.number}: {error}"))
                continue
            page = hashlib.sha256(canonical_url(url).encode()).digest()[:16]
            if page in seen:
                self.counts["duplicates"] += 1
            elif len(seen) == self._maximum:
                self.counts["over_limit"] += 1
                self.counts["unread"] += 1
                return
            else:
                seen.add(page)
                yield url

    def _lines(self) -> Iterator[UrlLine]:
        try:
            is_gzip = self._raw.read(2) == b"\x1f\x8b"
            self._raw.seek(0)
            stream: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=self._raw) if is_gzip else self._raw
            decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
            pieces = (decoder.decode(piece) for piece in iter(lambda: stream.read(PIECE_BYTES), b""))
            yield from url_lines(pieces, self._file)
        except (OSError, EOFError, UnreadableFile) as error:
            raise UsageError(f"{self._file.url} cannot be read: {error}.") from None


def dispatch_file(
    crawl: Crawl, post: Callable[[Crawl], DispatchResponse], show: Callable[[int, int, str], None]
) -> list[DispatchResponse]:
    """Post a crawl whose `urls_file` is on this machine: first its other sources, then the URLs of the file.

    Args:
        crawl: the crawl; it must have a `run_id`, so that all requests belong to one run.
        post: posts a crawl without a file.
        show: called after each request with the KiB that were read, those of the file, and a text.

    Returns:
        The response for the other sources, if there are any, and the sums of the responses for the file.

    Raises:
        UsageError: if the file cannot be read.
        DispatchError: if the dispatcher refuses a request, or does not answer.
    """
    given = crawl.sources
    if given.urls_file is None:
        raise AssertionError("the crawl has no file")
    file = LocalFile(given.urls_file, crawl.limits.max_jobs)
    others = list[DispatchResponse]()
    from_file = DispatchResponse(run_id=crawl.run_id or "")
    try:
        if any((given.urls, given.template, given.sitemap, given.sitemaps, given.site)):
            rest = crawl.model_copy(update={"sources": given.model_copy(update={"urls_file": None})})
            others = [post(rest)]
        published = sum(each.published for each in others)
        for urls in file.batches():
            left = crawl.limits.max_jobs - published - from_file.published
            if left <= 0:
                file.counts["over_limit"] += len(urls)
                file.counts["unread"] = 1
                break
            sources = UrlSources(urls=urls, include=given.include, exclude=given.exclude)
            limits = crawl.limits.model_copy(update={"max_jobs": left})
            response = post(crawl.model_copy(update={"sources": sources, "limits": limits}))
            from_file = added(from_file, response)
            text = f"KiB read, {published + from_file.published:,} jobs published"
            show(file.position // 1024, file.size // 1024, text)
    finally:
        file.close()
    return [*others, _of_file(from_file, file)]


def _of_file(from_file: DispatchResponse, file: LocalFile) -> DispatchResponse:
    """Return what became of the URLs of the file: those that were sent, and those that were not."""
    sent = DispatchCounts(
        published=from_file.published,
        duplicates=from_file.duplicates,
        rejected=from_file.rejected_count,
        filtered=from_file.filtered,
        over_limit=from_file.over_limit,
    )
    counts = SourceCounts(source=NAME).plus(DispatchCounts(**file.counts)).plus(sent)
    return DispatchResponse(
        run_id=from_file.run_id,
        published=counts.published,
        duplicates=counts.duplicates,
        over_limit=counts.over_limit,
        filtered=counts.filtered,
        rejected=[*file.rejected, *from_file.rejected],
        rejected_count=counts.rejected,
        unread=[ListedUrl(url=NAME, why="the rest was not read (limits.max_jobs)")] * counts.unread,
        unread_count=counts.unread,
        sources=[counts],
    )
