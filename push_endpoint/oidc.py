"""Checks the OIDC token of a push.

`push_endpoint/token_claims.py` checks the form of the token, its times, its issuer and its audience. Then
`push_endpoint/signing_keys.py` verifies the signature. Email and email_verified are checked last, because any
Google account can get a token for any audience
(https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions#protocol).
"""

import time
from collections.abc import Callable

from google.auth.transport import Request

from contract.outcome import Reason
from contract.quoting import quote
from push_endpoint.errors import AuthenticationError
from push_endpoint.signing_keys import SigningKeys
from push_endpoint.token_claims import InvalidToken, TokenClaims, read_token

#: Maximum number of verified tokens that are remembered. Pub/Sub reuses a token for up to an hour.
MAX_REMEMBERED_TOKENS = 32


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
        self._keys = SigningKeys(certs_url, transport, now=now)
        self._now = now
        self._expiry_by_token: dict[str, float] = {}

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
        self._keys.verify(token, claims.key_id, self._audience)
        self._check_account(claims)
        self._remember(token, claims.expires_at)

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
