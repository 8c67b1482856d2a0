"""Who pushes: the push account's token is heard, and nothing else in the world is."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any, NamedTuple

import pytest
from google.auth.transport import Request

from console.stack.ports import free_port
from contract.outcome import REASON_MEANINGS, Outcome, Reason
from push_endpoint.authentication import (
    Authenticate,
    accept_any_caller,
    make_authenticator,
)
from push_endpoint.errors import AuthenticationError
from push_endpoint.oidc import REFETCH_SECONDS, OidcAuthenticator
from runtime.settings import PushSettings
from tests.servers.push_tokens import ACCOUNT, AUDIENCE, Issuer, claims_of, segment
from tests.servers.site import Site, http

CERTS = "/certs"


def certificates(*issuers: Issuer) -> bytes:
    """Return the answer of a certificate server, to be kept for an hour."""
    known = {issuer.kid: issuer.pem for issuer in issuers}
    kept = ("Cache-Control: public, max-age=3600", f"Date: {formatdate(usegmt=True)}")
    return http(200, json.dumps(known).encode(), *kept, content_type="application/json")


def settings(certs_url: str) -> PushSettings:
    """Return settings of a service that takes pushes of one account."""
    return PushSettings.model_validate(
        {
            "google_cloud_project": "p",
            "push_audience": AUDIENCE,
            "push_service_account": ACCOUNT,
            "push_certs_url": certs_url,
        }
    )


@pytest.fixture
def check(site: Site, issuer: Issuer) -> Authenticate:
    """The check as the services wire it, with the issuer's certificates."""
    return make_authenticator(settings(site.add(CERTS, certificates(issuer))))


def ending(check: Authenticate, authorization: str) -> Reason:
    """Return why the header is refused; `ok` where it is not."""
    try:
        check(authorization)
    except AuthenticationError as wrong:
        return wrong.reason
    return Reason.OK


def hs256(issuer: Issuer) -> str:
    """Return a token signed with the public certificate as if it were a shared secret."""
    signed = f"{segment({'alg': 'HS256', 'kid': issuer.kid})}.{segment(claims_of())}"
    return f"{signed}.{segment(hmac.new(issuer.pem.encode(), signed.encode(), hashlib.sha256).digest())}"


def unsigned(issuer: Issuer) -> str:
    """Return a token that says it needs no signature."""
    return f"{segment({'alg': 'none', 'kid': issuer.kid})}.{segment(claims_of())}."


def tampered(issuer: Issuer) -> str:
    """Return a good token with other claims under the same signature."""
    header, _, signature = issuer.token().split(".")
    return f"{header}.{segment(claims_of(email='me@evil.example'))}.{signature}"


def signature_removed(issuer: Issuer) -> str:
    """Return what Cloud Run leaves of a token that it checked itself."""
    return f"{issuer.token().rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_push_accounts_token_is_heard(check: Authenticate, issuer: Issuer, scheme: str) -> None:
    """Whatever the case of the scheme (RFC 9110 section 11.1)."""
    assert ending(check, f"{scheme} {issuer.token()}") is Reason.OK
    assert ending(check, f"{scheme} {issuer.token(iss='accounts.google.com')}") is Reason.OK


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic dTpw", "Token abc", "eyJhbGciOiJub25lIn0.e30."]
)
def test_without_a_bearer_token_nobody_is_heard(check: Authenticate, authorization: str) -> None:
    """No header, another scheme, a scheme without a token."""
    assert ending(check, authorization) is Reason.NO_TOKEN


