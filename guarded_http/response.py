"""Represents one HTTP response, and reads its body within limits of time, size and compression ratio."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Self

from guarded_http.byte_budget import ByteBudget
from guarded_http.connection_pool import ConnectionPool
from guarded_http.content_coding import MIN_CHECKED_BYTES, check_ratio, decode_content
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.request import HttpRequest
from guarded_http.response_reader import RECEIVE_BYTES, ResponseReader

#: Maximum number of bytes of a coded body that are decoded at a time. It is small, since one byte may decode
#: to a thousand.
CODED_PIECE_BYTES = 2 * 1024
#: Size in bytes from which a body is large: many such bodies at the same time fill the memory.
LARGE_BODY_BYTES = 256 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class HttpResponse:
    """The response to one request. Its header has been received; `read_body` or `stream_body` reads the body.

    It is closed at the end of its `with` block. Then its connection is kept for the next request, if the body
    was read to its end.

    Attributes:
        url: the requested URL.
        request: what was sent besides the URL.
        status: the HTTP status; interim responses (1xx) are skipped.
        is_public: whether the response came from a public address.
        received: bytes of the body received so far, without chunk sizes and before decoding.
    """

    def __init__(
        self, url: str, request: HttpRequest, reader: ResponseReader, budget: ByteBudget, pool: ConnectionPool
    ) -> None:
        self.url = url
        self.request = request
        self.status = reader.head.status
        self.is_public = reader.connection.is_public
        self.received = 0
        self._reader = reader
        self._budget = budget
        self._pool = pool
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back; a body that was not read to its end is lost."""
        if self._is_open:
            self._is_open = False
            self._pool.release(self._reader)

    @property
    def content_type(self) -> str:
        """The Content-Type header as sent; `""` if missing."""
        return self.header("Content-Type")

    @property
    def location(self) -> str:
        """The Location header of a redirect, one Latin-1 character per byte; `""` for any other status."""
        return self.header("Location") if self.status in REDIRECTS else ""

    def header(self, name: str) -> str:
        """Return the value of a header field; `""` if missing.

        The values of a repeated field are joined by commas (RFC 9110 section 5.3).
        """
        return self._reader.head.fields.get(name)

    def read_body(
        self, max_bytes: int, *, truncate: bool = False, before_large: Callable[[], object] = lambda: None
    ) -> bytes:
        """Return the decoded body.

        Args:
            max_bytes: the largest permitted size, both as received and as decoded.
            truncate: return the first `max_bytes` of a larger body instead of raising.
            before_large: called once, before more than 256 KiB of the body are read, or before anything is
                read if the response announces so much. It may wait, or raise an exception.

        Raises:
            FetchError: `too_large`, `decompression_bomb`, `incomplete_body`, `corrupt_body`,
                `unsupported_encoding`, `timeout` or `tls`.
            Exception: the deadline's own exception, if the deadline has passed.
        """
        announced = self._reader.head.length or 0
        content, size = BytesIO(), 0
        is_large = announced > LARGE_BODY_BYTES
        try:
            if not truncate and announced > max_bytes:
                detail = f"the body has {announced} bytes; the maximum is {max_bytes}"
                raise FetchError(FetchErrorKind.TOO_LARGE, detail)  # noqa: TRY301 - as the errors of reading
            if is_large:
                before_large()
            for piece in self._decoded(max_bytes):
                size += content.write(piece)
                if truncate and size >= max_bytes:
                    content.truncate(max_bytes)
                    break
                self._check_size(size, max_bytes)
                if size > LARGE_BODY_BYTES and not is_large:
                    is_large = True
                    before_large()
        except FetchError as error:
            error.url, error.status = self.url, self.status
            raise
        return content.getvalue()  # without a copy: https://docs.python.org/3/library/io.html#io.BytesIO

    def stream_body(self, max_bytes: int) -> Iterator[bytes]:
        """Yield the decoded body in pieces of at most 128 KiB, which bounds the memory that it takes.

        Args:
            max_bytes: the largest permitted size, both as received and as decoded.

        Raises:
            FetchError, Exception: as in `read_body`.
        """
        size = 0
        try:
            for piece in self._decoded(max_bytes):
                size += len(piece)
                self._check_size(size, max_bytes)
                yield piece
        except FetchError as error:
            error.url, error.status = self.url, self.status
            raise

    def _decoded(self, max_bytes: int) -> Iterator[bytes]:
        """Yield the decoded body, within the time and the work that the request may take."""
        budget, coding = self._budget, self.header("Content-Encoding")
        # More than the maximum, because the bytes of chunk sizes and trailers are counted, too.
        budget.remaining_bytes = 2 * max_bytes + RECEIVE_BYTES
        pieces = decode_content(self._coded_pieces(), coding) if coding else self._pieces()
        for piece in pieces:
            budget.deadline.remaining()
            if coding:
                budget.count_work(len(piece))
            yield piece

    def _check_size(self, size: int, max_bytes: int) -> None:
        """Check a body of which `size` bytes have been decoded so far.

        Raises:
            FetchError: `decompression_bomb` or `too_large`.
        """
        check_ratio(self.received, size, min_bytes=min(max_bytes, MIN_CHECKED_BYTES))
        if max(size, self.received) > max_bytes:
            raise FetchError(FetchErrorKind.TOO_LARGE, f"the body has more than {max_bytes} bytes")

    def _pieces(self) -> Iterator[bytes]:
        for piece in self._reader.body():
            self.received += len(piece)
            yield piece

    def _coded_pieces(self) -> Iterator[bytes]:
        for piece in self._reader.body():
            for start in range(0, len(piece), CODED_PIECE_BYTES):
                part = piece[start : start + CODED_PIECE_BYTES]
                self.received += len(part)
                yield part
