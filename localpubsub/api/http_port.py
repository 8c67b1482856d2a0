"""Serves the HTTP port: HTTP/1.1 by `http_app.py`, and gRPC by forwarding connections to the gRPC port."""

import asyncio
import socket
from collections.abc import Callable, Container
from importlib import import_module
from typing import TYPE_CHECKING, cast

from localpubsub.api.protocol_switch import ProtocolFactory, ProtocolSwitch
from localpubsub.broker.state import ServerState
from localpubsub.protocol.calls import Services
from localpubsub.push.tokens import Tokens

if TYPE_CHECKING:
    from aiohttp import web


class HttpPort:
    """Serves one socket from ``open`` until ``close``, which takes up to ``grace`` seconds.

    The HTTP application is imported, in a thread, when the first HTTP/1.1 request arrives: aiohttp would be
    two thirds of the imports at the start, and many servers are used over gRPC only.
    """

    def __init__(
        self,
        services: Services,
        tokens: Tokens,
        state: ServerState,
        allowed_hosts: Container[str],
        grace: float,
    ) -> None:
        self._app_arguments = (services, tokens, state, allowed_hosts, grace)
        self._runner: asyncio.Task[web.AppRunner] | None = None
        self._server: asyncio.Server | None = None

    async def open(self, listening: socket.socket, grpc: Callable[[], tuple[str, int]]) -> None:
        """Serve the connections of a listening socket.

        Args:
            listening: the socket; ``close`` closes it.
            grpc: returns host and port of the gRPC server.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: ProtocolSwitch(self._http_protocol, grpc), sock=listening
        )

    async def close(self) -> None:
        """Stop listening and finish the calls under way."""
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await (await self._runner).cleanup()

    async def _http_protocol(self) -> ProtocolFactory:
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._start_app())
        # The task is shielded because other connections wait for it too: a client that disconnects must not
        # cancel it.
        runner = await asyncio.shield(self._runner)
        return cast("ProtocolFactory", runner.server)  # `server` is set after setup.

    async def _start_app(self) -> "web.AppRunner":
        http_app = await asyncio.to_thread(import_module, "localpubsub.api.http_app")
        runner: web.AppRunner = http_app.make_runner(*self._app_arguments)
        await runner.setup()
        return runner
