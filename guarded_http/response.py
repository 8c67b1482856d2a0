"""Represents one HTTP response, and reads its body within limits of time, size and compression ratio."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO

from requests import RequestException, Response
from urllib3.exceptions import HTTPError

from guarded_http.connection import ByteBudget
from guarded_http.content_coding import MIN_CHECKED_BYTES, check_ratio, decode_content
from guarded_http.errors import Deadline, FetchError, FetchErrorKind
from guarded_http.request import HttpRequest

CHUNK_BYTES = 64 * 1024  #: maximum number of bytes per read of a body without a content coding
#: Maximum number of bytes per read of a coded body. It is small, since one byte may decode to a thousand.
CODED_CHUNK_BYTES = 2 * 1024
#: Size in bytes from which a body is large: many such bodies at the same time fill the memory.
LARGE_BODY_BYTES = 256 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class HttpResponse:
    """The response to one request. Its header has been received; `read_body` or `stream_body` reads the body.

    Attributes:
        url: the requested URL.
        request: what was sent besides the URL.
        status: the HTTP status; interim responses (1xx) are skipped.
        received: bytes of the body received so far, without chunk sizes and before decoding.
    """

    def __init__(self, url: str, response: Response, budget: ByteBudget, request: HttpRequest) -> None:
        self.url = url
        self.request = request
        self.status = response.status_code
        self.received = 0
        self._response = response
        self._budget = budget
        self._announced: int | None = response.raw.length_remaining
        if self._announced == 0:
            response.raw.drain_conn()  # The body is empty, so the connection can be reused immediately.

    @property
    def is_public(self) -> bool:
        """Whether the response came from a public address."""
        return self._budget.is_public

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
        return self._response.headers.get(name, "").strip()

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
        with self._reading(max_bytes):
            if not truncate and (self._announced or 0) > max_bytes:
                detail = f"the body has {self._announced} bytes; the maximum is {max_bytes}"
                raise FetchError(FetchErrorKind.TOO_LARGE, detail)
            return self._read(max_bytes, truncate, before_large)

    def _read(self, max_bytes: int, truncate: bool, before_large: Callable[[], object]) -> bytes:  # noqa: FBT001 - the arguments are those of `read_body`
        content, size = BytesIO(), 0
        is_large = (self._announced or 0) > LARGE_BODY_BYTES
        if is_large:
            before_large()
        for chunk in self._decoded():
            size += content.write(chunk)
            if truncate and size >= max_bytes:
                content.truncate(max_bytes)
                break
            self._check_size(size, max_bytes)
            if size > LARGE_BODY_BYTES and not is_large:
                is_large = True
                before_large()
        return content.getvalue()  # without a copy: https://docs.python.org/3/library/io.html#io.BytesIO

    def stream_body(self, max_bytes: int) -> Iterator[bytes]:
        """Yield the decoded body in pieces of at most 128 KiB, which bounds the memory that it takes.

        Args:
            max_bytes: the largest permitted size, both as received and as decoded.

        Raises:
            FetchError, Exception: as in `read_body`.
        """
        with self._reading(max_bytes):
            size = 0
            for chunk in self._decoded():
                size += len(chunk)
                self._check_size(size, max_bytes)
                yield chunk

    @contextmanager
    def _reading(self, max_bytes: int) -> Iterator[None]:
        """Read the body inside the context: its bytes are counted, and errors become FetchError."""
        # requests and urllib3 raise an exception here if the body ends early.
        with translate_errors(
            self._budget.deadline, self.url, kind=FetchErrorKind.INCOMPLETE_BODY, status=self.status
        ):
            # More than the maximum, because the bytes of chunk sizes and trailers are counted, too.
            self._budget.remaining_bytes = 2 * max_bytes + CHUNK_BYTES
            yield

    def _decoded(self) -> Iterator[bytes]:
        """Yield the decoded body, within the time and the work that the request may take."""
        for chunk in decode_content(self._chunks(), self.header("Content-Encoding")):
            self._budget.deadline.remaining()
            self._budget.count_work(len(chunk) if self.header("Content-Encoding") else 0)
            yield chunk

    def _check_size(self, size: int, max_bytes: int) -> None:
        """Check a body of which `size` bytes have been decoded so far.

        Raises:
            FetchError: `decompression_bomb` or `too_large`.
        """
        check_ratio(self.received, size, min_bytes=min(max_bytes, MIN_CHECKED_BYTES))
        if max(size, self.received) > max_bytes:
            raise FetchError(FetchErrorKind.TOO_LARGE, f"the body has more than {max_bytes} bytes")

    def _chunks(self) -> Iterator[bytes]:
        """Yield the body undecoded: requests and urllib3 would not notice that a coded body is truncated."""
        size = CODED_CHUNK_BYTES if self.header("Content-Encoding") else CHUNK_BYTES
        while chunk := self._response.raw.read(size, decode_content=False):
            self.received += len(chunk)
            yield chunk


@contextmanager
def translate_errors(
    deadline: Deadline, url: str, *, kind: FetchErrorKind, status: int = 0
) -> Iterator[None]:
    """Translate exceptions of requests and urllib3 into FetchError; add URL and status to every FetchError.

    Args:
        deadline: if the deadline has passed, its own exception is raised instead of a translated one.
        url: the requested URL.
        kind: the kind of a FetchError that replaces an exception of requests or urllib3.
        status: the HTTP status; 0 if no header has been received.
    """
    try:
        yield
    except FetchError as error:
        raise FetchError(error.kind, error.detail, status=status, url=url) from None
    except (RequestException, HTTPError) as error:
        deadline.remaining()
        cause: BaseException = error
        while cause.args and isinstance(cause.args[-1], Exception):  # requests wraps urllib3's exceptions
            cause = cause.args[-1]
        raise FetchError(kind, f"{type(cause).__name__}: {cause}", status=status, url=url) from None
