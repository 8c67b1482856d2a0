"""Serves the certificates that verify push tokens, and health checks, over HTTP."""

from aiohttp import web

from localpubsub.push.tokens import CERTIFICATES_PATH, Tokens

HEALTH_PATH = "/healthz"


def routes(tokens: Tokens) -> list[web.RouteDef]:
    """Return the routes.

    ``GET /oauth2/v1/certs`` returns ``{kid: PEM certificate}``.
    ``GET /healthz`` returns ``{"status": "ok"}``.
    """

    async def certificates(_: web.Request) -> web.Response:
        return web.json_response(
            await tokens.certificates(), headers={"Cache-Control": "public, max-age=3600"}
        )

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    return [web.get(CERTIFICATES_PATH, certificates), web.get(HEALTH_PATH, health)]
