"""urllib3's connections, to checked addresses; every byte is counted, every wait bounded by one deadline.

A timeout of the socket bounds one read; a site that sends a byte now and then stays within it for ever. Here
each read gets what is left of the deadline, in any kind of thread.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Callable
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from contract.outcome import Reason
from guarded_http.dial import GRACE_SECONDS, Dial
from guarded_http.errors import Deadline, FetchError

SILENCE_SECONDS = 20.0  #: a site that sends nothing for so long has stopped answering
MAX_HEAD_BYTES = 64 * 1024  #: status line and header fields, those of 1xx answers included
MAX_DIGITS = 18  #: of a Content-Length


class Meter:
    """What one exchange may still take.

    Attributes:
        deadline: of the exchange.
        room: bytes that may still be received; None while the head is read, which has its own bound.
        received: bytes, of this exchange.
    """

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.room: int | None = None
        self.received = 0

    def patience(self) -> float:
        """Return how long the next read may wait."""
        return min(SILENCE_SECONDS, self.deadline.left() + GRACE_SECONDS)

    def take(self, size: int) -> None:
        """Count what a read gave; 0 is the connection's end."""
        if size == 0 and self.received and self.room is None:
            raise FetchError(Reason.CONNECT, "the connection was closed within the header")
        self.received += size

    def check(self) -> None:
        """Refuse to read more than there is room for."""
        if self.room is None and self.received >= MAX_HEAD_BYTES:
            raise FetchError(Reason.CONNECT, f"the header has more than {MAX_HEAD_BYTES} bytes")
        if self.room is not None and self.received >= self.room:
            raise FetchError(Reason.TOO_LARGE, f"more than {self.room} bytes came")


class _Metered(io.RawIOBase):
    """A socket's bytes, metered."""

    def __init__(self, sock: socket.socket, meter: Meter) -> None:
        self._sock = sock
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._meter = meter

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer: typeshed's type is private
        """Read once; see `io.RawIOBase`."""
        self._meter.check()
        self._sock.settimeout(self._meter.patience())
        try:
            size: int = self._raw.readinto(buffer)
        except TimeoutError:
            self._meter.deadline.left()  # where the deadline has passed, that is the reason
            raise FetchError(Reason.TIMEOUT, "the site has stopped answering") from None
        except ssl.SSLError as wrong:
            raise FetchError(Reason.TLS, f"{type(wrong).__name__}: {wrong}") from None
        self._meter.take(size)
        return size

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class Response(http.client.HTTPResponse):
    """An answer that is read through a meter; urllib3 has its own around it."""

    def __init__(self, sock: socket.socket, *arguments: Any, meter: Meter, **options: Any) -> None:  # noqa: ANN401 - http.client's own
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Metered(sock, meter))

    def begin(self) -> None:
        """Read the head.

        Raises:
            FetchError: for what http.client and urllib3 let pass: lines that are no fields, unknown codings,
                a length that leaves open where the body ends.
        """
        super().begin()
        if self.msg.defects:
            raise FetchError(Reason.CONNECT, f"garbled header: {type(self.msg.defects[0]).__name__}")
        if self.chunked:
            del self.msg["Content-Length"]  # which counts for nothing then (RFC 9112 section 6.3)
            self.chunked = self.length != 0  # no chunks come where the status has no body
        elif transfer := self.msg["Transfer-Encoding"]:
            raise FetchError(Reason.CONNECT, f"a transfer coding that nobody asked for: {transfer[:80]!r}")
        elif lengths := self.msg.get_all("Content-Length"):
            announced = _length(", ".join(lengths))
            if self.length != 0:  # which it is where the status has no body
                self.length = announced  # http.client takes "3, 3" for none

    def _read_status(self) -> tuple[str, int, str]:
        """Read past every interim answer, not only 100 (RFC 9110 section 15.2)."""
        version, status, reason = super()._read_status()  # type: ignore[misc] # http.client's, not in typeshed
        return version, 100 if 101 < status < 200 else status, reason

    def _read_next_chunk_size(self) -> int:
        """Refuse a negative size: http.client would read as if there were no bound."""
        size: int = super()._read_next_chunk_size()  # type: ignore[misc] # http.client's, not in typeshed
        if size < 0:
            raise ValueError(size)  # it tells this, and what is no number, as an incomplete body
        return size


def _length(field: str) -> int:
    """Return a Content-Length; the same one several times is one (RFC 9110 section 8.6)."""
    value, *others = {each.strip() for each in field.split(",")}
    if others or not (value.isascii() and value.isdecimal()):
        raise FetchError(Reason.CONNECT, f"nobody knows where the body ends: Content-Length {field[:80]!r}")
    if len(value) > MAX_DIGITS:
        raise FetchError(Reason.TOO_LARGE, f"a body is announced whose length has {len(value)} digits")
    return int(value)


class Connection(HTTPConnection):
    """A connection to one host, made by `dial` and by nothing else.

    Attributes:
        meter: of the exchange that goes over it now.
    """

    meter: Meter

    def __init__(self, *arguments: Any, dial: Dial, **options: Any) -> None:  # noqa: ANN401 - urllib3's own
        super().__init__(*arguments, **options)
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        """Connect; urllib3 would resolve the name by itself, and connect to whatever it finds."""
        connected = self._dial(self._dns_host, self.port, self.meter.deadline)
        connected.settimeout(self.meter.patience())  # for what comes before the first read: TLS, the request
        return connected

    def response_class(self, sock: socket.socket, *arguments: Any, **options: Any) -> Response:  # type: ignore[override] # a class there # noqa: ANN401 - its arguments
        """Return the answer that comes over `sock`; http.client calls this once for each request."""
        return Response(sock, *arguments, meter=self.meter, **options)


class TlsConnection(Connection, HTTPSConnection):
    """The same with TLS: SNI and the certificate are about the host's name."""

    def __init__(self, *arguments: Any, tls: Callable[[], ssl.SSLContext], **options: Any) -> None:  # noqa: ANN401 - urllib3's own
        super().__init__(*arguments, **options)
        self._tls = tls

    def connect(self) -> None:
        """Connect, and check the certificate.

        Raises:
            FetchError: where nothing checked answers, or the certificate is not the host's.
        """
        self.ssl_context = self._tls()
        try:
            super().connect()
        except TimeoutError:
            self.meter.deadline.left()
            raise FetchError(Reason.TIMEOUT, "the TLS handshake did not end") from None
        except (OSError, ValueError) as wrong:  # ssl.SSLError; a name that cannot be a certificate's
            raise FetchError(Reason.TLS, f"{type(wrong).__name__}: {wrong}") from None

    @property
    def is_connected(self) -> bool:
        """Say whether it is open and nothing came that nobody asked for."""
        # urllib3 asks the socket; what TLS has decrypted already is no longer there.
        return super().is_connected and not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending())
