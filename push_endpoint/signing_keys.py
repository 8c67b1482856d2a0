"""Fetches the keys that sign tokens, and verifies the signatures of tokens with them."""

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Lock

from google.auth import exceptions, jwt
from google.auth.transport import Request

from contract.outcome import Reason
from push_endpoint.errors import AuthenticationError
from push_endpoint.token_claims import CLOCK_SKEW_SECONDS

FETCH_TIMEOUT_SECONDS = 5  #: seconds that a request waits for the server of the keys
REFETCH_SECONDS = 60  #: shortest time between two requests caused by unknown key ids


class SigningKeys:
    """The keys of an issuer.

    Args:
        url: URL of a JSON object `{kid: PEM}`.
        transport: google-auth's transport, with a session that caches responses.
        kind: what each PEM is, `CERTIFICATE` or `PUBLIC KEY`.
        now: returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        url: str,
        transport: Request,
        kind: str = "CERTIFICATE",
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._transport = transport
        self._kind = kind
        self._now = now
        self._fetch_lock = Lock()
        self._fetching: Future[dict[str, str]] | None = None
        self._refetch_lock = Lock()
        self._next_refetch = 0.0

    def verify(self, token: str, key_id: str | None, audience: str) -> None:
        """Return normally if the token was signed with the key that its header names.

        Args:
            token: a token whose claims were checked.
            key_id: the header's `kid`; None if it has none.
            audience: the required `aud` claim.

        Raises:
            AuthenticationError: `bad_token` if it was not, `no_certificates` if the keys cannot be fetched.
        """
        keys = self._fetch_together()
        if key_id is not None and key_id not in keys:
            keys = self._refetch(key_id)
        try:
            jwt.decode(  # type: ignore[no-untyped-call]  # google-auth has no types
                token, certs=keys, audience=audience, clock_skew_in_seconds=CLOCK_SKEW_SECONDS
            )
        except (exceptions.GoogleAuthError, ValueError) as error:
            raise AuthenticationError(Reason.BAD_TOKEN, str(error)) from None

    def _refetch(self, kid: str) -> dict[str, str]:
        """Fetch the keys again if the cached ones lack `kid`, since Google rotates its keys.

        Forged tokens can name any key id, so this is done at most once in `REFETCH_SECONDS`.
        """
        with self._refetch_lock:
            keys = self._fetch_together()
            if kid in keys or self._now() < self._next_refetch:
                return keys
            self._next_refetch = self._now() + REFETCH_SECONDS
            return self._fetch({"Cache-Control": "no-cache"})  # RFC 9111 section 5.2.1.4

    def _fetch_together(self) -> dict[str, str]:
        """Return the keys of one request that all simultaneous callers share.

        A new instance gets many pushes at once, all with the same token and before it has a key. One request
        for each of them could overload the server of the keys, and every refused push is an attempt.
        """
        with self._fetch_lock:
            fetching = self._fetching
            if fetching is None:
                mine = self._fetching = Future[dict[str, str]]()
        if fetching is not None:
            return fetching.result()
        try:
            mine.set_result(self._fetch())
        except AuthenticationError as error:
            mine.set_exception(error)
        finally:
            self._fetching = None
            if not mine.done():  # this greenlet was killed, but the others wait for the keys
                detail = f"{self._url}: the request was ended"
                mine.set_exception(AuthenticationError(Reason.NO_CERTIFICATES, detail))
        return mine.result()

    def _fetch(self, headers: Mapping[str, str] | None = None) -> dict[str, str]:
        # google-auth's id_token.verify_token would wait 120 s for the keys, and would report an invalid key
        # as a bad token.
        try:
            response = self._transport(url=self._url, headers=headers, timeout=FETCH_TIMEOUT_SECONDS)
            keys = json.loads(response.data) if response.status == 200 else None
        except (exceptions.TransportError, ValueError, RecursionError) as error:
            raise AuthenticationError(Reason.NO_CERTIFICATES, f"{self._url}: {error}") from None
        if not isinstance(keys, dict) or not all(map(self._is_key, keys.values())):
            detail = f"{self._url} responded {response.status}, without {{kid: PEM {self._kind.lower()}}}"
            raise AuthenticationError(Reason.NO_CERTIFICATES, detail)
        return keys

    def _is_key(self, value: object) -> bool:
        return isinstance(value, str) and value.startswith(f"-----BEGIN {self._kind}-----")
