"""Tests of the operator's page behind Google's Identity-Aware Proxy, and behind Cloud Run's own check."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask.testing import FlaskClient
from google.auth import jwt
from google.auth.crypt.es256 import ES256Signer
from werkzeug import Request, Response
from werkzeug.test import TestResponse

from console.ledger.act_rows import act_rows
from console.ledger.ledger import Ledger
from console.web.app import create_app
from console.web.iap import IAP_HEADER
from console.web.options import Behind, ConsoleOptions
from contract.outcome import Reason
from tests.console.command import Scrapeq
from tests.console.dead_letters.line import RUN, Line, running_line
from tests.console.web.console_process import running_console
from tests.servers.certificates import key_pem
from tests.servers.http_server import serving
from tests.servers.push_tokens import Issuer, segment
from tests.servers.waiting import wait_for

AUDIENCE = "/projects/123456/locations/europe-west1/services/scrapeq-console"
USER = "ada@example.com"


class Proxy:
    """The Identity-Aware Proxy: signs assertions, and serves the key that verifies them.

    Attributes:
        kid: id of the key.
        keys: the document of its key server.
    """

    def __init__(self) -> None:
        self.kid = "key-1"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.keys = {
            self.kid: self._key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        }

    def respond(self, _: Request) -> Response:
        """Return the keys."""
        return Response(json.dumps(self.keys), headers={"Cache-Control": "max-age=3600"})

    def assertion(self, kid: str = "", **changed: object) -> str:
        """Return an assertion about a user, with changed claims; None removes a claim."""
        now = int(time.time())
        claims = {
            "iss": "https://cloud.google.com/iap",
            "aud": AUDIENCE,
            "iat": now - 5,
            "exp": now + 600,
            "sub": "accounts.google.com:1",
            "email": USER,
        } | changed
        signer = ES256Signer.from_string(key_pem(self._key))
        payload = {name: value for name, value in claims.items() if value is not None}
        token: bytes = jwt.encode(signer, payload, key_id=kid or self.kid)  # type: ignore[no-untyped-call]  # no types
        return token.decode()


@pytest.fixture
def proxy() -> Proxy:
    """Return a proxy."""
    return Proxy()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """Yield a running queue and its ledger."""
    with running_line(tmp_path) as running:
        yield running


@pytest.fixture
def page(proxy: Proxy, tmp_path: Path) -> Iterator[flask.Flask]:
    """Yield the page of a data directory behind the proxy."""
    Ledger(tmp_path).create()
    with serving(proxy.respond) as url:
        yield create_app(behind_iap(tmp_path, url))


def behind_iap(data: Path, keys_url: str, **options: Any) -> ConsoleOptions:  # noqa: ANN401 - of many types
    """Return the options of a page behind the proxy."""
    return ConsoleOptions(data, behind=Behind.IAP, iap_audience=AUDIENCE, iap_keys_url=keys_url, **options)


def get(page: flask.Flask, assertion: str, path: str = "/runs") -> TestResponse:
    """Request a screen with an assertion."""
    return page.test_client().get(path, headers={IAP_HEADER: assertion})


def test_a_request_with_a_valid_assertion_is_served(page: flask.Flask, proxy: Proxy) -> None:
    """A user whom the proxy names sees the page without a token; the health check needs no assertion."""
    assert get(page, proxy.assertion()).status_code == 200
    assert page.test_client().get("/healthz").status_code == 200


def forged(proxy: Proxy) -> dict[str, str]:
    """Return assertions that an attacker can make, by what is wrong."""
    now = int(time.time())
    header, claims, signature = proxy.assertion().split(".")
    none = segment({"alg": "none", "kid": proxy.kid})
    shared = segment({"alg": "HS256", "kid": proxy.kid})
    return {
        "missing": "",
        "no token": "x",
        "of another proxy": Proxy().assertion(),
        "of an unknown key": Proxy().assertion(kid="key-2"),
        "for another service": proxy.assertion(aud=AUDIENCE.replace("console", "other")),
        "for several services": proxy.assertion(aud=[AUDIENCE]),
        "expired": proxy.assertion(iat=now - 1200, exp=now - 600),
        "of the future": proxy.assertion(iat=now + 600, exp=now + 1200),
        "of an account": Issuer().token(aud=AUDIENCE, email=USER),
        "of another issuer": proxy.assertion(iss="https://accounts.google.com"),
        "without a user": proxy.assertion(email=None),
        "of a user with a line feed": proxy.assertion(email="ada@example.com\nroot"),
        "unsigned": f"{none}.{claims}.{signature}",
        "of a shared secret": f"{shared}.{claims}.{signature}",
        "with other claims": f"{header}.{segment({'email': 'eve@example.com'})}.{signature}",
    }


@pytest.mark.parametrize("what", forged(Proxy()))
def test_a_request_without_a_valid_assertion_is_rejected_with_401(
    page: flask.Flask, proxy: Proxy, what: str
) -> None:
    """Whoever bypasses the proxy sees nothing, whatever headers they send."""
    headers = {
        IAP_HEADER: forged(proxy)[what],
        "X-Goog-Authenticated-User-Email": f"accounts.google.com:{USER}",
        "X-Goog-Authenticated-User-Id": "accounts.google.com:1",
    }
    client = page.test_client()
    for path in ("/", "/runs", "/sign-in", "/static/console.css"):
        response = client.get(path, headers=headers)
        assert response.status_code == 401, path
    assert client.post("/controls/cancel", headers=headers).status_code == 401


def test_nothing_is_served_while_the_keys_are_unknown(proxy: Proxy, tmp_path: Path) -> None:
    """If the server of the keys does not answer, the page refuses all."""
    page = create_app(behind_iap(tmp_path, "http://127.0.0.1:9/"))
    assert get(page, proxy.assertion()).status_code == 401


def test_the_cookie_of_a_page_behind_the_proxy_is_secure(page: flask.Flask, proxy: Proxy) -> None:
    """The session's cookie is sent over TLS only."""
    cookie = get(page, proxy.assertion(), "/runs").headers.get("Set-Cookie", "")
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def act_as(client: FlaskClient, proxy: Proxy, path: str, **form: str) -> int:
    """Send a form as a user whom the proxy names."""
    headers = {IAP_HEADER: proxy.assertion(), "Origin": "https://localhost"}
    options = {"base_url": "https://localhost", "headers": headers}
    client.get("/runs", **options)
    with client.session_transaction(base_url="https://localhost") as session:
        token = session["csrf"]
    return client.post(path, data={"csrf_token": token, **form}, **options).status_code


