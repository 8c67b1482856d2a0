"""Push authentication accepts only tokens of the push account."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from console.stack.ports import free_port
from contract.outcome import Outcome, Reason
from contract.reason_meanings import REASON_MEANINGS
from push_endpoint.authentication import (
    Authenticate,
    accept_any_caller,
    make_authenticator,
)
from runtime.settings import PushSettings
from tests.push_endpoint.rejection import reason_of
from tests.servers.push_tokens import ACCOUNT, AUDIENCE, Issuer, claims_of, segment
from tests.servers.site import Site, http

CERTS = "/certs"


def certificates(*issuers: Issuer) -> bytes:
    """Return the response of a certificate server; it may be cached for an hour."""
    pem_by_kid = {issuer.kid: issuer.pem for issuer in issuers}
    cache_headers = ("Cache-Control: public, max-age=3600", f"Date: {formatdate(usegmt=True)}")
    return http(200, json.dumps(pem_by_kid).encode(), *cache_headers, content_type="application/json")


def settings(certs_url: str) -> PushSettings:
    """Return the settings of a service that takes the pushes of one account."""
    return PushSettings.model_validate(
        {
            "google_cloud_project": "p",
            "push_audience": AUDIENCE,
            "push_service_account": ACCOUNT,
            "push_certs_url": certs_url,
        }
    )


@pytest.fixture
def authenticate(site: Site, issuer: Issuer) -> Authenticate:
    """An authenticator as the services make it, which gets the issuer's certificates from a test site."""
    return make_authenticator(settings(site.add(CERTS, certificates(issuer))))


def hs256(issuer: Issuer) -> str:
    """Return a token signed with the public certificate as if it were a shared secret."""
    signed = f"{segment({'alg': 'HS256', 'kid': issuer.kid})}.{segment(claims_of())}"
    return f"{signed}.{segment(hmac.new(issuer.pem.encode(), signed.encode(), hashlib.sha256).digest())}"


def unsigned(issuer: Issuer) -> str:
    """Return a token whose algorithm is `none`."""
    return f"{segment({'alg': 'none', 'kid': issuer.kid})}.{segment(claims_of())}."


def head(issuer: Issuer) -> bytes:
    """Return the header of a valid token."""
    return json.dumps({"alg": "RS256", "typ": "JWT", "kid": issuer.kid}).encode()


def tampered(issuer: Issuer) -> str:
    """Return a valid token with its claims replaced and the signature kept."""
    header, _, signature = issuer.token().split(".")
    return f"{header}.{segment(claims_of(email='me@evil.example'))}.{signature}"


def signature_removed(issuer: Issuer) -> str:
    """Return a token without its signature, as Cloud Run forwards it after its own check."""
    return f"{issuer.token().rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_of_the_push_account_is_accepted(
    authenticate: Authenticate, issuer: Issuer, scheme: str
) -> None:
    """A valid token is accepted with any letter case of the scheme Bearer (RFC 9110 section 11.1)."""
    assert reason_of(authenticate, f"{scheme} {issuer.token()}") is Reason.OK
    assert reason_of(authenticate, f"{scheme} {issuer.token(iss='accounts.google.com')}") is Reason.OK


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic dTpw", "Token abc", "eyJhbGciOiJub25lIn0.e30."]
)
def test_a_push_without_a_bearer_token_is_rejected_with_no_token(
    authenticate: Authenticate, authorization: str
) -> None:
    """A push whose Authorization header is missing, has another scheme or has no token is rejected."""
    assert reason_of(authenticate, authorization) is Reason.NO_TOKEN


