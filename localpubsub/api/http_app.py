"""What the HTTP port serves over HTTP/1.1: REST API, state page, certificates, health."""

from aiohttp import web

from localpubsub.api import certificates, state_page
from localpubsub.api.rest import MAX_BODY, RestApi
from localpubsub.broker.state import ServerState
from localpubsub.protocol.calls import Services
from localpubsub.push.tokens import Tokens


def runner(services: Services, tokens: Tokens, state: ServerState, grace: float) -> web.AppRunner:
    """Not set up yet; calls under way have ``grace`` seconds when it is cleaned up."""
    site = web.Application(client_max_size=MAX_BODY)
    site.add_routes([*certificates.routes(tokens), *state_page.routes(state)])
    site.add_routes([web.route("*", r"/{path:[\s\S]*}", RestApi(services).answer)])
    # A caller who went away must not be given messages: its call ends, as over gRPC.
    return web.AppRunner(site, access_log=None, shutdown_timeout=grace / 2, handler_cancellation=True)
