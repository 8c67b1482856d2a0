"""Makes the OIDC tokens of push requests, one per service account and audience.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpubsub.clock import Clock

if TYPE_CHECKING:
    from localpubsub.push.signing import SigningKey

#: The HTTP path of the certificates that verify the tokens, the same as on www.googleapis.com.
CERTIFICATES_PATH: Final = "/oauth2/v1/certs"
LIFETIME: Final = (
    3600  #: Seconds from a token's issue (``iat``) to its expiry (``exp``), as in Google's tokens.
)
RENEW_BEFORE: Final = 300  #: A token is replaced this many seconds before it expires.


class Tokens:
    """Signs one token per service account and audience, and reuses it until shortly before it expires.

    The signing key is kept in ``directory``; without a directory, a new key is generated at each start.
    """

    def __init__(self, directory: Path | None, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._key: SigningKey | None = None
        self._key_lock = asyncio.Lock()
        self._tokens: dict[tuple[str, str], tuple[str, float, float]] = {}

    async def certificates(self) -> dict[str, str]:
        """Return ``{kid: PEM certificate}``, the format of https://www.googleapis.com/oauth2/v1/certs."""
        key = await self._signing_key()
        return {key.kid: key.certificate.decode()}

    async def bearer(self, email: str, audience: str) -> str:
        """Return a token that identifies the sender as the service account ``email`` to ``audience``."""
        now = self._clock.wall_time()  # The endpoint verifies the token by its wall clock.
        token, issued_at, renew_at = self._tokens.get((email, audience), ("", 0.0, 0.0))
        if issued_at <= now < renew_at:  # a clock that was set back has not reached issued_at yet
            return token
        token = (await self._signing_key()).token(email, audience, now, LIFETIME)
        self._tokens[email, audience] = (token, now, now + LIFETIME - RENEW_BEFORE)
        return token

    async def _signing_key(self) -> "SigningKey":
        # The key is loaded only on first use, because importing cryptography takes 11 MB and most tests never
        # send a token. It is loaded in a thread, because generating a key takes a tenth of a second.
        async with self._key_lock:
            if self._key is None:
                self._key = await asyncio.to_thread(_load_signing_key, self._directory)
            return self._key


def _load_signing_key(directory: Path | None) -> "SigningKey":
    from localpubsub.push.signing import SigningKey  # noqa: PLC0415 - most tests never send a token

    return SigningKey.load_or_create(directory)
