"""Reads one HTTP/1 response from a connection, within a byte budget."""

import re
import ssl
from collections.abc import Iterator

from contract.quoting import quote
from guarded_http.byte_budget import ByteBudget
from guarded_http.connection import Connection
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.response_head import MAX_HEADER_BYTES, ResponseHead, parse_head

RECEIVE_BYTES = 64 * 1024  #: maximum number of bytes per read of the socket
MAX_LINE_BYTES = 64 * 1024  #: maximum size of a line with the size of a chunk, or of a trailer field
_VERSION = b"HTTP/"  # the first bytes of each response
_HEAD_END = re.compile(rb"\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*0*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n")  # RFC 9112 section 7.1
_LINE_ENDS = frozenset({b"\r\n", b"\n"})


class ResponseReader:
    """One response. Its header is read first, and then its body.

    Attributes:
        connection: the connection from which the response is read.
        head: status and header fields; interim responses (1xx) are skipped.

    Args:
        connection: see above; a request has been sent over it.
        budget: limits the time and the bytes.

    Raises:
        ConnectionError: if the connection ended before the first byte of the response, or was reset.
        OSError: if the header could not be read for another reason.
        FetchError: `connect`, `too_large`, `timeout` or `tls`, if there is no valid header.
        Exception: the deadline's own exception, if the deadline has passed.
    """

    def __init__(self, connection: Connection, budget: ByteBudget) -> None:
        self.connection = connection
        self._budget = budget
        self._buffer = b""
        self._position = 0  # of the first byte in the buffer that has not been read
        head = self._read_head()
        while head.status < 200 and head.status != 101:  # RFC 9110 section 15.2
            head = self._read_head()
        self.head: ResponseHead = head
        self._is_complete = head.length == 0

    @property
    def is_reusable(self) -> bool:
        """Whether the next response can follow: this one was read to its end, and no byte follows it."""
        return self._is_complete and self.head.keeps_connection and self._position == len(self._buffer)

    def body(self) -> Iterator[bytes]:
        """Yield the body without chunk sizes, in pieces of at most about 128 KiB.

        Raises:
            FetchError: `incomplete_body` if the body ends early or a chunk is invalid; `too_large`, `timeout`
                or `tls`.
            Exception: the deadline's own exception, if the deadline has passed.
        """
        if self.head.is_chunked:
            return self._chunked()
        return self._until_closed() if self.head.length is None else self._sized(self.head.length)

    def _read_head(self) -> ResponseHead:
        start = searched = self._position
        while not (end := _HEAD_END.search(self._buffer, searched)):
            if not _VERSION.startswith(first := self._buffer[start : start + len(_VERSION)]):
                raise FetchError(
                    FetchErrorKind.CONNECT, f"not a response of HTTP/1: {quote(first.decode('latin-1'))}"
                )
            searched = max(start, len(self._buffer) - len(b"\n\r"))
            received = self._receive(RECEIVE_BYTES)
            if not received and self._buffer:
                raise FetchError(FetchErrorKind.CONNECT, "the site closed the connection within the header")
            if not received:
                raise ConnectionResetError("the site closed the connection without a response")
            self._buffer += received
        self._position = end.end()
        if self._position > MAX_HEADER_BYTES:
            raise FetchError(FetchErrorKind.CONNECT, f"the header has more than {MAX_HEADER_BYTES} bytes")
        return parse_head(self._buffer[start : self._position].decode("latin-1"))

    def _sized(self, length: int) -> Iterator[bytes]:
        left = length
        while left:
            piece = self._take(left) or self._receive_body(min(left, RECEIVE_BYTES))
            if not piece:
                raise _incomplete(f"{left} of {length} bytes are missing")
            left -= len(piece)
            yield piece
        self._is_complete = True

    def _until_closed(self) -> Iterator[bytes]:
        while piece := self._take(RECEIVE_BYTES) or self._receive_body(RECEIVE_BYTES):
            yield piece

    def _chunked(self) -> Iterator[bytes]:
        pieces, size = list[bytes](), 0
        while left := self._chunk_size():
            while left:
                piece = self._take(left)
                if not piece and not self._fill():
                    raise _incomplete(f"{left} bytes of a chunk are missing")
                left -= len(piece)
                size += len(piece)
                pieces.append(piece)
                if size >= RECEIVE_BYTES:
                    yield b"".join(pieces)
                    pieces, size = [], 0
            if self._line() not in _LINE_ENDS:
                raise _incomplete("a chunk does not end where its size says")
        yield b"".join(pieces)
        line = self._line()
        while line and line not in _LINE_ENDS:  # trailer fields
            line = self._line()
        self._is_complete = bool(line)

    def _chunk_size(self) -> int:
        self._budget.count_chunk()
        line = self._line()
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise _incomplete(f"invalid chunk size: {quote(line.decode('latin-1'), 80)}")
        return int(match[1], 16)

    def _line(self) -> bytes:
        """Return the next line with its end; without an end, if the site closed the connection."""
        while (end := self._buffer.find(b"\n", self._position) + 1) == 0:
            if len(self._buffer) - self._position > MAX_LINE_BYTES:
                detail = f"a chunk size or a trailer has more than {MAX_LINE_BYTES} bytes"
                raise FetchError(FetchErrorKind.TOO_LARGE, detail)
            if not self._fill():
                end = len(self._buffer)
                break
        line = self._buffer[self._position : end]
        self._position = end
        return line

    def _take(self, limit: int) -> bytes:
        """Return at most `limit` bytes of the buffer."""
        piece = self._buffer[self._position : self._position + limit]
        self._position += len(piece)
        if self._position == len(self._buffer):
            self._buffer, self._position = b"", 0  # free the memory
        return piece

    def _fill(self) -> bool:
        """Receive more bytes into the buffer; return False if the site closed the connection."""
        received = self._receive_body(RECEIVE_BYTES)
        self._buffer, self._position = self._buffer[self._position :] + received, 0
        return bool(received)

    def _receive_body(self, size: int) -> bytes:
        try:
            return self._receive(size)
        except OSError as error:
            self._budget.deadline.remaining()
            raise _incomplete(f"{type(error).__name__}: {error}") from None

    def _receive(self, size: int) -> bytes:
        """Return at most `size` bytes; none if the site closed the connection."""
        budget, sock = self._budget, self.connection.socket
        budget.check()
        sock.settimeout(budget.read_timeout())
        try:
            received = sock.recv(size)
        except TimeoutError:
            budget.deadline.remaining()  # raises its own exception if the deadline has passed
            raise FetchError(FetchErrorKind.TIMEOUT, "the site stopped sending") from None
        except ssl.SSLError as error:
            raise FetchError(FetchErrorKind.TLS, f"{type(error).__name__}: {error}") from None
        budget.count(len(received))
        return received


def _incomplete(detail: str) -> FetchError:
    return FetchError(FetchErrorKind.INCOMPLETE_BODY, f"the body ends early: {detail}")
