"""HTTP routes for the certificates that verify push tokens, and for health checks."""

from aiohttp import web

from localpubsub.push.tokens import CERTIFICATES_PATH, Tokens

HEALTH_PATH = "/healthz"


def routes(tokens: Tokens) -> list[web.RouteDef]:
    """``GET /oauth2/v1/certs`` → ``{kid: PEM certificate}``; ``GET /healthz`` → ``{"status": "ok"}``."""

    async def certificates(_: web.Request) -> web.Response:
        return web.json_response(
            await tokens.certificates(), headers={"Cache-Control": "public, max-age=3600"}
        )

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    return [web.get(CERTIFICATES_PATH, certificates), web.get(HEALTH_PATH, health)]
