"""A push endpoint: where its requests go, and the connections kept open to it."""

import asyncio
from typing import Final, cast
from urllib.parse import urlsplit

from localpubsub.push.http_response import BadHttpResponse, HttpResponse
from localpubsub.push.tls import TlsContext

#: Seconds a connection may lie idle. Shorter than the servers' own limit (gunicorn: 2 s), for a request sent
#: while the server closes is lost and costs the message an attempt.
IDLE: Final = 1.0

WRAPPED: Final = "Content-Type: application/json\r\n"  #: header of a body from envelope.py
USER_AGENT: Final = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.idle_since = 0.0  #: loop time
        self.usable = True  #: open, and nothing unread on it
        self._answer = HttpResponse()
        self._waiting: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport

    async def post(self, request: bytes) -> int:
        """Send a request; status of its answer. OSError when the connection fails or ``abort`` is called."""
        if not self.usable:
            raise BadHttpResponse("the connection was closed before the request")
        self._answer = HttpResponse()
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        except asyncio.CancelledError:
            self.abort("the delivery was stopped")
            raise
        finally:
            self._waiting = None

    def abort(self, reason: str) -> None:
        """Close at once; a request under way fails."""
        self.usable = False
        self._transport.abort()
        self._fail(BadHttpResponse(reason))

    def close(self) -> None:
        """Close; nothing is under way."""
        self.usable = False
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        waiting = self._waiting
        if waiting is None or waiting.done():
            self.close()
            return
        try:
            complete = self._answer.feed(data)
        except BadHttpResponse as error:
            self.usable = False
            self._transport.abort()
            self._fail(error)
            return
        if complete:
            self._finish(waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.usable = False
        if self._waiting is not None and not self._waiting.done() and exc is None and self._answer.close():
            self._finish(self._waiting)
        else:
            self._fail(exc or BadHttpResponse("the connection was closed before the answer was complete"))

    def _finish(self, waiting: asyncio.Future[int]) -> None:
        if not self._answer.reusable:
            self.close()
        waiting.set_result(self._answer.status)

    def _fail(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


class Endpoint:
    """Where one push URL leads."""

    def __init__(self, url: str, trust: TlsContext) -> None:
        parts = urlsplit(url)
        self._tls = trust.context() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.rpartition("@")[2]
        self._head = (
            f"POST {target} HTTP/1.1\r\nHost: {host}\r\n"
            f"User-Agent: {USER_AGENT}\r\nFrom: noreply@google.com\r\n"
        )
        self._idle: list[Connection] = []
        self._sweep: asyncio.TimerHandle | None = None

    def request(self, body: bytes, bearer: str, headers: str = WRAPPED) -> bytes:
        """The bytes of one push; ``bearer`` is its token, or empty; ``headers`` are lines of its own."""
        authorization = f"Authorization: Bearer {bearer}\r\n" if bearer else ""
        return f"{self._head}{headers}{authorization}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def idle_connection(self) -> Connection | None:
        """A connection that is open and unused."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    async def connect(self) -> Connection:
        """A new connection; OSError when there is none to be had."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._host, self._port, ssl=self._tls)
        return connection

    def release(self, connection: Connection) -> None:
        """The connection may carry the next request, for a while."""
        if not connection.usable:
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE, self._close_idle)

    def close(self) -> None:
        """Close every idle connection."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = None
        keep: list[Connection] = []
        for connection in self._idle:
            if connection.usable and loop.time() - connection.idle_since < IDLE:
                keep.append(connection)
            else:
                connection.close()
        self._idle = keep
        if keep:
            self._sweep = loop.call_later(IDLE / 4, self._close_idle)
