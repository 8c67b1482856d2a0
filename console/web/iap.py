"""Verifies the assertion by which the Identity-Aware Proxy names the user of a request.

The proxy also sends the user's email as a header without a signature, which whoever reaches the page in
another way can forge. So only the signed header counts
(https://cloud.google.com/iap/docs/signed-headers-howto).
"""

import time
from collections.abc import Callable
from typing import Final

import cachecontrol
import requests
from google.auth.transport.requests import Request

from console.controls.acts import MAX_OPERATOR_CHARACTERS
from console.web.options import Behind, ConsoleOptions
from contract.outcome import Reason
from push_endpoint.errors import AuthenticationError
from push_endpoint.signing_keys import SigningKeys
from push_endpoint.token_claims import InvalidToken, TokenKind, read_token

IAP_HEADER: Final = "X-Goog-IAP-JWT-Assertion"
#: Issuer and algorithm of the assertions, as the page that is cited above says.
ASSERTION: Final = TokenKind(frozenset({"https://cloud.google.com/iap"}), "ES256")


class IapAuthenticator:
    """Returns the user of an assertion.

    Args:
        audience: the required `aud` claim.
        keys: the proxy's keys.
        now: returns the time in seconds since the epoch.
    """

    def __init__(self, audience: str, keys: SigningKeys, now: Callable[[], float] = time.time) -> None:
        self._audience = audience
        self._keys = keys
        self._now = now

    def __call__(self, assertion: str) -> str:
        """Return the email of the user.

        Raises:
            AuthenticationError: the assertion is missing or not valid, or the keys cannot be fetched.
        """
        if not assertion:
            raise AuthenticationError(Reason.NO_TOKEN, "the request has none")
        try:
            claims = read_token(assertion, self._audience, self._now(), ASSERTION)
        except InvalidToken as error:
            raise AuthenticationError(Reason.BAD_TOKEN, str(error)) from None
        self._keys.verify(assertion, claims.key_id, self._audience)
        email = claims.email
        if not isinstance(email, str) or not email or not email.isprintable():
            raise AuthenticationError(Reason.WRONG_CALLER, "it names no user")
        return email[:MAX_OPERATOR_CHARACTERS]


def make_iap_authenticator(options: ConsoleOptions) -> IapAuthenticator | None:
    """Return the authenticator of a page, or None if it is not behind the proxy."""
    if options.behind is not Behind.IAP:
        return None
    # The session caches the keys as HTTP allows.
    session = cachecontrol.CacheControl(requests.Session())
    keys = SigningKeys(options.iap_keys_url, Request(session=session), "PUBLIC KEY")
    return IapAuthenticator(options.iap_audience, keys)
