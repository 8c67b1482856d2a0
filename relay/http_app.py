"""Serves the certificates of the tokens, a health check and the counters."""

from aiohttp import web

from localpubsub.api.certificates import routes
from localpubsub.push.tokens import Tokens
from relay.counters import Counters


def make_app(tokens: Tokens, counters: Counters) -> web.Application:
    """Return the application.

    `GET /oauth2/v1/certs` returns `{kid: PEM certificate}`, which the worker reads (`PUSH_CERTS_URL`);
    `GET /healthz` returns `{"status": "ok"}`; `GET /metrics` returns the counters in Prometheus's format.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=counters.exposition(), content_type="text/plain")

    app = web.Application()
    app.add_routes([*routes(tokens), web.get("/metrics", metrics)])
    return app
