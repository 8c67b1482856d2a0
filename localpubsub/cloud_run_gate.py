"""Runs a reverse proxy that checks requests to a push endpoint as Cloud Run does.

``python -m localpubsub.cloud_run_gate --to URL --audience A``

The gate does what Cloud Run does before a request reaches the container
(https://cloud.google.com/run/docs/troubleshooting#unauthorized-client,
https://cloud.google.com/run/docs/about-instance-autoscaling). It responds with 403 to a request without a
token, with 401 to an invalid token, with 403 to a caller without the permission to invoke the service, with
429 when every instance is full, and with 503 if the container does not respond. Bodies of requests and
responses are streamed. Cold starts and the few seconds for which Cloud Run queues a request for a new
instance are not imitated.
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

#: Default URL of the certificates: that of a localpubsub with default options.
CERTIFICATES: Final = "http://127.0.0.1:8086/oauth2/v1/certs"
#: The accepted values of the claim ``iss``.
ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
#: Header fields that are not forwarded: those that concern one connection (RFC 9110 section 7.6.1), and Host,
#: which the HTTP client sets for the new URL.
NOT_FORWARDED: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """The options of a gate."""

    to: str  #: URL of the server to forward to; path and query of each request are appended unchanged.
    audience: str  #: The required claim ``aud`` of the tokens.
    #: The only service account (email) that may invoke the server; empty if every account may.
    service_account: str = ""
    certs_url: str = CERTIFICATES  #: URL of the signer's certificates, ``{kid: PEM certificate}``.
    max_instances: int = 1  #: Maximum number of instances of the server; at least 1.
    concurrency: int = 80  #: Maximum number of concurrent requests of one instance; at least 1.
    host: str = "127.0.0.1"  #: Address to listen on.
    port: int = 8080  #: Port to listen on; 0 chooses a free port.


class GateError(Exception):
    """The gate rejects a request; ``status`` is the HTTP status of its response."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class CloudRunGate:
    """The gate in front of one server.

    Attributes:
        options: the options of the gate.
        max_requests: maximum number of requests that are forwarded at the same time.
        open_requests: number of requests that are being forwarded now.
    """

    def __init__(self, options: GateOptions) -> None:
        self.options = options
        self.max_requests = options.max_instances * options.concurrency
        self.open_requests = 0
        self._keys: dict[str, str] = {}
        self._session: ClientSession

    def application(self) -> web.Application:
        """Return the aiohttp application of the gate."""
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", self.respond)
        application.cleanup_ctx.append(self._open_session)
        return application

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Forward one request, or reject it with a status and a reason."""
        try:
            await self._check_token(request.headers.get("Authorization", ""))
        except GateError as error:
            return web.Response(status=error.status, text=str(error))
        if self.open_requests >= self.max_requests:
            return web.Response(status=429, text="Rate exceeded.")
        self.open_requests += 1
        try:
            return await self._forward(request)
        except ClientError as error:
            return web.Response(status=503, text=f"{self.options.to} does not respond: {error!r}")
        finally:
            self.open_requests -= 1

    async def _open_session(self, _: web.Application) -> AsyncIterator[None]:
        connector = TCPConnector(limit=0)
        timeout = ClientTimeout(total=None)
        self._session = ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        yield
        await self._session.close()

    async def _check_token(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise GateError(403, "The request was not authenticated.")
        try:
            pem = await self._certificate(str(jwt.get_unverified_header(token).get("kid")))
            key = load_pem_x509_certificate(pem.encode()).public_key()
            audience = self.options.audience
            claims = jwt.decode(token, key, algorithms=["RS256"], audience=audience)  # type: ignore[arg-type]  # the key is an RSA key
        except (jwt.PyJWTError, ValueError) as error:
            raise GateError(401, f"The access token could not be verified: {error}.") from error
        if claims.get("iss") not in ISSUERS or not claims.get("email_verified"):
            raise GateError(401, "The access token was not issued for a verified account by Google.")
        if self.options.service_account not in {"", claims.get("email")}:
            raise GateError(403, f"{claims.get('email')} may not invoke this service.")

    async def _certificate(self, kid: str) -> str:
        """Return the certificate with this key id; fetch all certificates again if the key id is unknown."""
        if kid not in self._keys:
            try:
                async with self._session.get(self.options.certs_url) as response:
                    self._keys = json.loads(await response.read())
            except ClientError as error:
                raise GateError(
                    503, f"cannot fetch the certificates from {self.options.certs_url}: {error!r}"
                ) from error
        if kid not in self._keys:
            raise GateError(401, "The access token was signed with an unknown key.")
        return self._keys[kid]

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        url = self.options.to.rstrip("/") + request.raw_path
        headers = [
            (name, value) for name, value in request.headers.items() if name.lower() not in NOT_FORWARDED
        ]
        body = request.content if request.body_exists else None
        async with self._session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as received:
            response = web.StreamResponse(status=received.status, reason=received.reason)
            for name, value in received.headers.items():
                if name.lower() not in NOT_FORWARDED:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for chunk in received.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


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
        print(f"localpubsub.cloud_run_gate: http://{options.host}:{port} → {options.to}", flush=True)  # noqa: T201 - a command prints its address
        await stop.wait()
    finally:
        await runner.cleanup()


def main(arguments: list[str] | None = None) -> int:
    """Run the gate until it is stopped; return the exit status, which is 2 if it cannot listen."""
    options = GateOptions(**vars(_parser().parse_args(arguments)))
    try:
        asyncio.run(serve(options))
    except OSError as error:
        message = f"localpubsub.cloud_run_gate: cannot listen on {options.host}:{options.port}: {error}"
        print(message, file=sys.stderr)  # noqa: T201 - a command prints its errors
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m localpubsub.cloud_run_gate",
        description="Run a reverse proxy that checks requests to a push endpoint as Cloud Run does.",
    )
    add = parser.add_argument
    add("--to", required=True, metavar="URL", help="URL of the server to forward to")
    add("--audience", required=True, help="the required audience of the tokens")
    add(
        "--service-account",
        default="",
        metavar="EMAIL",
        help="the only service account that may invoke the server (default: every account may)",
    )
    add(
        "--certs-url",
        default=CERTIFICATES,
        metavar="URL",
        help="URL of the certificates that verify the tokens (default: %(default)s)",
    )
    add(
        "--max-instances",
        type=at_least_one,
        default=1,
        metavar="N",
        help="maximum number of instances (default: %(default)s)",
    )
    add(
        "--concurrency",
        type=at_least_one,
        default=80,
        metavar="N",
        help="maximum number of concurrent requests of one instance (default: %(default)s)",
    )
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=port, default=8080, help="port to listen on, 0 for a free one (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
