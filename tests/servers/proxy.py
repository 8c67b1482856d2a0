"""Runs an HTTP proxy on a raw socket: it records what it is asked, and forwards it to 127.0.0.1."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from urllib.parse import urlsplit


class ProxyServer:
    """A proxy on 127.0.0.1, with one thread for each connection.

    Attributes:
        asked: request line and header fields of each request, in order; names are in lower case.
        refusal: the status line of the response to every request; `""` to forward the requests.
        port: the TCP port.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refusal = ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def run(self) -> None:
        """Accept connections until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            line = stream.readline()
            lines = list(iter(lambda: stream.readline().strip(), b""))
            fields = (each.decode("latin-1").partition(":") for each in lines)
            headers = {name.lower(): value.strip() for name, _, value in fields}
            self.asked.append((line.decode("latin-1").strip(), headers))
            if self.refusal:
                connection.sendall(f"HTTP/1.1 {self.refusal}\r\nContent-Length: 0\r\n\r\n".encode())
                return
            method, target, _ = line.decode("latin-1").split(" ")
            if method == "CONNECT":
                with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as site:
                    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    back = Thread(target=_copy, args=(site, connection), daemon=True)
                    back.start()
                    _copy(connection, site)
                    back.join()
                return
            parts = urlsplit(target)
            body = stream.read(int(headers.get("content-length", "0")))
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            with socket.create_connection(("127.0.0.1", parts.port or 80)) as site:
                head = b"\r\n".join(
                    [f"{method} {path} HTTP/1.1".encode(), *lines, b"Connection: close", b"", b""]
                )
                site.sendall(head + body)
                site.shutdown(socket.SHUT_WR)
                _copy(site, connection)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def running_proxy() -> Iterator[ProxyServer]:
    """Run a proxy until the `with` block ends."""
    proxy = ProxyServer()
    thread = Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
