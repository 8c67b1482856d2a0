"""One port for JSON and gRPC: the first bytes of a connection say which it speaks.

Every HTTP/2 connection begins with the same 24 bytes (RFC 9113 section 3.4), which no HTTP/1.1 request does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, TypeAlias, cast

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


NewProtocol: TypeAlias = Callable[[], asyncio.Protocol]


class ProtocolSwitch(asyncio.Protocol):
    """A new connection, until it is known whose it is: ``http``'s, or the gRPC server's at ``grpc``."""

    def __init__(
        self, http: Callable[[], Awaitable[NewProtocol]], grpc: Callable[[], tuple[str, int]]
    ) -> None:
        self._http = http
        self._grpc = grpc
        self._transport: asyncio.Transport
        self._first = b""
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._first += data
        if self._first.startswith(PREFACE):
            self._lead(self._to_grpc())
        elif not PREFACE.startswith(self._first):
            self._lead(self._to_http())

    def connection_lost(self, _: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._opening is not None:
            self._opening.cancel()

    def _lead(self, onwards: Coroutine[None, None, None]) -> None:
        self._transport.pause_reading()
        self._opening = asyncio.get_running_loop().create_task(onwards)

    async def _to_http(self) -> None:
        protocol = (await self._http())()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._first)
        self._transport.resume_reading()

    async def _to_grpc(self) -> None:
        # The gRPC server speaks at once, so what it says must have a way out before the connection stands.
        inner, outer = _Side(self._transport), _Side()
        try:
            await asyncio.get_running_loop().create_connection(lambda: inner, *self._grpc())
        except OSError:
            self._transport.abort()
            return
        outer.other = inner.transport
        self._transport.set_protocol(outer)
        inner.transport.write(self._first)
        self._transport.resume_reading()


class _Side(asyncio.Protocol):
    """One of two connections that are passed on to each other."""

    def __init__(self, other: asyncio.Transport | None = None) -> None:
        self.transport: asyncio.Transport
        self.other = other

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self.other is not None:
            self.other.close()

    def pause_writing(self) -> None:
        """What this side cannot take fast enough, the other must not send."""
        if self.other is not None and not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.resume_reading()
