"""The tokens push requests carry: one per service account and audience, as long as it lasts.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpubsub.clock import Clock

if TYPE_CHECKING:
    from localpubsub.push.signing import SigningKey

CERTIFICATES_PATH: Final = "/oauth2/v1/certs"  #: where they are published, as on www.googleapis.com
LIFETIME: Final = 3600  #: seconds from iat to exp, as Google's
RENEW: Final = 300  #: seconds before exp from which a token is no longer sent


class Tokens:
    """Signs one token per service account and audience, and uses it until shortly before it expires."""

    def __init__(self, directory: Path | None, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._key: SigningKey | None = None
        self._making = asyncio.Lock()
        self._tokens: dict[tuple[str, str], tuple[str, float]] = {}

    async def certificates(self) -> dict[str, str]:
        """``{kid: PEM certificate}``, the shape of https://www.googleapis.com/oauth2/v1/certs."""
        key = await self._signing_key()
        return {key.kid: key.certificate.decode()}

    async def bearer(self, email: str, audience: str) -> str:
        """A token that says Google knows the sender as ``email``, for ``audience``."""
        now = self._clock.wall()  # whoever verifies it has no scaled clock
        token, renew_at = self._tokens.get((email, audience), ("", 0.0))
        if now < renew_at:
            return token
        token = (await self._signing_key()).token(email, audience, now, LIFETIME)
        self._tokens[email, audience] = (token, now + LIFETIME - RENEW)
        return token

    async def _signing_key(self) -> "SigningKey":
        # In a thread, at first need: cryptography costs 11 MB, and making a key a tenth of a second, which
        # most tests never want.
        async with self._making:
            if self._key is None:
                self._key = await asyncio.to_thread(_kept, self._directory)
            return self._key


def _kept(directory: Path | None) -> "SigningKey":
    from localpubsub.push.signing import SigningKey  # noqa: PLC0415 - see above

    return SigningKey.kept(directory)
