"""Serves ports: HTTP/1.1 by `http_app.py`, and gRPC by forwarding connections to `grpc_server.py`."""

import asyncio
import socket
from collections.abc import Container
from importlib import import_module
from typing import TYPE_CHECKING, cast

from localpubsub.api.grpc_server import GrpcServer
from localpubsub.api.http_sources import HttpSources
from localpubsub.api.protocol_switch import ProtocolFactory, ProtocolSwitch
from localpubsub.protocol.calls import Services

if TYPE_CHECKING:
    from aiohttp import web


class Ports:
    """Serves sockets from ``open`` until ``close``, which takes up to ``grace`` seconds.

    The HTTP application is imported, in a thread, when the first HTTP/1.1 request arrives: aiohttp would be
    two thirds of the imports at the start, and many servers are used over gRPC only.
    """

    def __init__(
        self, services: Services, sources: HttpSources, allowed_hosts: Container[str], grace: float
    ) -> None:
        self._app_arguments = (services, sources, allowed_hosts, grace)
        self._grace = grace
        self._runner: asyncio.Task[web.AppRunner] | None = None
        self._grpc = GrpcServer(services)
        self._listening: list[asyncio.Server] = []

    async def open(self, *sockets: socket.socket) -> None:
        """Serve the connections of listening sockets, which ``close`` closes."""
        await self._grpc.start()
        loop = asyncio.get_running_loop()
        for each in sockets:
            made = await loop.create_server(
                lambda: ProtocolSwitch(self._http_protocol, self._grpc.connect), sock=each
            )
            self._listening.append(made)

    async def close(self) -> None:
        """Stop listening and finish the calls under way."""
        for each in self._listening:
            each.close()
        await self._grpc.stop(self._grace)
        if self._runner is not None:
            await (await self._runner).cleanup()

    async def _http_protocol(self) -> ProtocolFactory:
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._start_app())
        # The task is shielded because other connections wait for it too: a client that disconnects must not
        # cancel it.
        starting = self._runner
        try:
            runner = await asyncio.shield(starting)
        except Exception:
            if self._runner is starting:  # The next connection tries again, perhaps with free files.
                self._runner = None
            raise
        return cast("ProtocolFactory", runner.server)  # `server` is set after setup.

    async def _start_app(self) -> "web.AppRunner":
        http_app = await asyncio.to_thread(import_module, "localpubsub.api.http_app")
        runner: web.AppRunner = http_app.make_runner(*self._app_arguments)
        await runner.setup()
        return runner
