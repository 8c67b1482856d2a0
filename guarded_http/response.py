"""One answer of a site: its head, and its body within bounds."""

from collections.abc import Iterator
from contextlib import contextmanager

from requests import RequestException, Response
from urllib3.exceptions import HTTPError

from contract.outcome import Reason
from guarded_http.connection import Meter
from guarded_http.content_coding import decoded
from guarded_http.errors import Deadline, FetchError

CHUNK_BYTES = 64 * 1024
CODED_CHUNK_BYTES = 2 * 1024  #: so that few bytes are read ahead of what they become
MAX_RATIO = 200  #: HTML shrinks 4- to 20-fold; deflate reaches 1,032 (https://zlib.net/zlib_tech.html)
FREE_BYTES = 1024 * 1024  #: of content may have any ratio: nothing suffers from them


class Answer:
    """What a site answered.

    Attributes:
        status: HTTP's; interim answers are read past.
        content_type: the header as sent; `""` where absent.
        received: bytes of the body, as they came out of their chunks.
    """

    def __init__(self, response: Response, meter: Meter) -> None:
        self.status = response.status_code
        self.received = 0
        self._response = response
        self._meter = meter
        self._announced: int | None = response.raw.length_remaining
        if self._announced == 0:
            response.raw.drain_conn()  # so that the connection is kept, though nobody will read this body

    @property
    def content_type(self) -> str:
        """The Content-Type header as sent."""
        return self.field("Content-Type")

    @property
    def location(self) -> str:
        """Where a redirect points to; `""` for any other answer."""
        return self.field("Location") if self.status in {301, 302, 303, 307, 308} else ""

    def field(self, name: str) -> str:
        """Return a header field, several joined by commas (RFC 9110 section 5.3); `""` where absent."""
        return self._response.headers.get(name, "").strip()

    def body(self, max_bytes: int, *, cut: bool = False) -> bytes:
        """Return the content, decoded.

        Args:
            max_bytes: as received, and as decoded.
            cut: return the first `max_bytes` of one that is larger.

        Raises:
            FetchError: `too_large`, `decompression_bomb`, `incomplete_body`, or `timeout`.
        """
        if not cut and (self._announced or 0) > max_bytes:
            detail = f"{self._announced} bytes are announced; at most {max_bytes} are read"
            raise FetchError(Reason.TOO_LARGE, detail, self.status)
        self._meter.room = self._meter.received + 2 * max_bytes + CHUNK_BYTES  # sizes of chunks, trailers
        try:
            # A body that ends early, or is garbled on its way, may come whole the next time.
            with told(self._meter.deadline, otherwise=Reason.INCOMPLETE_BODY):
                return self._read(max_bytes, cut=cut)
        except FetchError as wrong:
            raise FetchError(wrong.reason, wrong.detail, self.status) from None

    def _read(self, max_bytes: int, *, cut: bool) -> bytes:
        content = bytearray()
        for chunk in decoded(self._chunks(), self.field("Content-Encoding")):
            content += chunk
            self._meter.deadline.left()
            size = len(content)
            if cut and size >= max_bytes:
                return bytes(content[:max_bytes])
            if size > min(max_bytes, FREE_BYTES) and size > MAX_RATIO * self.received:
                detail = f"{self.received} bytes became more than {size}"
                raise FetchError(Reason.DECOMPRESSION_BOMB, f"{detail}; content may grow {MAX_RATIO}-fold")
            if max(size, self.received) > max_bytes:
                raise FetchError(Reason.TOO_LARGE, f"the body has more than {max_bytes} bytes")
        return bytes(content)

    def _chunks(self) -> Iterator[bytes]:
        """Yield the body, as it was sent: requests' and urllib3's decoding does not tell where one is cut."""
        most = CODED_CHUNK_BYTES if self.field("Content-Encoding") else CHUNK_BYTES
        while chunk := self._response.raw.read(most, decode_content=False):
            self.received += len(chunk)
            yield chunk


@contextmanager
def told(deadline: Deadline, *, otherwise: Reason) -> Iterator[None]:
    """Tell what requests and urllib3 raise as a reason: the deadline's where it has passed."""
    try:
        yield
    except (RequestException, HTTPError) as wrong:
        deadline.left()
        why: BaseException = wrong
        while why.args and isinstance(why.args[-1], Exception):  # requests wraps what urllib3 wraps
            why = why.args[-1]
        raise FetchError(otherwise, f"{type(why).__name__}: {why}") from None