def test_an_act_is_recorded_with_the_user_whom_the_proxy_names(line: Line, proxy: Proxy) -> None:
    """The operator log has the user of the assertion, and not the account or machine of the page."""
    line.die(line.dispatch("a"), Reason.TIMEOUT)
    with serving(proxy.respond) as url:
        page = create_app(behind_iap(line.ledger.data, url, pubsub=line.host))
        form = {"run": RUN, "where": "", "scope": "all", "count": "1"}
        assert act_as(page.test_client(), proxy, "/dead-letters/replay", **form) == 303
        assert act_as(page.test_client(), proxy, "/controls/cancel", run=RUN) == 303
    wait_for(
        lambda: {(act.act, act.operator) for act in act_rows(line.ledger, None, 10)},
        lambda found: {("replay", USER), ("cancel", USER)} <= found,
        "both acts are recorded",
    )


def test_behind_cloud_run_the_page_needs_no_token_and_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cloud Run has checked the caller, but proves nothing about who it is, so no act is possible."""
    Ledger(tmp_path).create()
    monkeypatch.setenv("K_SERVICE", "scrapeq-console")
    with running_console(tmp_path, "--host", "0.0.0.0", "--behind", "iam") as process:
        assert process.get("/runs").status_code == 200
        session = process.session("/lab")
        response = session.post("/controls/pause", {"everything": "1"})
        assert response.status_code == 403
        assert "read-only" in response.text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--behind", "iam"), "--behind iam is for Cloud Run"),
        (("--behind", "iap"), "belong together"),
        (("--iap-audience", AUDIENCE), "belong together"),
    ],
)
def test_a_proxy_that_cannot_be_there_is_refused(
    scrapeq: Scrapeq, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], sentence: str
) -> None:
    """A page that would trust a proxy which does not exist does not start."""
    monkeypatch.delenv("K_SERVICE", raising=False)
    done = scrapeq("console", "--port", "0", *options)
    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.split())
