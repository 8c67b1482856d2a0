"""Answers plain pushes on gunicorn's connections, and leaves all other requests to gunicorn."""

import socket
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import gevent
from gunicorn.workers.ggevent import GeventWorker

from push_endpoint.plain_push import OtherRequest, PlainPush, PushResponse, read_push

#: Seconds in which the rest of a push must follow its beginning. gunicorn and Flask limit the time of a push
#: that takes longer.
COMPLETION_SECONDS: Final = 1.0
RECEIVED_BYTES: Final = 16 * 1024  #: maximum number of bytes of one read; nearly all pushes are smaller


class PushWorker(GeventWorker):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's gevent worker, which passes plain pushes to `WorkerApp.take_push` itself.

    From the first other request on, gunicorn serves the connection. A push with chunks, a large one, and one
    that is refused because of its Host or Origin are such requests, and so are those of probes. gunicorn does
    everything else, too: processes, signals, and the limit of connections.
    """

    def handle(self, listener: socket.socket, client: socket.socket, address: tuple[str, int]) -> None:
        """Serve a connection until it ends; gevent closes it then."""
        client.settimeout(self.cfg.keepalive)
        connection = _Connection(client)
        try:
            is_over = self._answer_pushes(connection)
        except Exception as error:  # noqa: BLE001 - gunicorn logs it and responds with 500
            self.handle_error(None, client, address, error)
            return
        if not is_over:
            super().handle(listener, connection, address)

    def _answer_pushes(self, connection: "_Connection") -> bool:
        """Answer pushes; return whether the connection is over. If not, gunicorn serves the rest."""
        while self.alive:
            push = connection.next_push()
            if push is None:
                return not connection.has_received
            response = self.wsgi.take_push(push.headers, push.body)
            if response is None:
                return False
            connection.forget(push)
            is_last = not self.alive
            try:
                connection.sendall(_written(response, is_last=is_last))
            except OSError:  # the client has closed the connection
                return True
            if is_last:
                return True
        return False


class _Connection:
    """A connection whose next bytes may have been received before the HTTP server reads them.

    Args:
        client: the socket, which has all other methods.
    """

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._received = b""

    @property
    def has_received(self) -> bool:
        """Whether there are bytes that were received and not yet returned."""
        return bool(self._received)

    def next_push(self) -> PlainPush | None:
        """Return the next push; None if anything else follows, or the rest of the push does not."""
        if not self._received:
            self._received = self._receive()
        try:
            push = read_push(self._received)
            if isinstance(push, int):
                with gevent.Timeout(COMPLETION_SECONDS, exception=False):
                    push = self._complete(push)
        except OtherRequest:
            return None
        return None if isinstance(push, int) else push

    def _complete(self, size: int) -> PlainPush | int:
        """Receive the rest of a push of at least `size` bytes; see `read_push`."""
        push: PlainPush | int = size
        while isinstance(push, int) and (more := self._receive()):
            self._received += more
            if len(self._received) >= push:
                push = read_push(self._received)
        return push

    def _receive(self) -> bytes:
        """Return new bytes; none if the client has closed the connection, or has sent nothing for long."""
        try:
            return self._client.recv(RECEIVED_BYTES)
        except OSError:
            return b""

    def forget(self, push: PlainPush) -> None:
        """Remove a push from what was received."""
        self._received = self._received[push.size :]

    def recv(self, size: int) -> bytes:
        """Return the next bytes: those that were received before, or else new ones."""
        if not self._received:
            return self._client.recv(size)
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the socket
        return getattr(self._client, name)


def _written(response: PushResponse, *, is_last: bool) -> bytes:
    content = response.document.encode()
    head = (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        f"Date: {_date(int(time.time()))}\r\n"  # RFC 9110 section 6.6.1
        f"Connection: {'close' if is_last else 'keep-alive'}\r\n"
    )
    if content:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{head}\r\n".encode() + content


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