Forge = Callable[[Issuer], str]
FORGED: dict[str, Forge] = {
    "algorithm none": unsigned,
    "certificate used as a shared secret": hs256,
    "claims replaced": tampered,
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
    "from the future": lambda issuer: issuer.token(iat=int(time.time()) + 600),
    "another issuer": lambda issuer: issuer.token(iss="https://evil.example"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "one part": lambda _: "x",
    "four parts": lambda issuer: f"{issuer.token()}.x",
    "two tokens": lambda issuer: f"{issuer.token()}{issuer.token()}",
    "two tokens with a space between": lambda issuer: f"{issuer.token()} {issuer.token()}",
    "signature truncated": lambda issuer: issuer.token()[:-5],
    "leading space": lambda issuer: f" {issuer.token()}",
    "only dots": lambda _: "..",
    "not base64": lambda _: "é.ü.ß",
    "not JSON": lambda _: f"{segment(b'x')}.{segment(b'x')}.x",
    "header not an object": lambda issuer: f"{segment([1])}.{segment({})}.{issuer.token().split('.')[2]}",
    "claims not an object": lambda issuer: f"{segment({'alg': 'RS256', 'kid': issuer.kid})}.{segment([1])}.x",
    "deeply nested JSON": lambda _: f"{segment(b'[' * 100_000)}.{segment({})}.x",
    "deeply nested claims": lambda issuer: issuer.sign(head(issuer), b"[" * 5_000),
    "deeply nested claim": lambda issuer: issuer.sign(head(issuer), b'{"x":' * 700 + b"1" + b"}" * 700),
    "issuer in a list": lambda issuer: issuer.token(iss=["https://accounts.google.com"]),
    "expiry in words": lambda issuer: issuer.token(exp="never"),
    "expiry a text": lambda issuer: issuer.token(exp=str(int(time.time()) + 60)),
    "expiry NaN": lambda issuer: issuer.token(exp=float("nan")),
    "expiry infinite": lambda issuer: issuer.token(exp=float("inf")),
    "expiry beyond the calendar": lambda issuer: issuer.token(exp=10**12),
    "expiry of 4,000 digits": lambda issuer: issuer.token(exp=10**3999),
    "expiry of 5,000 digits": lambda issuer: issuer.sign(head(issuer), b'{"exp": ' + b"9" * 5000 + b"}"),
    "expiry true": lambda issuer: issuer.token(exp=True),
    "issued true": lambda issuer: issuer.token(iat=True),
    "issued before 1970": lambda issuer: issuer.token(iat=-1),
    "not yet valid": lambda issuer: issuer.token(nbf=int(time.time()) + 600),
    "not before NaN": lambda issuer: issuer.token(nbf=float("nan")),
    "not before in words": lambda issuer: issuer.token(nbf="now"),
    "audience an object": lambda issuer: issuer.token(aud={AUDIENCE: 1}),
    "duplicate claims": lambda issuer: issuer.sign(
        head(issuer), json.dumps(claims_of()).encode()[:-1] + b', "exp": 99999999999}'
    ),
    "duplicate algorithm": lambda issuer: issuer.sign(
        b'{"alg": "none", ' + head(issuer)[1:], json.dumps(claims_of()).encode()
    ),
    "critical extension": lambda issuer: issuer.token({"crit": ["exp"]}),
    "empty kid": lambda issuer: issuer.token({"kid": ""}),
    "kid a number": lambda issuer: issuer.token({"kid": 1}),
    "megabytes": lambda issuer: issuer.token(x="x" * 2_000_000),
    "megabytes of dots": lambda _: "." * 2_000_000,
    "padding": lambda issuer: f"{issuer.token()}==",
    "line end": lambda issuer: f"{issuer.token()}\n",
    "claims in UTF-16": lambda issuer: issuer.sign(head(issuer), json.dumps(claims_of()).encode("utf-16")),
    "lone surrogate": lambda _: f"{segment({'alg': chr(0xD800)})}.{segment({})}.x",
}  # fmt: skip


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_or_expired_token_is_rejected_with_bad_token(
    authenticate: Authenticate, issuer: Issuer, forge: Forge
) -> None:
    """Every forged, expired or malformed token is rejected, and causes no unexpected exception."""
    assert reason_of(authenticate, f"Bearer {forge(issuer)}") is Reason.BAD_TOKEN


def test_a_token_signed_with_another_key_is_rejected_with_bad_token(
    authenticate: Authenticate, issuer: Issuer, other_issuer: Issuer
) -> None:
    """A token signed with another key is rejected, even if it names the key id of the issuer."""
    assert reason_of(authenticate, f"Bearer {other_issuer.token({'kid': issuer.kid})}") is Reason.BAD_TOKEN
    assert reason_of(authenticate, f"Bearer {other_issuer.token()}") is Reason.BAD_TOKEN


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
def test_a_valid_token_of_another_account_is_rejected_with_wrong_caller(
    authenticate: Authenticate, issuer: Issuer, claims: dict[str, Any]
) -> None:
    """A valid token whose email is not that of the push account, or is not verified, is rejected."""
    assert reason_of(authenticate, f"Bearer {issuer.token(**claims)}") is Reason.WRONG_CALLER


def test_clock_skew_of_seconds_is_accepted(authenticate: Authenticate, issuer: Issuer) -> None:
    """A token that was issued 5 s in the future by our clock is accepted."""
    assert reason_of(authenticate, f"Bearer {issuer.token(iat=int(time.time()) + 5)}") is Reason.OK


@pytest.mark.parametrize(
    "response",
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
        http(200, b"[" * 100_000),
        http(200, b"{}", length=1000),
        b"garbage\r\n\r\n",
    ],
)
def test_without_certificates_a_push_is_retried(site: Site, issuer: Issuer, response: bytes) -> None:
    """If the certificate server fails, a push is rejected with a reason that is retried."""
    # Given a certificate server whose response contains no certificates
    authenticate = make_authenticator(settings(site.add(CERTS, lambda request: request.send(response))))
    # When a valid token is checked
    # Then it is rejected with a reason that is retried
    assert reason_of(authenticate, f"Bearer {issuer.token()}") is Reason.NO_CERTIFICATES
    assert REASON_MEANINGS[Reason.NO_CERTIFICATES].outcome is Outcome.RETRY


