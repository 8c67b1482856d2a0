"""Runs a web site on a raw socket; a test sets the response of each path, which may be invalid HTTP."""

import io
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import NamedTuple

from tests.servers.waiting import MAX_WAIT_SECONDS


class Request(NamedTuple):
    """A request that the site received.

    Attributes:
        path: the path with its query.
        headers: the header fields; their names are in lower case.
        method: the method.
        body: the body.
    """

    path: str
    headers: dict[str, str]
    method: str = "GET"
    body: bytes = b""


class PendingRequest(NamedTuple):
    """A request to which a function of the test writes the response.

    Attributes:
        connection: the client's socket.
        request: what the client sent.
        closing: set when the site is being closed.
    """

    connection: socket.socket
    request: Request
    closing: Event

    def send(self, data: bytes) -> None:
        """Send bytes unchanged."""
        self.connection.sendall(data)

    def send_slowly(self, data: bytes, seconds_per_byte: float = 0.02) -> None:
        """Send one byte after another, until all are sent or the site is closed."""
        for byte in data:
            if self.closing.wait(seconds_per_byte):
                return
            self.send(bytes([byte]))

    def wait_until_closed(self) -> None:
        """Wait until the client has closed the connection."""
        self.connection.recv(1)

    def reset(self) -> None:
        """Close the connection with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()


#: Either the bytes of a response, after which the connection stays open, or a function that writes the
#: response, after which the site closes the connection.
Response = bytes | Callable[[PendingRequest], None]


def http(
    status: int = 200,
    body: bytes = b"",
    *headers: str,
    content_type: str = "text/html; charset=utf-8",
    length: int | None = None,
) -> bytes:
    """Return the bytes of an HTTP response; `length` replaces the true Content-Length."""
    lines = [
        f"HTTP/1.1 {status} Reason",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def redirect(target: str, status: int = 302) -> bytes:
    """Return the bytes of an HTTP response that redirects to `target`."""
    return http(status, b"", f"Location: {target}")


class HeldPage:
    """A response that is not sent before the test releases it.

    Args:
        body: the body of the response.

    Attributes:
        requested: set when the page is requested.
        is_released: set by the test to send the response.
    """

    def __init__(self, body: bytes = b"<h1>Faust</h1>") -> None:
        self._body = body
        self.requested = Event()
        self.is_released = Event()

    def __call__(self, request: PendingRequest) -> None:
        """Send the response when the test has released it."""
        self.requested.set()
        assert self.is_released.wait(MAX_WAIT_SECONDS)
        request.send(http(200, self._body))


class Site:
    """A web server on a loopback address, with one thread for each connection.

    Attributes:
        requests: the requests so far, in order.
        connections: number of connections that were opened.
        host: the loopback address.
        port: the TCP port.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._tls = tls
        self._responses: dict[str, Response] = {}
        self._closing = Event()
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[Thread] = []
        self._listening = Thread(target=self._listen)
        self.host = host
        self._listener = socket.create_server((host, 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])

    def url(self, path: str = "/") -> str:
        """Return the URL of a path."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}{path}"

    def add(self, path: str, response: Response) -> str:
        """Set the response of `path` and return the URL of `path`.

        If `path` has no query, the response is also sent for `path` with a query, unless that was added, too.
        """
        self._responses[path] = response
        return self.url(path)

    def requests_for(self, path: str) -> list[Request]:
        """Return the requests for `path`."""
        return [request for request in self.requests if request.path == path]

    def open(self) -> None:
        """Begin to listen."""
        self._listening.start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = Thread(target=self._serve, args=(connection,))
                with self._lock:
                    self.connections += 1
                    self._open.add(connection)
                    self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """Close every connection and wait for the threads."""
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listening.join()
        self._listener.close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection = self._with_tls(connection)
            with suppress(OSError), connection:
                if isinstance(connection, ssl.SSLSocket):
                    connection.do_handshake()
                with connection.makefile("rb") as stream:
                    while self._respond(connection, stream):
                        pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def _with_tls(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        secured = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.discard(connection)
            self._open.add(secured)
        return secured

    def _respond(self, connection: socket.socket, stream: io.BufferedReader) -> bool:
        """Respond to one request; return whether the connection stays open."""
        lines = iter(stream.readline, b"")
        first = next(lines, b"").decode("latin-1").split(" ")
        if len(first) < 2:
            return False
        fields = (
            line.decode("latin-1").partition(":") for line in iter(lambda: next(lines, b"").strip(), b"")
        )
        headers = {name.lower(): value.strip() for name, _, value in fields}
        body = stream.read(int(headers.get("content-length", "0")))
        request = Request(first[1], headers, first[0], body)
        self.requests.append(request)
        without_query = self._responses.get(request.path.partition("?")[0], http(404))
        response = self._responses.get(request.path, without_query)
        if isinstance(response, bytes):
            connection.sendall(response)
            return True
        response(PendingRequest(connection, request, self._closing))
        return False


@contextmanager
def running_site(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Site]:
    """Run a site until the `with` block ends."""
    site = Site(tls, host)
    site.open()
    try:
        yield site
    finally:
        site.close()
