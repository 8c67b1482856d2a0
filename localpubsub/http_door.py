"""The HTTP port: REST API, state page, certificates and health; and gRPC, passed on to its own port."""

import asyncio
from collections.abc import Callable
from typing import cast

from aiohttp import web

from localpubsub import certificates, state_page
from localpubsub.front_door import FrontDoor
from localpubsub.rest import MAX_BODY, RestDoor, Services
from localpubsub.state import State
from localpubsub.tokens import Tokens


class HttpDoor:
    """Open after ``open`` until ``close``, which lets calls under way have ``grace`` seconds."""

    def __init__(self, services: Services, tokens: Tokens, state: State, grace: float) -> None:
        site = web.Application(client_max_size=MAX_BODY)
        site.add_routes([*certificates.routes(tokens), *state_page.routes(state)])
        site.add_routes([web.route("*", r"/{path:[\s\S]*}", RestDoor(services).answer)])
        # A caller who went away must not be given messages: its call ends, as over gRPC.
        self._runner = web.AppRunner(
            site, access_log=None, shutdown_timeout=grace / 2, handler_cancellation=True
        )
        self._listening: asyncio.Server | None = None

    async def open(self, host: str, port: int, grpc: Callable[[], tuple[str, int]]) -> int:
        """Listen; the port. OSError when it is taken."""
        await self._runner.setup()
        http = cast("Callable[[], asyncio.BaseProtocol]", self._runner.server)  # there is one after setup
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: FrontDoor(http, grpc), host, port)
        return int(self._listening.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, finish what is under way."""
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()
