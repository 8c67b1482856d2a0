"""Defines connections for urllib3: they go to checked addresses, and limit the bytes and the time of reads.

A socket's timeout bounds one read, so a site that sends a byte now and then could keep a request open
forever. Here each read may take no longer than the deadline allows, under threads and under gevent.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Callable
from email.message import Message
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from contract.quoting import quote
from guarded_http.dialer import GRACE_SECONDS, Dial
from guarded_http.errors import Deadline, FetchError, FetchErrorKind
from guarded_http.header_fields import MAX_HEADER_BYTES, HeaderReader

MAX_SILENCE_SECONDS = 20.0  #: maximum number of seconds that one read waits for the site's next byte
_BODILESS_STATUSES = frozenset({101, 204, 304})  # RFC 9112 section 6.3
MAX_LENGTH_DIGITS = 18  #: maximum number of digits of a Content-Length header
#: Number of chunks of one body that may have any size. Further ones must have on average `MIN_CHUNK_BYTES`
#: with their sizes: a chunk takes a microsecond or more, and 5 MB may have a million of them.
MAX_TINY_CHUNKS = 20_000
MIN_CHUNK_BYTES = 32
MAX_SET_COOKIES = 100  #: maximum number of Set-Cookie fields that are read; `FetchCookies` keeps 50 cookies
WORK_BYTES = 64 * 1024  #: number of bytes after which other work of the process may continue


class ByteBudget:
    """The bytes and the time that one request may still take.

    Attributes:
        deadline: the request's deadline.
        remaining_bytes: bytes of the body that may still be received; None while the header is read,
            because the header has its own limit (`MAX_HEADER_BYTES`).
        received: bytes received for this request.
        is_public: whether the request went to a public address; True until the response begins.

    Args:
        deadline: see above.
        yield_processor: called after each 64 KiB that were received or decoded.
    """

    def __init__(self, deadline: Deadline, yield_processor: Callable[[], object] = lambda: None) -> None:
        self.deadline = deadline
        self._yield_processor = yield_processor
        self._work = 0
        self._chunks = 0
        self.is_public = True
        self.remaining_bytes: int | None = None
        self.received = 0

    def read_timeout(self) -> float:
        """Return how many seconds the next read may wait."""
        return min(MAX_SILENCE_SECONDS, self.deadline.remaining() + GRACE_SECONDS)

    def check(self) -> None:
        """Check that another read is permitted.

        Raises:
            FetchError: `connect` if the header is too large, `too_large` if the body is too large.
        """
        if self.remaining_bytes is None and self.received >= MAX_HEADER_BYTES:
            raise FetchError(FetchErrorKind.CONNECT, f"the header has more than {MAX_HEADER_BYTES} bytes")
        if self.remaining_bytes is not None and self.remaining_bytes <= 0:
            raise FetchError(
                FetchErrorKind.TOO_LARGE, "chunk sizes and trailers have more bytes than the body may have"
            )

    def count(self, size: int) -> None:
        """Count the bytes of one read; a size of 0 means that the site closed the connection.

        Raises:
            FetchError: `connect`, if the connection was closed within the header.
        """
        if self.remaining_bytes is not None:
            self.remaining_bytes -= size
        elif size == 0 and self.received:
            raise FetchError(FetchErrorKind.CONNECT, "the site closed the connection within the header")
        self.received += size
        self.count_work(size)

    def count_work(self, size: int) -> None:
        """Count bytes that were received or decoded, and let other work of the process continue at times."""
        self._work += size
        if self._work >= WORK_BYTES:
            self._work = 0
            self._yield_processor()

    def count_chunk(self) -> None:
        """Count a chunk of a chunked body.

        Raises:
            FetchError: `too_large`, if the body has too many chunks for its size.
        """
        self._chunks += 1
        if self._chunks > MAX_TINY_CHUNKS + self.received // MIN_CHUNK_BYTES:
            detail = f"{self._chunks} chunks in {self.received} bytes; they are too small"
            raise FetchError(FetchErrorKind.TOO_LARGE, detail)


class _BudgetedReader(io.RawIOBase):
    """Reads from a socket within a byte budget."""

    def __init__(self, sock: socket.socket, budget: ByteBudget) -> None:
        self._sock = sock
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._budget = budget

    def readable(self) -> bool:
        """Return True, as `io.RawIOBase` requires of a stream that can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - typeshed's type of a writable buffer is private
        """Read once; see `io.RawIOBase`."""
        self._budget.check()
        self._sock.settimeout(self._budget.read_timeout())
        try:
            size: int = self._raw.readinto(buffer)
        except TimeoutError:
            self._budget.deadline.remaining()  # raises its own exception if the deadline has passed
            raise FetchError(FetchErrorKind.TIMEOUT, "the site stopped sending") from None
        except ssl.SSLError as error:
            raise FetchError(FetchErrorKind.TLS, f"{type(error).__name__}: {error}") from None
        self._budget.count(size)
        return size

    def close(self) -> None:
        """Release the socket."""
        self._raw.close()
        super().close()


