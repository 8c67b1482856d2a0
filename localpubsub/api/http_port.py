"""The HTTP port: the website (`website.py`), and gRPC, passed on to its own port."""

import asyncio
import socket
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from localpubsub.api.protocol_switch import NewProtocol, ProtocolSwitch
from localpubsub.broker.state import ServerState
from localpubsub.protocol.calls import Services
from localpubsub.push.tokens import Tokens

if TYPE_CHECKING:
    from aiohttp import web


class HttpPort:
    """Open after ``open`` until ``close``, which lets calls under way have ``grace`` seconds.

    The website is made when somebody first asks for it, in a thread: aiohttp is two thirds of what a server
    would import at its start, and many a server is only ever spoken to over gRPC.
    """

    def __init__(self, services: Services, tokens: Tokens, state: ServerState, grace: float) -> None:
        self._contents = (services, tokens, state, grace)
        self._website: asyncio.Task[web.AppRunner] | None = None
        self._listening: asyncio.Server | None = None

    async def open(self, listening: socket.socket, grpc: Callable[[], tuple[str, int]]) -> None:
        """Answer whoever connects to this socket, which is the door's from now on."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: ProtocolSwitch(self._http, grpc), sock=listening)

    async def close(self) -> None:
        """Stop listening, finish what is under way."""
        if self._listening is not None:
            self._listening.close()
        if self._website is not None:
            await (await self._website).cleanup()

    async def _http(self) -> NewProtocol:
        if self._website is None:
            self._website = asyncio.get_running_loop().create_task(self._make_website())
        # Shielded: who hangs up while the website is made does not take it from the others.
        runner = await asyncio.shield(self._website)
        return cast("NewProtocol", runner.server)  # there is one after setup

    async def _make_website(self) -> "web.AppRunner":
        website = await asyncio.to_thread(import_module, "localpubsub.api.http_app")
        runner: web.AppRunner = website.runner(*self._contents)
        await runner.setup()
        return runner
