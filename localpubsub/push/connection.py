"""Sends push requests to endpoints and reuses idle connections."""

import asyncio
import errno
import socket
from contextlib import suppress
from functools import partial
from typing import Final, cast
from urllib.parse import urlsplit

from localpubsub.open_files import is_out_of_resources
from localpubsub.push.http_response import BadHttpResponse, HttpResponse
from localpubsub.push.tls import TlsContext

#: Seconds for which an unused connection stays open. This is less than the keep-alive timeout of servers
#: (gunicorn: 2 s): if the server closed the connection first, a request sent at that moment would be lost,
#: and this would count as a delivery attempt.
MAX_IDLE: Final = 1.0
#: Seconds for which a closed TLS connection waits for the endpoint to close it, too.
MAX_CLOSING: Final = 5.0

#: The header line that describes a body from envelope.py.
WRAPPED_HEADERS: Final = "Content-Type: application/json\r\n"
USER_AGENT: Final = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"


class Connection(asyncio.Protocol):
    """One connection, which carries one request at a time.

    Args:
        open_connections: a set to which the connection adds itself when it opens, and from which it removes
            itself once it is completely closed.

    Attributes:
        idle_since: when the connection was last released, in the event loop's time (seconds).
        usable: whether the connection is open and has no unread bytes.
    """

    def __init__(self, open_connections: "set[Connection]") -> None:
        self.idle_since = 0.0
        self.usable = True
        self._open_connections = open_connections
        self._loop = asyncio.get_running_loop()  # kept, since each look-up asks for the process id, too
        self._response = HttpResponse()
        self._pending: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport

    async def post(self, request: bytes) -> int:
        """Send a request and return the HTTP status of its response.

        Raises:
            OSError: the connection failed, the response is invalid, or ``abort`` was called.
        """
        if not self.usable:
            raise BadHttpResponse("the connection was closed before the request")
        self._response = HttpResponse()
        self._pending = self._loop.create_future()
        self._transport.write(request)
        try:
            return await self._pending
        except BaseException:
            if self.usable:
                self.abort("the delivery was cancelled")
            raise
        finally:
            self._pending = None

    def abort(self, reason: str) -> None:
        """Close the connection immediately, so that a request under way fails for this ``reason``."""
        self.usable = False
        self._transport.abort()
        self._fail(BadHttpResponse(reason))

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._pending is not None

    def close(self) -> None:
        """Close a connection without a request under way.

        If the endpoint has responded without reading the whole request, the rest is not sent: that could
        take forever. Over TLS the connection stays open until the endpoint closes it, too, for at most
        ``MAX_CLOSING`` seconds.
        """
        self.usable = False
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self._open_connections.add(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        pending = self._pending
        if pending is None or pending.done():
            self.close()
            return
        try:
            complete = self._response.feed(data)
        except BadHttpResponse as error:
            self.usable = False
            self._transport.abort()
            self._fail(error)
            return
        if complete:
            self._finish(pending)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.usable = False
        self._open_connections.discard(self)
        if self._pending is not None and not self._pending.done() and exc is None and self._response.close():
            self._finish(self._pending)
        else:
            self._fail(exc or BadHttpResponse("the connection was closed before the response was complete"))

    def _finish(self, pending: asyncio.Future[int]) -> None:
        # An endpoint that has responded without reading the whole request may never read the next one.
        if not self._response.reusable or self._transport.get_write_buffer_size():
            self.close()
        pending.set_result(self._response.status)

    def _fail(self, error: Exception) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(error)


class Endpoint:
    """The endpoint of one push URL, with the idle connections to it.

    Attributes:
        connection_type: the class of its connections.
    """

    connection_type = Connection

    def __init__(self, url: str, tls: TlsContext) -> None:
        parts = urlsplit(url)
        self._tls = tls if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._is_address = _is_address(self._host)
        self._port = parts.port or (443 if self._tls else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.rpartition("@")[2]
        self._head = (
            f"POST {target} HTTP/1.1\r\nHost: {host}\r\n"
            f"User-Agent: {USER_AGENT}\r\nFrom: noreply@google.com\r\n"
        )
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    def request(self, body: bytes, bearer: str, headers: str = WRAPPED_HEADERS) -> bytes:
        """Return the bytes of one push request.

        Args:
            body: the body.
            bearer: the OIDC token, or an empty string if the push has no token.
            headers: further header lines, each with its CRLF.
        """
        authorization = f"Authorization: Bearer {bearer}\r\n" if bearer else ""
        return f"{self._head}{headers}{authorization}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def idle_connection(self) -> Connection | None:
        """Take an open, unused connection, or return None if there is no such connection."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    async def connect(self) -> Connection:
        """Open a new connection to the first address that accepts it; the caller limits the time.

        Raises:
            OSError: no address of the endpoint can be reached, or this machine has no more files, ports or
                memory (``is_out_of_resources``).
            UnicodeError: the host name cannot be encoded.
        """
        if self._is_address:
            return await self._connect_to(self._host)  # a look-up would double the time of a connection
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        for family, _, _, _, address in await loop.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        ):
            try:
                return await self._connect_to(str(address[0]))
            except OSError as error:
                # Where IPv6 is disabled, connections to its addresses fail as if all ports were in use.
                other_family = family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL
                if is_out_of_resources(error) and not other_family:
                    raise
                if failure is None or not other_family:
                    failure = error
        raise failure or BadHttpResponse(f"{self._host} has no address")

    async def _connect_to(self, address: str) -> Connection:
        make_connection = partial(self.connection_type, self._open)
        loop = asyncio.get_running_loop()
        if self._tls is None:
            _, connection = await loop.create_connection(make_connection, address, self._port)
        else:
            _, connection = await loop.create_connection(
                make_connection,
                address,
                self._port,
                ssl=self._tls.ssl_context(),
                server_hostname=self._host,
                ssl_shutdown_timeout=MAX_CLOSING,
            )
        return connection

    def release(self, connection: Connection) -> None:
        """Keep the connection open for the next request, for at most ``MAX_IDLE`` seconds."""
        if not connection.usable:
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(MAX_IDLE, self._close_idle)

    def close(self) -> None:
        """Immediately close all connections that carry no request.

        They are aborted, because a graceful close of TLS waits for the endpoint, perhaps for longer than the
        event loop runs; and closing an event loop fails while a connection is open (uvloop: "Device or
        resource busy").
        """
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in [each for each in self._open if not each.busy]:
            connection.abort("the pushes to the endpoint were stopped")
        self._idle.clear()

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = None
        keep: list[Connection] = []
        for connection in self._idle:
            if connection.usable and loop.time() - connection.idle_since < MAX_IDLE:
                keep.append(connection)
            else:
                connection.close()
        self._idle = keep
        if keep:
            self._sweep = loop.call_later(MAX_IDLE / 4, self._close_idle)


def _is_address(host: str) -> bool:
    """Return whether a host is an IPv4 or IPv6 address, without a zone."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return True
    return False
