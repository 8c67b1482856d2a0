"""Serves HTTP/1.1 and gRPC on one port, chosen by the first bytes of each connection.

Every HTTP/2 connection begins with the same 24 bytes (RFC 9113 section 3.4); no HTTP/1.1 request begins with
them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, TypeAlias, cast

from localpubsub.log_throttle import LogThrottle

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  #: The first bytes of an HTTP/2 connection.

_throttle: Final = LogThrottle(logging.getLogger("localpubsub.api.protocol_switch"))

ProtocolFactory: TypeAlias = Callable[[], asyncio.Protocol]


class ProtocolSwitch(asyncio.Protocol):
    """The protocol of a new connection until its first bytes show whether it is HTTP/1.1 or gRPC.

    Args:
        http: returns the factory of HTTP/1.1 protocols; raises an exception if there is none now.
        connect_grpc: connects a new protocol to the gRPC server, or raises OSError.
    """

    def __init__(
        self,
        http: Callable[[], Awaitable[ProtocolFactory]],
        connect_grpc: Callable[[ProtocolFactory], Awaitable[None]],
    ) -> None:
        self._http = http
        self._connect_grpc = connect_grpc
        self._transport: asyncio.Transport
        self._received = b""
        self._switching: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._received += data
        if self._received.startswith(PREFACE):
            self._switch(self._switch_to_grpc())
        elif not PREFACE.startswith(self._received):
            self._switch(self._switch_to_http())

    def connection_lost(self, _: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._switching is not None:
            self._switching.cancel()

    def _switch(self, switch: Coroutine[None, None, None]) -> None:
        self._transport.pause_reading()
        self._switching = asyncio.get_running_loop().create_task(switch)

    async def _switch_to_http(self) -> None:
        try:
            protocol = (await self._http())()
        except Exception as error:  # noqa: BLE001 - the client must not wait for a response that never comes
            _throttle.error("http_unavailable", repr(error))
            self._transport.abort()
            return
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._received)
        self._transport.resume_reading()

    async def _switch_to_grpc(self) -> None:
        # The gRPC server may send bytes before the connection is returned, so the relay that receives them
        # must already have the client's transport.
        to_server, to_client = _Relay(self._transport), _Relay()
        try:
            await self._connect_grpc(lambda: to_server)
        except OSError:
            self._transport.abort()
            return
        to_client.other = to_server.transport
        self._transport.set_protocol(to_client)
        to_server.transport.write(self._received)
        self._transport.resume_reading()


class _Relay(asyncio.Protocol):
    """One end of a relay between two connections; writes received bytes to the other connection."""

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
        """Stop reading from the other connection while the write buffer of this connection is full."""
        if self.other is not None and not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.resume_reading()
