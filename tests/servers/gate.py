"""Forwards TCP connections to a port of 127.0.0.1, until it is closed: then all of them end."""

import socket
from contextlib import suppress
from threading import Lock, Thread

from console.stack.ports import free_port


class Gate:
    """A gate in front of a server; it is open at first.

    Args:
        target: the server's port on 127.0.0.1.

    Attributes:
        port: the gate's own port on 127.0.0.1; the same one after it was closed and opened.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = Lock()
        self._sockets = set[socket.socket]()
        self.port = free_port()
        self.open()

    def open(self) -> None:
        """Accept connections, at first and after `close`."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accepting = Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """End all connections; further ones are refused."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                # `close` waits for this thread, and so ends this connection, too.
                with self._lock:
                    self._sockets.add(client)
                Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._target)) as server:
            with self._lock:
                self._sockets.add(server)
            back = Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()
            with self._lock:
                self._sockets -= {client, server}


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
