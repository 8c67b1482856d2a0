"""Checks the OIDC token of a push.

`push_endpoint/token_claims.py` checks the form of the token, its times, its issuer and its audience. Then
google-auth verifies the signature. Email and email_verified are checked last, because any Google account can
get a token for any audience
(https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions#protocol).
"""

import json
import time
from collections.abc import Callable, Mapping
from threading import Lock

from google.auth import exceptions, jwt
from google.auth.transport import Request

from contract.outcome import Reason
from contract.quoting import quote
from push_endpoint.errors import AuthenticationError
from push_endpoint.token_claims import CLOCK_SKEW_SECONDS, InvalidToken, TokenClaims, read_token

CERTIFICATES_TIMEOUT_SECONDS = 5  #: seconds that a push waits for the certificate server
#: Maximum number of verified tokens that are remembered. Pub/Sub reuses a token for up to an hour.
MAX_REMEMBERED_TOKENS = 32
REFETCH_SECONDS = 60  #: shortest time between two certificate requests caused by unknown key ids


class OidcAuthenticator:
    """Accepts the tokens of one account for one audience.

    Args:
        audience: the required `aud` claim.
        service_account: the required `email` claim.
        certs_url: URL of the issuer's certificates, a JSON object `{kid: PEM}`.
        transport: google-auth's transport, with a session that caches responses.
        now: returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        *,
        audience: str,
        service_account: str,
        certs_url: str,
        transport: Request,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._audience = audience
        self._service_account = service_account
        self._certs_url = certs_url
        self._transport = transport
        self._now = now
        self._expiry_by_token: dict[str, float] = {}
        self._refetch_lock = Lock()
        self._next_refetch = 0.0

    def __call__(self, authorization: str) -> None:
        """Check a token; see `Authenticate`."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AuthenticationError(Reason.NO_TOKEN, "no `Authorization: Bearer` header")
        if self._now() < self._expiry_by_token.get(token, 0):
            return
        try:
            claims = read_token(token, self._audience, self._now())
        except InvalidToken as error:
            raise AuthenticationError(Reason.BAD_TOKEN, str(error)) from None
        self._verify_signature(token, claims)
        self._check_account(claims)
        self._remember(token, claims.expires_at)

    def _verify_signature(self, token: str, claims: TokenClaims) -> None:
        certificates = self._fetch_certificates()
        if claims.key_id is not None and claims.key_id not in certificates:
            certificates = self._refetch_certificates(claims.key_id)
        try:
            jwt.decode(  # type: ignore[no-untyped-call]  # google-auth has no types
                token, certs=certificates, audience=self._audience, clock_skew_in_seconds=CLOCK_SKEW_SECONDS
            )
        except (exceptions.GoogleAuthError, ValueError) as error:
            raise AuthenticationError(Reason.BAD_TOKEN, str(error)) from None

    def _refetch_certificates(self, kid: str) -> dict[str, str]:
        """Fetch the certificates again if the cached ones lack `kid`, since Google rotates its keys.

        Forged tokens can name any key id, so this is done at most once in `REFETCH_SECONDS`.
        """
        with self._refetch_lock:
            certificates = self._fetch_certificates()
            if kid in certificates or self._now() < self._next_refetch:
                return certificates
            self._next_refetch = self._now() + REFETCH_SECONDS
            return self._fetch_certificates({"Cache-Control": "no-cache"})  # RFC 9111 section 5.2.1.4

    def _fetch_certificates(self, headers: Mapping[str, str] | None = None) -> dict[str, str]:
        # google-auth's id_token.verify_token would wait 120 s for the certificates, and would report an
        # invalid certificate as a bad token.
        try:
            response = self._transport(
                url=self._certs_url, headers=headers, timeout=CERTIFICATES_TIMEOUT_SECONDS
            )
            certificates = json.loads(response.data) if response.status == 200 else None
        except (exceptions.TransportError, ValueError, RecursionError) as error:
            raise AuthenticationError(Reason.NO_CERTIFICATES, f"{self._certs_url}: {error}") from None
        if not isinstance(certificates, dict) or not all(map(_is_certificate, certificates.values())):
            detail = f"{self._certs_url} responded {response.status}, without {{kid: PEM certificate}}"
            raise AuthenticationError(Reason.NO_CERTIFICATES, detail)
        return certificates

    def _check_account(self, claims: TokenClaims) -> None:
        if claims.email != self._service_account:
            shown = quote(claims.email) if isinstance(claims.email, str) else "no account"
            raise AuthenticationError(Reason.WRONG_CALLER, f"the token belongs to {shown}")
        if not claims.is_email_verified:
            raise AuthenticationError(Reason.WRONG_CALLER, "the token's email is not verified")

    def _remember(self, token: str, expiry: float) -> None:
        """Remember a verified token, so that it is accepted without another check until it expires."""
        if len(self._expiry_by_token) >= MAX_REMEMBERED_TOKENS:
            self._expiry_by_token.clear()
        self._expiry_by_token[token] = expiry


def _is_certificate(value: object) -> bool:
    return isinstance(value, str) and value.startswith("-----BEGIN CERTIFICATE-----")
