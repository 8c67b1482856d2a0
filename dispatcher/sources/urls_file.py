"""The source `urls_file`: a file with URLs on the web, or in Cloud Storage, which is read as a stream."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from contract.shard import FilePosition, Position
from contract.url_lines import UnreadableFile, has_header, url_lines
from contract.urls_file import UrlsFile
from dispatcher.sources.fetch_errors import check_status, source_errors
from dispatcher.sources.file_text import FileText
from dispatcher.sources.opened_file import CHANGED, OpenedFile, first_byte
from dispatcher.sources.reading_budget import ReadingBudget
from dispatcher.sources.source import Checkpoint, Found, FoundUrl, InvalidEntry, SourceUnreadable
from guarded_http.client import HttpClient
from guarded_http.redirects import follow_redirects
from guarded_http.request import PLAIN_GET, HttpRequest
from guarded_http.response import HttpResponse
from guarded_http.scope import NetworkScope

MAX_REDIRECTS = 5  #: maximum number of redirects that are followed
ACCEPT = "text/plain, text/csv, application/jsonl, */*;q=0.5"
CHECKPOINT_LINES = 100  #: number of lines between two checkpoints

#: Opens an object in Cloud Storage, by the names of its bucket and of itself, and the number of bytes that
#: need not be sent.
OpenObject = Callable[[str, str, int], AbstractContextManager[OpenedFile]]


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

    def read(self, start: Position | None = None) -> Iterator[Found]:
        """Yield the URLs in the order of the file, its lines that have none, and checkpoints.

        Raises:
            SourceUnavailable: if the file, or the rest of it, is not available now.
            SourceUnreadable: if the file, or the rest of it, cannot be read, or has changed since `start`.
        """
        place = start if isinstance(start, FilePosition) else FilePosition(line=0)
        return self.budget.counting(self._read(place))

    def _read(self, start: FilePosition) -> Iterator[Found]:
        # Whoever may write the file may not lead workers to the networks that an operator allows.
        scope = NetworkScope(public_only=self.file.bucket_object is not None)
        with self._open(scope, start.offset) as opened:
            if start.line and start.validator != opened.validator:
                raise SourceUnreadable(CHANGED)
            text = FileText(opened, start, self.budget, max_bytes=self.max_bytes)
            lines = url_lines(text.pieces(), self.file, before=start.offset_line, after=start.line)
            checkpoint = start.line
            try:
                for number, url, why in lines:
                    if why:
                        yield InvalidEntry(url, f"line {number}: {why}")
                    else:
                        yield FoundUrl(url, "", scope.public_only, f"line {number}")
                    if number - checkpoint >= CHECKPOINT_LINES:
                        checkpoint = number
                        yield Checkpoint(text.position(number))
            except UnreadableFile as error:
                raise SourceUnreadable(str(error)) from None

    @contextmanager
    def _open(self, scope: NetworkScope, offset: int) -> Iterator[OpenedFile]:
        if self.file.bucket_object is not None:
            with self.open_object(*self.file.bucket_object, offset) as opened:
                yield opened._replace(has_ranges=not has_header(self.file))
            return
        with (
            source_errors(),
            follow_redirects(
                self.client,
                self.file.url,
                self.budget,
                _request(offset),
                accept=ACCEPT,
                max_redirects=MAX_REDIRECTS,
                scope=scope,
            ) as response,
        ):
            if not (offset and response.status in {206, 416}):
                check_status(response.status)
            yield OpenedFile(
                self._body(response),
                response.header("ETag") or response.header("Last-Modified"),
                first_byte(response.status, response.header("Content-Range")),
                has_ranges=not (response.header("Content-Encoding") or has_header(self.file)),
            )

    def _body(self, response: HttpResponse) -> Iterator[bytes]:
        with source_errors():
            yield from response.stream_body(self.max_bytes)


def _request(offset: int) -> HttpRequest:
    """Return the request of a file, or of its bytes from `offset` on."""
    if not offset:
        return PLAIN_GET
    return HttpRequest(headers=(("Range", f"bytes={offset}-"), ("Accept-Encoding", "identity")))