def test_a_push_is_rejected_with_no_certificates_if_their_server_is_unreachable(issuer: Issuer) -> None:
    """If the certificate server refuses the connection, a push is rejected with `no_certificates`."""
    port = free_port()
    authenticate = make_authenticator(settings(f"http://127.0.0.1:{port}/certs"))
    assert reason_of(authenticate, f"Bearer {issuer.token()}") is Reason.NO_CERTIFICATES


def test_a_token_is_accepted_once_certificates_are_available(site: Site, issuer: Issuer) -> None:
    """A failure to fetch the certificates is not cached, so the next push can be accepted."""
    authenticate = make_authenticator(settings(site.add(CERTS, http(500))))
    authorization = f"Bearer {issuer.token()}"
    assert reason_of(authenticate, authorization) is Reason.NO_CERTIFICATES
    site.add(CERTS, certificates(issuer))
    assert reason_of(authenticate, authorization) is Reason.OK


def test_certificates_are_fetched_once_for_many_pushes(
    site: Site, authenticate: Authenticate, issuer: Issuer
) -> None:
    """The certificates are cached: many tokens, valid or forged, cause only one request for them."""
    for number in range(10):
        assert reason_of(authenticate, f"Bearer {issuer.token(sub=str(number))}") is Reason.OK
        assert reason_of(authenticate, f"Bearer {unsigned(issuer)}") is Reason.BAD_TOKEN
    assert len(site.requests_for(CERTS)) == 1


def test_a_new_key_of_the_issuer_is_accepted_immediately(
    site: Site, issuer: Issuer, other_issuer: Issuer
) -> None:
    """A token with a new key id is accepted, because the certificates are then fetched again."""
    # Given certificates that are cached
    authenticate = make_authenticator(settings(site.add(CERTS, certificates(issuer))))
    assert reason_of(authenticate, f"Bearer {issuer.token()}") is Reason.OK
    # When the issuer signs with a new key
    site.add(CERTS, certificates(issuer, other_issuer))
    # Then tokens of the new key and of the old key are accepted
    assert reason_of(authenticate, f"Bearer {other_issuer.token()}") is Reason.OK
    assert reason_of(authenticate, f"Bearer {issuer.token(sub='other')}") is Reason.OK
    # And the new certificates are cached
    assert reason_of(authenticate, f"Bearer {other_issuer.token(sub='other')}") is Reason.OK
    assert len(site.requests_for(CERTS)) == 2


def test_forged_key_ids_fetch_certificates_once_a_minute(
    site: Site, authenticate: Authenticate, issuer: Issuer
) -> None:
    """Twenty forged key ids cause only two requests: one for certificates, and one for newer ones."""
    for number in range(20):
        assert reason_of(authenticate, f"Bearer {issuer.token({'kid': str(number)})}") is Reason.BAD_TOKEN
    assert reason_of(authenticate, f"Bearer {issuer.token()}") is Reason.OK
    assert len(site.requests_for(CERTS)) == 2


def test_push_auth_none_accepts_every_push() -> None:
    """With PUSH_AUTH=none a push without a token is accepted."""
    chosen = PushSettings.model_validate({"google_cloud_project": "p", "push_auth": "none"})
    assert make_authenticator(chosen) is accept_any_caller
    assert reason_of(accept_any_caller, "") is Reason.OK
