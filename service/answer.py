"""One answer of a site: its head, and its body within bounds."""

import http.client
import ssl
from collections.abc import Callable, Iterator
from typing import TypeVar

from contract.outcome import Reason
from service.connection import Meter, Response
from service.content_coding import decoded
from service.no_answer import Deadline, NoAnswer

Told = TypeVar("Told")

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
        is_over: whether the connection is where the next answer begins.

    Raises:
        NoAnswer: where the head leaves open where the body ends.
    """

    def __init__(self, response: Response, meter: Meter) -> None:
        self.status = response.status
        self.received = 0
        self._response = response
        self._meter = meter
        if response.msg.defects:
            raise NoAnswer(Reason.CONNECT, f"garbled header: {type(response.msg.defects[0]).__name__}")
        transfer = self.field("Transfer-Encoding")
        if transfer and not response.chunked:
            raise NoAnswer(Reason.CONNECT, f"a transfer coding that nobody asked for: {transfer[:80]!r}")
        self._announced = None if response.chunked else _length(self.field("Content-Length"))
        has_body = self.status not in {204, 304}
        self._left: int | None = self._announced if has_body else 0

    @property
    def content_type(self) -> str:
        """The Content-Type header as sent."""
        return self.field("Content-Type")

    @property
    def location(self) -> str:
        """Where a redirect points to; `""` for any other answer."""
        return self.field("Location") if self.status in {301, 302, 303, 307, 308} else ""

    @property
    def is_over(self) -> bool:
        """Say whether the body was read to its end, and its end was told."""
        return self._left == 0 and not self._response.will_close

    def field(self, name: str) -> str:
        """Return a header field, several joined by commas (RFC 9110 section 5.3); `""` where absent."""
        return ", ".join(map(str.strip, self._response.msg.get_all(name, ())))

    def body(self, max_bytes: int, *, cut: bool = False) -> bytes:
        """Return the content, decoded.

        Args:
            max_bytes: as received, and as decoded.
            cut: return the first `max_bytes` of one that is larger.

        Raises:
            NoAnswer: `too_large`, `bomb`, `cut_short`, or `timeout`.
        """
        if not cut and (self._left or 0) > max_bytes:
            raise NoAnswer(
                Reason.TOO_LARGE,
                f"{self._left} bytes are announced; at most {max_bytes} are read",
                self.status,
            )
        self._meter.room = self._meter.received + 2 * max_bytes + CHUNK_BYTES  # sizes of chunks, trailers
        try:
            # A body that ends early, or is garbled on its way, may come whole the next time.
            return told(
                self._meter.deadline, lambda: self._read(max_bytes, cut=cut), otherwise=Reason.CUT_SHORT
            )
        except NoAnswer as wrong:
            raise NoAnswer(wrong.reason, wrong.detail, self.status) from None

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
                raise NoAnswer(Reason.BOMB, f"{detail}; content may grow {MAX_RATIO}-fold")
            if max(size, self.received) > max_bytes:
                raise NoAnswer(Reason.TOO_LARGE, f"the body has more than {max_bytes} bytes")
        return bytes(content)

    def _chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes, without waiting for a chunk to be full."""
        most = CODED_CHUNK_BYTES if self.field("Content-Encoding") else CHUNK_BYTES
        while self._left != 0:
            size = most if self._left is None else min(most, self._left)
            chunk = self._response.read1(size)
            if not chunk:
                break
            self.received += len(chunk)
            if self._left is not None:
                self._left -= len(chunk)
            yield chunk
        if self._left:
            raise NoAnswer(Reason.CUT_SHORT, f"{self._left} bytes of {self._announced} are missing")
        self._left = 0


def _length(field: str) -> int | None:
    """Return a Content-Length; the same one several times is one (RFC 9110 section 8.6)."""
    values = {each.strip() for each in field.split(",")} if field else set()
    if not values:
        return None
    [value, *others] = values
    if others or not (value.isascii() and value.isdecimal()):
        raise NoAnswer(Reason.CONNECT, f"nobody knows where the body ends: Content-Length {field[:80]!r}")
    return int(value[:20])


def told(deadline: Deadline, ask: Callable[[], Told], *, otherwise: Reason) -> Told:
    """Return what `ask` returns; tell what keeps it from it as a reason."""
    try:
        return ask()
    except TimeoutError:
        deadline.left()  # where the deadline has passed, that is the reason
        raise NoAnswer(Reason.TIMEOUT, "the site has stopped answering") from None
    except ssl.SSLError as wrong:
        raise NoAnswer(Reason.TLS, f"{type(wrong).__name__}: {wrong}") from None
    except (http.client.InvalidURL, UnicodeError) as wrong:
        raise NoAnswer(Reason.BAD_URL, str(wrong)) from None
    except (http.client.HTTPException, OSError) as wrong:
        deadline.left()
        raise NoAnswer(otherwise, f"{type(wrong).__name__}: {wrong}") from None
