"""Checks the token of each request, waits for a slot, and forwards the request."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import jwt
from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, TCPConnector, web
from cryptography.x509 import load_pem_x509_certificate

from localpubsub.cloud_run_gate.revision import Revision, Scaling
from localpubsub.log_throttle import LogThrottle
from localpubsub.open_files import is_out_of_resources
from localpubsub.request_origin import refuse_foreign_requests

#: Default URL of the certificates: that of a localpubsub with default options.
CERTIFICATES: Final = "http://127.0.0.1:8086/oauth2/v1/certs"
#: The accepted values of the claim ``iss``.
ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
#: Header fields that are not forwarded: those that concern one connection (RFC 9110 section 7.6.1), and Host,
#: which the HTTP client sets for the new URL.
NOT_FORWARDED: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host"}
)
#: Seconds between SIGTERM and SIGKILL when Cloud Run stops an instance
#: (https://cloud.google.com/run/docs/container-contract#instance-shutdown).
GRACE_SECONDS: Final = 10.0
#: Maximum time of a request for the certificates.
CERTIFICATES_TIMEOUT: Final = ClientTimeout(total=10)
#: Seconds between two attempts to connect while this machine has no more files or ports.
RETRY_PAUSE: Final = 0.1

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """The options of a gate."""

    to: str  #: URL of the server to forward to; path and query of each request are appended unchanged.
    audience: str  #: The required claim ``aud`` of the tokens.
    #: The only service account (email) that may invoke the server; empty if every account may.
    service_account: str = ""
    certs_url: str = CERTIFICATES  #: URL of the signer's certificates, ``{kid: PEM certificate}``.
    scaling: Scaling = field(default_factory=Scaling)  #: Slots and instances of each revision.
    #: Seconds for which requests of a replaced revision continue before they are cut.
    grace_seconds: float = GRACE_SECONDS
    #: Names by which clients may address the gate, in addition to ``localhost`` and addresses.
    allowed_hosts: tuple[str, ...] = ()


class GateError(Exception):
    """The gate rejects a request; ``status`` is the HTTP status of its response."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class CloudRunGate:
    """The gate in front of one server.

    It must be created while the event loop is running.

    Attributes:
        options: the options of the gate.
        deploys: how many revisions were replaced.
    """

    def __init__(self, options: GateOptions) -> None:
        self.options = options
        self.deploys = 0
        self._revision = Revision(options.scaling)
        self._keys: dict[str, str] = {}
        self._failures = LogThrottle(logging.getLogger("localpubsub.cloud_run_gate"))
        self._session: ClientSession

    def application(self) -> web.Application:
        """Return the aiohttp application of the gate."""
        refuse = refuse_foreign_requests(self.options.allowed_hosts)
        application = web.Application(client_max_size=0, middlewares=[refuse])
        application.router.add_route("*", "/{path:.*}", self.respond)
        application.cleanup_ctx.append(self._open_session)
        return application

    def deploy(self) -> None:
        """Replace the revision: new requests and waiting ones get slots of the next revision."""
        self.deploys += 1
        replaced, self._revision = self._revision, Revision(self.options.scaling)
        replaced.replace(self.options.grace_seconds)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Forward one request, or reject it with a status and a reason."""
        try:
            await self._check_token(request.headers.get("Authorization", ""))
        except GateError as error:
            return web.Response(status=error.status, text=str(error))
        try:
            revision = await self._revision_with_slot()
        except TimeoutError:
            return web.Response(status=429, text="Rate exceeded.")
        try:
            async with revision.running():
                return await self._retry_without_resources(lambda: self._forward(request))
        except TimeoutError:
            return web.Response(status=503, text="The request was cut, because its revision was replaced.")
        except ClientError as error:
            return web.Response(status=503, text=f"{self.options.to} does not respond: {error!r}")

    async def _revision_with_slot(self) -> Revision:
        """Wait for a slot of the current revision; raise TimeoutError if no slot becomes free in time."""
        deadline = asyncio.get_running_loop().time() + self.options.scaling.longest_wait
        while True:
            revision = self._revision
            if await revision.take_slot(deadline):
                return revision

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
                self._keys = await self._retry_without_resources(self._fetch_certificates)
            except (ClientError, TimeoutError) as error:
                raise GateError(
                    503, f"cannot fetch the certificates from {self.options.certs_url}: {error!r}"
                ) from error
        if kid not in self._keys:
            raise GateError(401, "The access token was signed with an unknown key.")
        return self._keys[kid]

    async def _fetch_certificates(self) -> dict[str, str]:
        async with self._session.get(self.options.certs_url, timeout=CERTIFICATES_TIMEOUT) as response:
            keys: dict[str, str] = json.loads(await response.read())
            return keys

    async def _retry_without_resources(self, operation: Callable[[], Awaitable[Result]]) -> Result:
        """Repeat an operation while this machine has no more files or ports for a connection.

        That is not the server's fault, so the request waits, at most as long as for a slot. The operation
        must not have sent anything when its connection fails.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.options.scaling.longest_wait
        while True:
            try:
                return await operation()
            except ClientConnectorError as error:
                if not is_out_of_resources(error.os_error) or loop.time() >= deadline:
                    raise
                self._failures.error("a connection waits", error)
            await asyncio.sleep(RETRY_PAUSE)

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
            try:
                async for chunk in received.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            except (ClientError, asyncio.CancelledError):
                # The status was sent, so only a closed connection shows that the response is incomplete.
                if request.transport is not None:
                    request.transport.abort()
                raise
            return response
