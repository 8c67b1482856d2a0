"""Builds the HTTP/1.1 application of both ports: REST API, state page, metrics, certificates, health."""

from collections.abc import Container

from aiohttp import web

from localpubsub.api import certificates, controls, inspection, metrics, state_page
from localpubsub.api.http_sources import HttpSources
from localpubsub.api.rest import MAX_BODY, RestApi
from localpubsub.protocol.calls import Services
from localpubsub.request_origin import refuse_foreign_requests


def make_runner(
    services: Services, sources: HttpSources, allowed_hosts: Container[str], grace: float
) -> web.AppRunner:
    """Return the application's runner, which is not set up yet.

    ``allowed_hosts`` are the host names by which the server may be addressed (``request_refusal``).
    Its cleanup takes up to ``grace`` seconds. After half of this time, calls under way are cancelled.
    """
    refuse = refuse_foreign_requests(allowed_hosts)
    application = web.Application(client_max_size=MAX_BODY, middlewares=[refuse])
    for routes in (state_page.routes, metrics.routes, inspection.routes):
        application.add_routes(routes(sources.state))
    application.add_routes(certificates.routes(sources.tokens))
    application.add_routes(controls.routes(sources.clock, sources.faults))
    application.add_routes([web.route("*", r"/{path:[\s\S]*}", RestApi(services).respond)])
    # A call is cancelled when its caller disconnects, as over gRPC. Otherwise a pull would lease messages
    # that its caller can no longer receive. aiohttp waits for up to shutdown_timeout twice: until calls
    # finish, and until cancelled calls end.
    return web.AppRunner(application, access_log=None, shutdown_timeout=grace / 2, handler_cancellation=True)
