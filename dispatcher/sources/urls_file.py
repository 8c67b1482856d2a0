"""The source `urls_file`: a file with URLs on the web, or in Cloud Storage, which is read as a stream."""

import codecs
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain

from contract.url_lines import UnreadableFile, url_lines
from contract.urls_file import UrlsFile
from dispatcher.sources.fetch_errors import check_status, source_errors
from dispatcher.sources.reading_budget import ReadingBudget
from dispatcher.sources.source import Found, FoundUrl, InvalidEntry, SourceUnreadable
from guarded_http.client import HttpClient
from guarded_http.content_coding import GZIP_MAGIC, check_ratio, decode_content
from guarded_http.errors import FetchError
from guarded_http.redirects import follow_redirects
from guarded_http.response import HttpResponse
from guarded_http.scope import NetworkScope

MAX_REDIRECTS = 5  #: maximum number of redirects that are followed
ACCEPT = "text/plain, text/csv, application/jsonl, */*;q=0.5"
PIECE_BYTES = 2 * 1024  #: maximum number of gzipped bytes of a piece; one byte may decode to a thousand

#: Opens the bytes of an object in Cloud Storage, by the names of its bucket and of itself.
OpenObject = Callable[[str, str], AbstractContextManager[Iterator[bytes]]]


@dataclass(frozen=True)
class UrlsFileSource:
    """The file of `sources.urls_file`.

    Attributes:
        file: the address and the format of the file.
        client: sends the requests to the web.
        open_object: opens an object in Cloud Storage.
        budget: the time for reading all sources of the crawl.
        max_bytes: the maximum size of the file in bytes, as received and as decompressed.
        name: the path of the field.
        is_lazy: True: the file is not read beyond the limit.
    """

    file: UrlsFile
    client: HttpClient
    open_object: OpenObject
    budget: ReadingBudget
    max_bytes: int
    name: str = "sources.urls_file"
    is_lazy: bool = True

    @property
    def address(self) -> str:
        """The address of the file."""
        return self.file.url

    def read(self) -> Iterator[Found]:
        """Yield the URLs in the order of the file, and its lines that have none.

        Raises:
            SourceUnavailable: if the file, or the rest of it, is not available now.
            SourceUnreadable: if the file, or the rest of it, cannot be read.
        """
        return self.budget.counting(self._read())

    def _read(self) -> Iterator[Found]:
        # Whoever may write the file may not lead workers to the networks that an operator allows.
        scope = NetworkScope(public_only=self.file.bucket_object is not None)
        with self._open(scope) as chunks:
            try:
                for number, url, why in url_lines(self._text(chunks), self.file):
                    if why:
                        yield InvalidEntry(url, f"line {number}: {why}")
                    else:
                        yield FoundUrl(url, "", scope.public_only, f"line {number}")
            except UnreadableFile as error:
                raise SourceUnreadable(str(error)) from None

    @contextmanager
    def _open(self, scope: NetworkScope) -> Iterator[Iterator[bytes]]:
        if self.file.bucket_object is not None:
            with self.open_object(*self.file.bucket_object) as chunks:
                yield chunks
            return
        with (
            source_errors(),
            follow_redirects(
                self.client,
                self.file.url,
                self.budget,
                accept=ACCEPT,
                max_redirects=MAX_REDIRECTS,
                scope=scope,
            ) as response,
        ):
            check_status(response.status)
            yield self._body(response)

    def _body(self, response: HttpResponse) -> Iterator[bytes]:
        with source_errors():
            yield from response.stream_body(self.max_bytes)

    def _text(self, chunks: Iterator[bytes]) -> Iterator[str]:
        """Yield the decompressed text; bytes that are not UTF-8 become U+FFFD."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        size = 0
        for chunk in self._decompressed(chunks):
            self.budget.remaining()
            size += len(chunk)
            if size > self.max_bytes:
                raise SourceUnreadable(f"larger than {self.max_bytes} bytes (URLS_FILE_MAX_BYTES)")
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)

    def _decompressed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the bytes of the file. Gzip is recognised by its first bytes, whatever the name is."""
        head = b""
        while len(head) < len(GZIP_MAGIC) and (chunk := next(chunks, b"")):
            head += chunk
        whole = chain([head], chunks)
        return self._gunzipped(whole) if head.startswith(GZIP_MAGIC) else whole

    def _gunzipped(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        received = decoded = 0

        def pieces() -> Iterator[bytes]:
            nonlocal received
            for chunk in chunks:
                for start in range(0, len(chunk), PIECE_BYTES):
                    received += len(chunk[start : start + PIECE_BYTES])
                    yield chunk[start : start + PIECE_BYTES]

        try:
            for piece in decode_content(pieces(), "gzip"):
                decoded += len(piece)
                check_ratio(received, decoded)
                yield piece
        except FetchError as error:
            raise SourceUnreadable(f"{error.kind}, {error}") from None
