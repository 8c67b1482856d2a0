"""The check of a push's OIDC token.

google-auth checks signature, times and audience; issuer, email and email_verified are checked here, since any
Google account can have a token for any audience
(https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions#protocol).
"""

import json
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from google.auth import exceptions, jwt
from google.auth.transport import Request

from contract.outcome import Reason
from push_endpoint.authentication import AuthenticationError

ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
CLOCK_SKEW_SECONDS = 10
CERTIFICATES_SECONDS = 5  #: a silent certificate server must not hold a push beyond its deadline
TOKENS_KEPT = 32  #: Pub/Sub reuses a token for up to an hour
REFETCH_SECONDS = 60  #: at least between two requests for certificates that an unknown key's name causes


class OidcCheck:
    """Lets in tokens of one account for one audience.

    Args:
        audience: what `aud` must be.
        service_account: what `email` must be.
        certs_url: the issuer's certificates, `{kid: PEM}`.
        transport: google-auth's, on a session that caches.
        now: seconds since the epoch.
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
        self._verified: dict[str, float] = {}
        self._refetching = Lock()
        self._next_refetch = 0.0

    def __call__(self, authorization: str) -> None:
        """See `Authenticate`."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AuthenticationError(Reason.NO_TOKEN, "no `Authorization: Bearer` header")
        if self._now() < self._verified.get(token, 0):
            return
        claims = self._claims(token)
        self._check(claims)
        self._remember(token, float(claims["exp"]))

    def _claims(self, token: str) -> Mapping[str, Any]:
        certificates = self._certificates()
        try:
            kid = jwt.decode_header(token).get("kid")  # type: ignore[no-untyped-call]  # google-auth has no types
            if isinstance(kid, str) and kid not in certificates:
                certificates = self._newer_certificates(kid)
            claims: Mapping[str, Any] = jwt.decode(  # type: ignore[no-untyped-call]  # google-auth has no types
                token, certs=certificates, audience=self._audience, clock_skew_in_seconds=CLOCK_SKEW_SECONDS
            )
        except (exceptions.GoogleAuthError, ValueError) as wrong:
            raise AuthenticationError(Reason.BAD_TOKEN, str(wrong)) from None
        return claims

    def _newer_certificates(self, kid: str) -> dict[str, str]:
        """Look for a key that the cached certificates lack: Google changes its keys, forgers name any."""
        with self._refetching:
            certificates = self._certificates()
            if kid in certificates or self._now() < self._next_refetch:
                return certificates
            self._next_refetch = self._now() + REFETCH_SECONDS
            return self._certificates({"Cache-Control": "no-cache"})  # RFC 9111 section 5.2.1.4

    def _certificates(self, headers: Mapping[str, str] | None = None) -> dict[str, str]:
        # Fetched here: id_token.verify_token waits 120 s for them, and calls rubbish among them a bad token.
        try:
            answer = self._transport(url=self._certs_url, headers=headers, timeout=CERTIFICATES_SECONDS)
            certificates = json.loads(answer.data) if answer.status == 200 else None
        except (exceptions.TransportError, ValueError) as wrong:
            raise AuthenticationError(Reason.NO_CERTIFICATES, f"{self._certs_url}: {wrong}") from None
        if not isinstance(certificates, dict) or not all(map(_is_certificate, certificates.values())):
            what = f"{self._certs_url} answers {answer.status}, and no {{kid: PEM certificate}}"
            raise AuthenticationError(Reason.NO_CERTIFICATES, what)
        return certificates

    def _check(self, claims: Mapping[str, Any]) -> None:
        if claims.get("iss") not in ISSUERS:
            raise AuthenticationError(Reason.BAD_TOKEN, f"issued by {claims.get('iss')!r}")
        if claims.get("email") != self._service_account:
            raise AuthenticationError(Reason.WRONG_CALLER, f"the token is of {claims.get('email')!r}")
        if claims.get("email_verified") is not True:
            raise AuthenticationError(Reason.WRONG_CALLER, "the token's email is not verified")

    def _remember(self, token: str, expires: float) -> None:
        """Keep a verified token until it expires: its signature does not change."""
        if len(self._verified) >= TOKENS_KEPT:
            self._verified.clear()
        self._verified[token] = expires


def _is_certificate(value: object) -> bool:
    return isinstance(value, str) and value.startswith("-----BEGIN CERTIFICATE-----")
