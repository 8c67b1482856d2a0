"""Runs gRPC's own server behind the ports, at an address inside the machine.

gRPC's server reads its own socket, and responds to HTTP/1.1 with bytes that no HTTP/1.1 client understands.
So the ports of localpubsub accept the connections (protocol_switch.py), and forward those that begin as gRPC.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from typing import Final

from grpc import aio

from localpubsub.api.grpc_methods import Methods
from localpubsub.protocol.calls import Services
from localpubsub.resources.limits import GRPC_RECEIVE_BYTES

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", GRPC_RECEIVE_BYTES),
    ("grpc.max_send_message_length", -1),
    # The official clients send a ping every 30 s, which gRPC servers treat as abuse by default.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class GrpcServer:
    """Serves the methods from ``start`` until ``stop``; both must be called on the same event loop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._server: aio.Server
        self._family = socket.AF_UNIX if sys.platform == "linux" else socket.AF_INET
        self._address: str | tuple[str, int] = ""

    async def start(self) -> None:
        """Start to serve.

        On Linux the address is a socket in the abstract namespace, which has no file (unix(7)) and is faster
        than the loopback interface; elsewhere it is a free port of the loopback interface.
        """
        self._server = aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((Methods(self._services),))
        if self._family == socket.AF_INET:
            self._address = ("127.0.0.1", self._server.add_insecure_port("127.0.0.1:0"))
        else:
            name = f"localpubsub-{os.getpid()}-{os.urandom(8).hex()}"
            self._server.add_insecure_port(f"unix-abstract:{name}")
            self._address = f"\0{name}"
        await self._server.start()

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Connect a protocol to the server.

        Raises:
            OSError: the server does not accept connections.
        """
        loop = asyncio.get_running_loop()
        connection = socket.socket(self._family)
        try:
            connection.settimeout(0)  # The event loop waits instead.
            await loop.sock_connect(connection, self._address)
            if self._family == socket.AF_INET:
                await loop.create_connection(protocol, sock=connection)
            else:
                await loop.create_unix_connection(protocol, sock=connection)
        except BaseException:
            connection.close()
            raise

    async def stop(self, grace: float) -> None:
        """Stop; calls that take more than ``grace`` seconds are cancelled."""
        await self._server.stop(grace)