Forge = Callable[[Issuer], str]
FORGED: dict[str, Forge] = {
    "no signature wanted": unsigned,
    "the certificate as a shared secret": hs256,
    "other claims under the signature": tampered,
    "signature removed": signature_removed,
    "unknown kid": lambda issuer: issuer.token({"kid": "0000"}),
    "kid of another type": lambda issuer: issuer.token({"kid": ["0000"]}),
    "another algorithm": lambda issuer: issuer.token({"alg": "ES256"}),
    "algorithm of another type": lambda issuer: issuer.token({"alg": {}}),
    "another audience": lambda issuer: issuer.token(aud="https://other.example/"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "audience in a list": lambda issuer: issuer.token(aud=[AUDIENCE]),
    "expired": lambda issuer: issuer.token(iat=int(time.time()) - 7200, exp=int(time.time()) - 60),
    "no expiry": lambda issuer: issuer.token(exp=None),
    "no time of issue": lambda issuer: issuer.token(iat=None),
    "from the future": lambda issuer: issuer.token(iat=int(time.time()) + 60),
    "another issuer": lambda issuer: issuer.token(iss="https://evil.example"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "one part": lambda _: "x",
    "four parts": lambda issuer: f"{issuer.token()}.x",
    "twice": lambda issuer: f"{issuer.token()}{issuer.token()}",
    "twice with a space": lambda issuer: f"{issuer.token()} {issuer.token()}",
    "cut": lambda issuer: issuer.token()[:-5],
    "a space too many": lambda issuer: f" {issuer.token()}",
    "dots": lambda _: "..",
    "not base64": lambda _: "é.ü.ß",
    "not JSON": lambda _: f"{segment(b'x')}.{segment(b'x')}.x",
    "header no object": lambda issuer: f"{segment([1])}.{segment({})}.{issuer.token().split('.')[2]}",
    "claims no object": lambda issuer: f"{segment({'alg': 'RS256', 'kid': issuer.kid})}.{segment([1])}.x",
    "deep JSON": lambda _: f"{segment(b'[' * 100_000)}.{segment({})}.x",
    "half a surrogate pair": lambda _: f"{segment({'alg': chr(0xD800)})}.{segment({})}.x",
}  # fmt: skip


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_or_stale_token_is_a_bad_token(check: Authenticate, issuer: Issuer, forge: Forge) -> None:
    """401, whatever it is that is wrong with it; nothing in a token is an exception nobody foresaw."""
    assert ending(check, f"Bearer {forge(issuer)}") is Reason.BAD_TOKEN


def test_a_strangers_key_under_our_key_id_is_a_bad_token(
    check: Authenticate, issuer: Issuer, stranger: Issuer
) -> None:
    """The kid says which certificate to hold the signature against, and proves nothing."""
    assert ending(check, f"Bearer {stranger.token({'kid': issuer.kid})}") is Reason.BAD_TOKEN
    assert ending(check, f"Bearer {stranger.token()}") is Reason.BAD_TOKEN


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "other@project.iam.gserviceaccount.com"},
        {"email": ACCOUNT.upper()},
        {"email": None},
        {"email": [ACCOUNT]},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": 1},
        {"email_verified": None},
    ],
)
def test_a_good_token_of_another_account_is_the_wrong_caller(
    check: Authenticate, issuer: Issuer, claims: dict[str, Any]
) -> None:
    """403: any Google account can have a token for our audience, so the verified email decides."""
    assert ending(check, f"Bearer {issuer.token(**claims)}") is Reason.WRONG_CALLER


def test_clocks_that_differ_by_seconds_do_no_harm(check: Authenticate, issuer: Issuer) -> None:
    """A token issued a moment ahead of our clock is heard."""
    assert ending(check, f"Bearer {issuer.token(iat=int(time.time()) + 5)}") is Reason.OK


@pytest.mark.parametrize(
    "answer",
    [
        http(500),
        http(404),
        http(204),
        http(200, b""),
        http(200, b"<html>sign in to this network</html>"),
        http(200, b"[]"),
        http(200, b'"certificates"'),
        http(200, b'{"keys": []}'),
        http(200, b'{"kid": "no certificate"}'),
        http(200, b"\xff\xfe"),
        http(200, b"{}", length=1000),
        b"garbage\r\n\r\n",
    ],
)
def test_without_certificates_the_push_is_to_be_repeated(site: Site, issuer: Issuer, answer: bytes) -> None:
    """A certificate server that fails is no reason to call the sender a forger, nor to hear it."""
    # Given a certificate server that answers with anything but certificates, and then ends
    check = make_authenticator(settings(site.add(CERTS, lambda visit: visit.send(answer))))
    # When a good token comes
    # Then the push is asked for again, since the reason is one to retry
    assert ending(check, f"Bearer {issuer.token()}") is Reason.NO_CERTIFICATES
    assert REASON_MEANINGS[Reason.NO_CERTIFICATES].outcome is Outcome.RETRY


def test_an_unreachable_certificate_server_is_no_certificates(issuer: Issuer) -> None:
    """Connection refused."""
    port = free_port()
    check = make_authenticator(settings(f"http://127.0.0.1:{port}/certs"))
    assert ending(check, f"Bearer {issuer.token()}") is Reason.NO_CERTIFICATES


def test_once_the_certificates_are_there_the_same_token_is_heard(site: Site, issuer: Issuer) -> None:
    """A failure to fetch them is not remembered."""
    check = make_authenticator(settings(site.add(CERTS, http(500))))
    authorization = f"Bearer {issuer.token()}"
    assert ending(check, authorization) is Reason.NO_CERTIFICATES
    site.add(CERTS, certificates(issuer))
    assert ending(check, authorization) is Reason.OK


def test_certificates_are_fetched_once_for_many_pushes(
    site: Site, check: Authenticate, issuer: Issuer
) -> None:
    """HTTP's own rules cache them: neither many tokens nor forged ones make us ask again."""
    for number in range(10):
        assert ending(check, f"Bearer {issuer.token(sub=str(number))}") is Reason.OK
        assert ending(check, f"Bearer {unsigned(issuer)}") is Reason.BAD_TOKEN
    assert len(site.requests_for(CERTS)) == 1


def test_a_key_that_google_took_up_is_known_at_once(site: Site, issuer: Issuer, stranger: Issuer) -> None:
    """An unknown kid fetches the certificates again, though HTTP lets us keep the old for an hour."""
    # Given certificates that are cached
    check = make_authenticator(settings(site.add(CERTS, certificates(issuer))))
    assert ending(check, f"Bearer {issuer.token()}") is Reason.OK
    # When the issuer signs with a new key
    site.add(CERTS, certificates(issuer, stranger))
    # Then its tokens are heard, and those of the old one too
    assert ending(check, f"Bearer {stranger.token()}") is Reason.OK
    assert ending(check, f"Bearer {issuer.token(sub='other')}") is Reason.OK
    # And the new certificates are as cached as the old ones were
    assert ending(check, f"Bearer {stranger.token(sub='other')}") is Reason.OK
    assert len(site.requests_for(CERTS)) == 2


