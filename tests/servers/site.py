"""A site on a real socket: each path answers, or misbehaves, as a test wants."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import NamedTuple


class Request(NamedTuple):
    """What a client asked for: path with query, and header fields, their names in lower case."""

    path: str
    headers: dict[str, str]


class Visit(NamedTuple):
    """One request being answered."""

    connection: socket.socket
    request: Request
    closing: Event

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.connection.sendall(data)

    def send_slowly(self, data: bytes, seconds_a_byte: float = 0.02) -> None:
        """Send byte by byte, until the client has enough of it."""
        for byte in data:
            if self.closing.wait(seconds_a_byte):
                return
            self.send(bytes([byte]))

    def say_nothing(self) -> None:
        """Wait until the client is gone."""
        self.connection.recv(1)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()


Answer = bytes | Callable[[Visit], None]


def http(
    status: int = 200,
    body: bytes = b"",
    *headers: str,
    content_type: str = "text/html; charset=utf-8",
    length: int | None = None,
) -> bytes:
    """Return an HTTP answer; `length` is what it claims to have."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def redirect(target: str, status: int = 302) -> bytes:
    """Return an HTTP answer that sends elsewhere."""
    return http(status, b"", f"Location: {target}")


class Site:
    """Answers on 127.0.0.1, one thread a connection.

    Attributes:
        requests: what was asked for, in order.
        connections: how many were made.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._tls = tls
        self._answers: dict[str, Answer] = {}
        self._closing = Event()
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[Thread] = []
        self._listening = Thread(target=self._listen)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])

    def url(self, path: str = "/") -> str:
        """Return the URL of a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{path}"

    def add(self, path: str, answer: Answer) -> str:
        """Let `path` answer so, with any query that has no answer of its own; return its URL.

        Bytes keep the connection open, behaviours end it.
        """
        self._answers[path] = answer
        return self.url(path)

    def asked(self, path: str) -> list[Request]:
        """Return the requests for `path`."""
        return [request for request in self.requests if request.path == path]

    def open(self) -> None:
        """Begin to answer."""
        self._listening.start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = Thread(target=self._converse, args=(connection,))
                with self._lock:
                    self.connections += 1
                    self._open.add(connection)
                    self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """End every conversation."""
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listening.join()
        self._listener.close()
        with self._lock:
            conversations = list(self._open)
        for connection in conversations:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _converse(self, connection: socket.socket) -> None:
        try:
            connection = self._secured(connection)
            with suppress(OSError), connection:
                if isinstance(connection, ssl.SSLSocket):
                    connection.do_handshake()
                with connection.makefile("rb") as stream:
                    while self._answer(connection, iter(stream.readline, b"")):
                        pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        secured = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.discard(connection)
            self._open.add(secured)
        return secured

    def _answer(self, connection: socket.socket, lines: Iterator[bytes]) -> bool:
        """Answer one request; return whether another may follow."""
        first = next(lines, b"").decode("latin-1").split(" ")
        if len(first) < 2:
            return False
        fields = (
            line.decode("latin-1").partition(":") for line in iter(lambda: next(lines, b"").strip(), b"")
        )
        request = Request(first[1], {name.lower(): value.strip() for name, _, value in fields})
        self.requests.append(request)
        whatever_is_asked = self._answers.get(request.path.partition("?")[0], http(404))
        answer = self._answers.get(request.path, whatever_is_asked)
        if isinstance(answer, bytes):
            connection.sendall(answer)
            return True
        answer(Visit(connection, request, self._closing))
        return False


@contextmanager
def open_site(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Run a site until the `with` block ends."""
    site = Site(tls)
    site.open()
    try:
        yield site
    finally:
        site.close()
