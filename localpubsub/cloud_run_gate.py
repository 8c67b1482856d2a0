"""A gate like Cloud Run's in front of a push endpoint.

``python -m localpubsub.cloud_run_gate --to URL --audience A``

What Cloud Run does before a request reaches the container
(https://cloud.google.com/run/docs/troubleshooting#unauthorized-client,
https://cloud.google.com/run/docs/about-instance-autoscaling): no token 403, a token that is not valid 401,
a caller who may not invoke 403, and 429 when every instance is full. Requests and answers stream through.
Not imitated: the few seconds a request may queue for a new instance, and cold starts.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import jwt
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from cryptography.x509 import load_pem_x509_certificate

from localpubsub.cli_arguments import at_least_one, port

CERTIFICATES: Final = "http://127.0.0.1:8086/oauth2/v1/certs"  #: localpubsub's, by default
ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
#: RFC 9110 section 7.6.1: what belongs to one connection is not passed on.
HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """What the gate guards, and whom it lets through."""

    to: str  #: URL of the server behind; paths and queries are passed on as they come
    audience: str  #: what the tokens' ``aud`` must be
    service_account: str = ""  #: the only email with the right to invoke; empty lets every valid token in
    certs_url: str = CERTIFICATES  #: ``{kid: PEM certificate}`` of whoever signs the tokens
    max_instances: int = 1  #: of the server behind; at least 1
    concurrency: int = 80  #: requests of one instance at a time; at least 1
    host: str = "127.0.0.1"  #: address to listen on
    port: int = 8080  #: 0 takes a free one


class RequestRejected(Exception):
    """The request may not pass; ``status`` is what it is answered."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class CloudRunGate:
    """The gate; a context manager of one event loop."""

    def __init__(self, options: GateOptions) -> None:
        self.options = options
        self.places = options.max_instances * options.concurrency  #: requests that may be inside at once
        self.inside = 0  #: requests that are
        self._keys: dict[str, str] = {}
        self._session: ClientSession

    def application(self) -> web.Application:
        """To be served by aiohttp."""
        site = web.Application(client_max_size=0)
        site.router.add_route("*", "/{path:.*}", self.admit)
        site.cleanup_ctx.append(self._open)
        return site

    async def admit(self, request: web.Request) -> web.StreamResponse:
        """Pass one request on, or say why not."""
        try:
            await self._check_token(request.headers.get("Authorization", ""))
        except RequestRejected as barred:
            return web.Response(status=barred.status, text=str(barred))
        if self.inside >= self.places:
            return web.Response(status=429, text="Rate exceeded.")
        self.inside += 1
        try:
            return await self._pass_on(request)
        except ClientError as error:
            return web.Response(status=503, text=f"the server behind does not answer: {error!r}")
        finally:
            self.inside -= 1

    async def _open(self, _: web.Application) -> AsyncIterator[None]:
        connector = TCPConnector(limit=0)
        timeout = ClientTimeout(total=None)
        self._session = ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        yield
        await self._session.close()

    async def _check_token(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise RequestRejected(403, "The request was not authenticated.")
        try:
            pem = await self._certificate(str(jwt.get_unverified_header(token).get("kid")))
            key = load_pem_x509_certificate(pem.encode()).public_key()
            audience = self.options.audience
            claims = jwt.decode(token, key, algorithms=["RS256"], audience=audience)  # type: ignore[arg-type]  # an RSA key
        except (jwt.PyJWTError, ValueError) as error:
            raise RequestRejected(401, f"The access token could not be verified: {error}.") from error
        if claims.get("iss") not in ISSUERS or not claims.get("email_verified"):
            raise RequestRejected(401, "The access token was not issued for a verified account by Google.")
        if self.options.service_account not in {"", claims.get("email")}:
            raise RequestRejected(403, f"{claims.get('email')} may not invoke this service.")

    async def _certificate(self, kid: str) -> str:
        """The certificate of this name; fetched once, and again when a name is new."""
        if kid not in self._keys:
            try:
                async with self._session.get(self.options.certs_url) as answer:
                    self._keys = json.loads(await answer.read())
            except ClientError as error:
                raise RequestRejected(
                    503, f"no certificates from {self.options.certs_url}: {error!r}"
                ) from error
        if kid not in self._keys:
            raise RequestRejected(401, "The access token was signed with an unknown key.")
        return self._keys[kid]

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        url = self.options.to.rstrip("/") + request.raw_path
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
        body = request.content if request.body_exists else None
        async with self._session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            passed = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    passed.headers.add(name, value)
            await passed.prepare(request)
            async for chunk in answer.content.iter_any():
                await passed.write(chunk)
            await passed.write_eof()
            return passed


async def serve(options: GateOptions) -> None:
    """Run the gate until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(CloudRunGate(options).application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
        port = runner.addresses[0][1]
        print(f"localpubsub.cloud_run_gate: http://{options.host}:{port} → {options.to}", flush=True)  # noqa: T201 - to whoever typed the command
        await stop.wait()
    finally:
        await runner.cleanup()


def main(arguments: list[str] | None = None) -> int:
    """Exit status 2 when the port is taken."""
    options = GateOptions(**vars(_parser().parse_args(arguments)))
    try:
        asyncio.run(serve(options))
    except OSError as error:
        message = f"localpubsub.cloud_run_gate: cannot listen on {options.host}:{options.port}: {error}"
        print(message, file=sys.stderr)  # noqa: T201 - a command's error message
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m localpubsub.cloud_run_gate",
        description="A gate like Cloud Run's in front of a push endpoint.",
    )
    add = parser.add_argument
    add("--to", required=True, metavar="URL", help="the server behind")
    add("--audience", required=True, help="what the tokens' audience must be")
    add("--service-account", default="", metavar="EMAIL", help="the only one who may invoke (default: all)")
    add(
        "--certs-url",
        default=CERTIFICATES,
        metavar="URL",
        help="certificates of tokens (default: %(default)s)",
    )
    add("--max-instances", type=at_least_one, default=1, metavar="N", help="(default: %(default)s)")
    add(
        "--concurrency",
        type=at_least_one,
        default=80,
        metavar="N",
        help="requests of one instance (default: %(default)s)",
    )
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=port, default=8080, help="0 takes a free one (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
