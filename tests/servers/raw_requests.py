"""Sends requests byte by byte over sockets: malformed bodies, and bodies that arrive slowly or never."""

import socket
import time
from contextlib import suppress

from tests.servers.waiting import MAX_WAIT_SECONDS

CHUNKED = b"Transfer-Encoding: chunked\r\n"
#: Header fields and bodies that no HTTP client sends; the client then closes its side of the connection.
MALFORMED = {
    "chunk size is no number": (CHUNKED, b"zz\r\nabc\r\n0\r\n\r\n"),
    "negative chunk size": (CHUNKED, b"-1\r\nabc\r\n0\r\n\r\n"),
    "empty chunk size": (CHUNKED, b"\r\nabc\r\n0\r\n\r\n"),
    "chunk is shorter than its size": (CHUNKED, b"ff\r\nabc\r\n0\r\n\r\n"),
    "chunk is longer than its size": (CHUNKED, b"2\r\nabcdef\r\n0\r\n\r\n"),
    "chunk without an end": (CHUNKED, b"5\r\nab"),
    "no last chunk": (CHUNKED, b"3\r\nabc\r\n"),
    "invalid chunk extension": (CHUNKED, b'3;="\r\nabc\r\n0\r\n\r\n'),
    "endless chunk size": (CHUNKED, b"0" * 100_000),
    "invalid trailer": (CHUNKED, b"3\r\nabc\r\n0\r\nno colon\r\n\r\n"),
    "chunks that are no bytes of a text": (CHUNKED, bytes(range(256)) * 16),
    "body shorter than its length": (b"Content-Length: 1000\r\n", b"abc"),
    "no body": (b"Content-Length: 1000\r\n", b""),
}


def start_request(port: int, path: str, fields: bytes, body: bytes) -> socket.socket:
    """Send the header and the beginning of the body of a POST to a port of 127.0.0.1."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=MAX_WAIT_SECONDS)
    header = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()
    with suppress(ConnectionError):  # the server answers before it has read everything
        connection.sendall(header + fields + b"\r\n" + body)
    return connection


def read_response(connection: socket.socket) -> tuple[int, str]:
    """Read until the server closes the connection; return the status and the text of the response."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass  # the server has closed while the client was sending
    connection.close()
    return int(received.split(b" ")[1]), received.decode()


def request(port: int, path: str, fields: bytes, body: bytes) -> tuple[int, str]:
    """Send a request, close the sending side, and return the status and the text of the response."""
    connection = start_request(port, path, fields, body)
    with suppress(OSError):  # the server has closed already
        connection.shutdown(socket.SHUT_WR)
    return read_response(connection)


def send_slowly(connection: socket.socket) -> None:
    """Send a byte several times a second until the server closes the connection."""
    ends_at = time.monotonic() + MAX_WAIT_SECONDS
    while time.monotonic() < ends_at:
        connection.settimeout(0.2)
        try:
            if connection.recv(1, socket.MSG_PEEK) is not None:
                break
        except TimeoutError:
            connection.sendall(b" ")
    connection.settimeout(MAX_WAIT_SECONDS)
