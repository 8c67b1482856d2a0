"""The OIDC check remembers verified tokens, and fetches certificates again for unknown keys."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from google.auth.exceptions import TransportError
from google.auth.transport import Request
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.outcome import Reason
from push_endpoint.errors import AuthenticationError
from push_endpoint.oidc import OidcAuthenticator
from push_endpoint.signing_keys import REFETCH_SECONDS
from tests.push_endpoint.rejection import reason_of
from tests.servers.push_tokens import ACCOUNT, AUDIENCE, Issuer, claims_of
from tests.servers.threads import threads_in
from tests.servers.waiting import wait_until


class CountingCertificates(Request):
    """A google-auth transport that returns the issuer's certificates, and counts the requests.

    Attributes:
        requests: number of requests.
        refetches: number of requests that bypass caches.
        before_response: called before each response.
    """

    def __init__(self, issuer: Issuer) -> None:
        self.requests = self.refetches = 0
        self.before_response: Callable[[], object] = bool
        self._certificates = issuer.certificates()

    def __call__(  # type: ignore[override]  # unused arguments are not listed
        self, url: str, headers: Mapping[str, str] | None = None, **_options: object
    ) -> "Certificates":
        """Respond to one request."""
        assert url == "https://certs.example/"
        self.requests += 1
        self.refetches += headers == {"Cache-Control": "no-cache"}
        self.before_response()
        return Certificates(self._certificates)


class Certificates(NamedTuple):
    """A response of google-auth's transport.

    Attributes:
        data: the body.
        status: the HTTP status.
    """

    data: bytes
    status: int = 200


class Clock:
    """A clock that a test sets.

    Attributes:
        now: its time, seconds since the epoch.
    """

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def make_offline_authenticator(
    transport: CountingCertificates, clock: Clock, audience: str = AUDIENCE
) -> OidcAuthenticator:
    """Return an authenticator that gets its certificates and the time from the test."""
    return OidcAuthenticator(
        audience=audience,
        service_account=ACCOUNT,
        certs_url="https://certs.example/",
        transport=transport,
        now=clock,
    )


def test_a_verified_token_is_remembered_until_it_expires(issuer: Issuer) -> None:
    """A token that was verified is accepted without another check until it expires."""
    transport, clock = CountingCertificates(issuer), Clock()
    authenticate = make_offline_authenticator(transport, clock)
    expiry = int(time.time()) + 100
    authorization = f"Bearer {issuer.token(exp=expiry)}"
    # Given a token that was verified
    assert reason_of(authenticate, authorization) is Reason.OK
    # When it is checked again while it is valid, it is not verified again
    clock.now = expiry - 1
    assert reason_of(authenticate, authorization) is Reason.OK
    assert transport.requests == 1
    # When it is checked after its expiry, it is verified again
    clock.now = expiry
    assert reason_of(authenticate, authorization) is Reason.OK
    assert transport.requests == 2


def test_unknown_key_ids_refetch_certificates_after_refetch_seconds(issuer: Issuer) -> None:
    """Unknown key ids cause at most one further request for certificates in REFETCH_SECONDS."""
    transport, clock = CountingCertificates(issuer), Clock()
    authenticate = make_offline_authenticator(transport, clock)
    started = clock.now
    for seconds, refetches in (
        (0.0, 1),
        (REFETCH_SECONDS - 1.0, 1),
        (REFETCH_SECONDS, 2),
        (REFETCH_SECONDS + 1, 2),
    ):
        clock.now = started + seconds
        assert reason_of(authenticate, f"Bearer {issuer.token({'kid': str(seconds)})}") is Reason.BAD_TOKEN
        assert transport.refetches == refetches


@pytest.mark.parametrize("reason", [Reason.OK, Reason.NO_CERTIFICATES])
def test_simultaneous_pushes_share_one_request_for_certificates(issuer: Issuer, reason: Reason) -> None:
    """While certificates are requested, further pushes wait for that response, and end as it does."""
    transport = CountingCertificates(issuer)
    may_respond = threading.Event()

    def respond() -> None:
        may_respond.wait()
        if reason is not Reason.OK:
            raise TransportError("the server is down")  # type: ignore[no-untyped-call] # google-auth has no types

    transport.before_response = respond
    authenticate = make_offline_authenticator(transport, Clock())
    authorization = f"Bearer {issuer.token()}"
    with ThreadPoolExecutor(8) as threads:
        pushes = [threads.submit(reason_of, authenticate, authorization) for _ in range(8)]
        try:
            wait_until(
                lambda: threads_in("_fetch_together", "result") == 7, "seven pushes wait for the eighth"
            )
        finally:
            may_respond.set()
        assert [push.result() for push in pushes] == [reason] * 8
    assert transport.requests == 1


def test_a_rejected_token_is_not_remembered(issuer: Issuer) -> None:
    """A rejected token is checked again each time, because our certificates may have been outdated."""
    transport = CountingCertificates(issuer)
    authenticate = make_offline_authenticator(transport, Clock())
    for requests in (1, 2):
        assert reason_of(authenticate, f"Bearer {issuer.token(email='x@example.com')}") is Reason.WRONG_CALLER
        assert transport.requests == requests


def test_a_token_remembered_for_one_audience_is_not_accepted_for_another(issuer: Issuer) -> None:
    """A token that one authenticator remembers is rejected by an authenticator for another audience."""
    authorization = f"Bearer {issuer.token()}"
    one = make_offline_authenticator(CountingCertificates(issuer), Clock())
    other = make_offline_authenticator(
        CountingCertificates(issuer), Clock(), audience="https://other.example/"
    )
    assert reason_of(one, authorization) is Reason.OK
    assert reason_of(other, authorization) is Reason.BAD_TOKEN


def test_the_number_of_remembered_tokens_is_limited(issuer: Issuer) -> None:
    """After many other tokens a token is no longer remembered, and is verified again."""
    transport = CountingCertificates(issuer)
    authenticate = make_offline_authenticator(transport, Clock())
    tokens = [issuer.token(sub=str(number)) for number in range(70)]
    assert {reason_of(authenticate, f"Bearer {token}") for token in tokens} == {Reason.OK}
    assert reason_of(authenticate, f"Bearer {tokens[0]}") is Reason.OK
    assert transport.requests == 71


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
names = st.sampled_from(["iss", "aud", "email", "email_verified", "iat", "exp", "nbf", "sub", "x"])
headers = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit"]), json_values, max_size=2)
texts = st.binary(max_size=20) | json_values.map(lambda value: json.dumps(value).encode())


@settings(deadline=None)
@given(
    header=headers, claims=st.dictionaries(names, json_values, max_size=3), removed=st.sets(names, max_size=1)
)
def test_a_token_with_any_json_is_rejected_unless_it_is_valid(
    issuer: Issuer, header: dict[str, object], claims: dict[str, object], removed: set[str]
) -> None:
    """A signed token with any claims is accepted only if those that are checked have their exact values."""
    authenticate = make_offline_authenticator(CountingCertificates(issuer), Clock())
    kept = {name: value for name, value in (claims_of() | claims).items() if name not in removed}
    head = {"alg": "RS256", "kid": issuer.kid} | header
    token = issuer.sign(json.dumps(head).encode(), json.dumps(kept).encode())
    reason = reason_of(authenticate, f"Bearer {token}")
    now = time.time()
    times = [kept.get("iat"), kept.get("exp"), kept.get("nbf", 0)]
    is_valid = (
        all(type(each) in {int, float} and each >= 0 for each in times)
        and kept["iat"] <= now + 10
        and kept.get("nbf", 0) <= now + 10
        and now - 10 <= kept["exp"] < 10**12
        and head.items() >= {"alg": "RS256", "kid": issuer.kid}.items()
        and "crit" not in head
        and kept.get("iss") == "https://accounts.google.com"
        and kept.get("aud") == AUDIENCE
    )
    if not is_valid:
        assert reason is Reason.BAD_TOKEN
    elif kept.get("email") == ACCOUNT and kept.get("email_verified") is True:
        assert reason is Reason.OK
    else:
        assert reason is Reason.WRONG_CALLER


@settings(deadline=None)
@given(header=texts, claims=texts)
def test_a_token_with_any_bytes_is_rejected_with_bad_token(
    issuer: Issuer, header: bytes, claims: bytes
) -> None:
    """A signed token whose header and claims are any bytes is rejected, and its detail does not repeat it."""
    authenticate = make_offline_authenticator(CountingCertificates(issuer), Clock())
    token = issuer.sign(header, claims)
    with pytest.raises(AuthenticationError) as error:
        authenticate(f"Bearer {token}")
    assert error.value.reason is Reason.BAD_TOKEN
    assert token not in error.value.detail