class BudgetedResponse(http.client.HTTPResponse):
    """http.client's response, read within a byte budget; urllib3 wraps it in its own response class."""

    def __init__(self, sock: socket.socket, *arguments: Any, budget: ByteBudget, **options: Any) -> None:  # noqa: ANN401 - the arguments are http.client's
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_BudgetedReader(sock, budget))
        self._budget = budget

    def begin(self) -> None:
        """Read the status line and the header.

        Raises:
            FetchError: if a field with the length of the body is malformed, the transfer coding is unknown,
                or the Content-Length is invalid. http.client and urllib3 would accept such a header.
        """
        reader = self.fp
        self.fp = HeaderReader(reader)  # type: ignore[assignment] # http.client only calls readline and close
        try:
            super().begin()
        finally:
            self.fp = self.fp and reader  # http.client sets None if it has closed the connection
        # The parser reports faults of a multipart body, which it does not have.
        self.msg.defects.clear()
        _limit_cookies(self.msg)
        codings = _transfer_codings(self.msg.get_all("Transfer-Encoding", []))
        lengths = self.msg.get_all("Content-Length", [])
        has_body = self.status not in _BODILESS_STATUSES
        if codings == {"chunked"}:
            del self.msg["Content-Length"]  # RFC 9112 section 6.3: Transfer-Encoding overrides it
            self.chunked, self.chunk_left, self.length = has_body, None, None if has_body else 0
            self.will_close = bool(lengths) or self._check_close()  # type: ignore[attr-defined] # private in http.client
        elif codings:
            shown = quote(", ".join(sorted(codings)), 80)
            raise FetchError(FetchErrorKind.CONNECT, f"unsupported Transfer-Encoding: {shown}")
        elif lengths:
            announced = _parse_content_length(", ".join(lengths))
            if has_body:
                self.length = announced  # http.client does not understand "3, 3"

    def _read_status(self) -> tuple[str, int, str]:
        """Return 100 for statuses 102 to 199, since http.client skips only 100 (RFC 9110 section 15.2)."""
        version, status, reason = super()._read_status()  # type: ignore[misc] # private in http.client
        return version, 100 if 101 < status < 200 else status, reason

    def _read_next_chunk_size(self) -> int:
        """Reject a negative chunk size, after which http.client would read without a limit.

        Raises:
            FetchError: `too_large`, if there are too many tiny chunks.
        """
        self._budget.count_chunk()
        size: int = super()._read_next_chunk_size()  # type: ignore[misc] # private in http.client
        if size < 0:
            raise ValueError(size)  # http.client turns a ValueError into IncompleteRead
        return size


def _limit_cookies(header: Message) -> None:
    """Remove the Set-Cookie fields beyond the maximum: parsing one takes 60 microseconds."""
    cookies = header.get_all("Set-Cookie", [])
    if len(cookies) > MAX_SET_COOKIES:
        del header["Set-Cookie"]
        for cookie in cookies[:MAX_SET_COOKIES]:
            header["Set-Cookie"] = cookie


def _transfer_codings(fields: list[str]) -> set[str]:
    """Return the names of the transfer codings, without `identity`, which old servers send for none."""
    return {coding.strip().lower() for field in fields for coding in field.split(",")} - {"", "identity"}


def _parse_content_length(header: str) -> int:
    """Return the length in bytes; repeated equal values are accepted as one (RFC 9110 section 8.6)."""
    value, *others = {part.strip() for part in header.split(",")}
    if others or not (value.isascii() and value.isdecimal()):
        raise FetchError(FetchErrorKind.CONNECT, f"invalid Content-Length: {quote(header, 80)}")
    if len(value) > MAX_LENGTH_DIGITS:
        raise FetchError(FetchErrorKind.TOO_LARGE, f"the Content-Length has {len(value)} digits")
    return int(value)


class Connection(HTTPConnection):
    """A connection to one host, made by a `Dialer`, or through a proxy by a `ProxyDialer`.

    Attributes:
        budget: the byte budget of the request that uses the connection now.
    """

    budget: ByteBudget

    def __init__(self, *arguments: Any, dialer: Dial, **options: Any) -> None:  # noqa: ANN401 - the arguments are urllib3's
        super().__init__(*arguments, **options)
        self._dialer = dialer
        self._is_public = True

    def _new_conn(self) -> socket.socket:
        """Connect; urllib3's own method would resolve the name and connect to any address."""
        sock, self._is_public = self._dialer.open(self._dns_host, self.port, self.budget.deadline)
        sock.settimeout(self.budget.read_timeout())  # for the TLS handshake and for sending the request
        return sock

    def response_class(self, sock: socket.socket, *arguments: Any, **options: Any) -> BudgetedResponse:  # type: ignore[override] # typed as a class # noqa: ANN401 - the arguments are http.client's
        """Return the response that comes over `sock`; http.client calls this once for each request."""
        self.budget.is_public = self._is_public
        return BudgetedResponse(sock, *arguments, budget=self.budget, **options)

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open and has no unread bytes; urllib3 asks before it uses it again.

        urllib3's own property polls the socket, which under gevent takes a tenth of the processor time of a
        fetch, and does not see the bytes that TLS has already decrypted.
        """
        if self.sock is None or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return False
        self.sock.settimeout(0)  # until the next request sets its own timeout
        try:
            socket.socket.recv(self.sock, 1, socket.MSG_PEEK)  # SSLSocket.recv has no flags
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


class TlsConnection(Connection, HTTPSConnection):
    """A connection with TLS; SNI and the check of the certificate use the host's name, not its address."""

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 - the arguments are urllib3's
        tls_context: Callable[[], ssl.SSLContext],
        **options: Any,  # noqa: ANN401 - the arguments are urllib3's
    ) -> None:
        super().__init__(*arguments, **options)
        self._tls_context = tls_context

    def connect(self) -> None:
        """Connect, and check the certificate.

        Raises:
            FetchError: if there is no connection, or the certificate is not valid for the host.
        """
        self.ssl_context = self._tls_context()
        try:
            super().connect()
        except TimeoutError:
            self.budget.deadline.remaining()
            raise FetchError(FetchErrorKind.TIMEOUT, "the TLS handshake timed out") from None
        except (OSError, ValueError) as error:  # ValueError: a name that no certificate can have
            raise FetchError(FetchErrorKind.TLS, f"{type(error).__name__}: {error}") from None
