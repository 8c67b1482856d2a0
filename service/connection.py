"""One HTTP connection whose every byte is counted, and every wait bounded by one deadline.

A timeout of the socket bounds one read; a site that sends a byte now and then stays within it for ever. Here
each read gets what is left of the deadline, in any kind of thread.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from contract.outcome import Reason
from service.dial import GRACE_SECONDS, Dial
from service.no_answer import Deadline, NoAnswer

SILENCE_SECONDS = 20.0  #: a site that sends nothing for so long has stopped answering
MAX_HEAD_BYTES = 64 * 1024  #: status line and header fields, those of 1xx answers included


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
            raise NoAnswer(Reason.CONNECT, "the connection was closed within the header")
        self.received += size

    def check(self) -> None:
        """Refuse to read more than there is room for."""
        if self.room is None and self.received >= MAX_HEAD_BYTES:
            raise NoAnswer(Reason.CONNECT, f"the header has more than {MAX_HEAD_BYTES} bytes")
        if self.room is not None and self.received >= self.room:
            raise NoAnswer(Reason.TOO_LARGE, f"more than {self.room} bytes came")


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
        size: int = self._raw.readinto(buffer)
        self._meter.take(size)
        return size

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class Response(http.client.HTTPResponse):
    """An answer that is read through a meter."""

    def __init__(self, sock: socket.socket, *arguments: Any, meter: Meter, **options: Any) -> None:  # noqa: ANN401 - http.client's own
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Metered(sock, meter))

    def _read_status(self) -> tuple[str, int, str]:
        """Read past every interim answer, not only 100 (RFC 9110 section 15.2)."""
        version, status, reason = super()._read_status()  # type: ignore[misc] # http.client's, not in typeshed
        return version, 100 if 101 < status < 200 else status, reason


class Connection(http.client.HTTPConnection):
    """A connection to one host, made by `dial` and by nothing else.

    Args:
        host: a name or an address; what Host, SNI and the certificate are about.
        tls: None for plain HTTP.
    """

    def __init__(
        self, host: str, port: int, dial: Dial, tls: Callable[[], ssl.SSLContext] | None = None
    ) -> None:
        super().__init__(host, port)
        self._dial = dial
        self._tls = tls

    def open(self, deadline: Deadline) -> None:
        """Connect, with TLS where it belongs.

        Raises:
            NoAnswer: where nothing checked answers, or the certificate is not the host's.
        """
        plain = self._dial(self.host, self.port, deadline)
        try:
            self.sock = plain if self._tls is None else self._secured(plain, self._tls(), deadline)
        except BaseException:
            plain.close()
            raise

    def _secured(self, plain: socket.socket, tls: ssl.SSLContext, deadline: Deadline) -> socket.socket:
        plain.settimeout(deadline.left() + GRACE_SECONDS)
        try:
            return tls.wrap_socket(plain, server_hostname=self.host.rstrip("."))
        except TimeoutError:
            deadline.left()
            raise NoAnswer(Reason.TIMEOUT, "the TLS handshake did not end") from None
        except (
            OSError,
            ValueError,
        ) as wrong:  # ssl.SSLError among them; a name that cannot be a certificate's
            raise NoAnswer(Reason.TLS, f"{type(wrong).__name__}: {wrong}") from None

    def connect(self) -> None:
        """Refuse: `open` connects, with a deadline; http.client would do it by itself, without."""
        raise http.client.NotConnected

    def ask(self, target: str, fields: dict[str, str], meter: Meter) -> Response:
        """Send a GET and return its answer, once its head is there."""
        self.sock.settimeout(meter.patience())
        self.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
        for name, value in fields.items():
            self.putheader(name, value)
        self.endheaders()
        self.response_class = partial(Response, meter=meter)  # type: ignore[assignment] # a class, for one use
        answer = self.getresponse()
        assert isinstance(answer, Response)  # noqa: S101 - tells mypy what the line above arranged
        return answer

    def is_quiet(self) -> bool:
        """Say whether it is open and nothing came that nobody asked for."""
        if self.sock is None:
            return False
        self.sock.settimeout(0)
        try:
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False