def test_forged_key_names_fetch_certificates_once_a_minute(
    site: Site, check: Authenticate, issuer: Issuer
) -> None:
    """Whatever kids a forger invents, Google is asked twice: for the certificates, and for newer ones."""
    for number in range(20):
        assert ending(check, f"Bearer {issuer.token({'kid': str(number)})}") is Reason.BAD_TOKEN
    assert ending(check, f"Bearer {issuer.token()}") is Reason.OK
    assert len(site.requests_for(CERTS)) == 2


class CountingCertificates(Request):
    """A transport of google-auth's that has the certificates at hand, and counts who asks.

    Attributes:
        asked: how often.
        renewed: how often past every cache.
    """

    def __init__(self, issuer: Issuer) -> None:
        self.asked = self.renewed = 0
        self._certificates = issuer.certificates()

    def __call__(  # type: ignore[override]  # all we use
        self, url: str, headers: Mapping[str, str] | None = None, **_options: object
    ) -> "Certificates":
        """Response one request."""
        assert url == "https://certs.example/"
        self.asked += 1
        self.renewed += headers == {"Cache-Control": "no-cache"}
        return Certificates(self._certificates)


class Certificates(NamedTuple):
    """An answer of google-auth's transport."""

    data: bytes
    status: int = 200


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def remembering(transport: CountingCertificates, clock: Clock, audience: str = AUDIENCE) -> OidcAuthenticator:
    """Return a check with its certificates and its clock at hand."""
    return OidcAuthenticator(
        audience=audience,
        service_account=ACCOUNT,
        certs_url="https://certs.example/",
        transport=transport,
        now=clock,
    )


def test_a_verified_token_is_remembered_until_it_expires(issuer: Issuer) -> None:
    """Pub/Sub reuses a token for up to an hour; its signature is checked once, and not trusted beyond."""
    transport, clock = CountingCertificates(issuer), Clock()
    check = remembering(transport, clock)
    expires = int(time.time()) + 100
    authorization = f"Bearer {issuer.token(exp=expires)}"
    # Given a token that was verified
    assert ending(check, authorization) is Reason.OK
    # When it comes again while it is valid, it is not verified again
    clock.now = expires - 1
    assert ending(check, authorization) is Reason.OK
    assert transport.asked == 1
    # When it comes after that, it is
    clock.now = expires
    assert ending(check, authorization) is Reason.OK
    assert transport.asked == 2


def test_unknown_keys_are_looked_for_again_after_a_while(issuer: Issuer) -> None:
    """At most once in REFETCH_SECONDS, however many unknown keys come, and again after that."""
    transport, clock = CountingCertificates(issuer), Clock()
    check = remembering(transport, clock)
    for now, renewed in (
        (0.0, 1),
        (REFETCH_SECONDS - 1.0, 1),
        (REFETCH_SECONDS, 2),
        (REFETCH_SECONDS + 1, 2),
    ):
        clock.now = now
        assert ending(check, f"Bearer {issuer.token({'kid': str(now)})}") is Reason.BAD_TOKEN
        assert transport.renewed == renewed


def test_a_refused_token_is_not_remembered(issuer: Issuer) -> None:
    """Neither as good, nor as bad: what is wrong may be our certificates."""
    transport = CountingCertificates(issuer)
    check = remembering(transport, Clock())
    for asked in (1, 2):
        assert ending(check, f"Bearer {issuer.token(email='x@example.com')}") is Reason.WRONG_CALLER
        assert transport.asked == asked


def test_a_token_remembered_for_one_check_is_none_for_another(issuer: Issuer) -> None:
    """A token for one audience opens no other."""
    authorization = f"Bearer {issuer.token()}"
    one = remembering(CountingCertificates(issuer), Clock())
    other = remembering(CountingCertificates(issuer), Clock(), audience="https://other.example/")
    assert ending(one, authorization) is Reason.OK
    assert ending(other, authorization) is Reason.BAD_TOKEN


def test_remembered_tokens_are_bounded(issuer: Issuer) -> None:
    """However many tokens come, the memory holds few; each is verified anew then, and still right."""
    transport = CountingCertificates(issuer)
    check = remembering(transport, Clock())
    tokens = [issuer.token(sub=str(number)) for number in range(70)]
    assert {ending(check, f"Bearer {token}") for token in tokens} == {Reason.OK}
    assert ending(check, f"Bearer {tokens[0]}") is Reason.OK
    assert transport.asked == 71


def test_where_authentication_is_off_everybody_is_heard() -> None:
    """PUSH_AUTH=none, for a service that nobody else reaches."""
    chosen = PushSettings.model_validate({"google_cloud_project": "p", "push_auth": "none"})
    assert make_authenticator(chosen) is accept_any_caller
    assert ending(accept_any_caller, "") is Reason.OK
