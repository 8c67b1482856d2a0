"""The tokens of push requests, verified as a careful receiver would: with google-auth."""

import time
from collections.abc import Mapping
from typing import Any

import google.auth.transport.requests
import jwt
import pytest
import requests
from google.auth import exceptions
from google.oauth2 import id_token
from google.pubsub_v1.types import PushConfig

from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import PushEndpoint

EMAIL = "pusher@conformance.iam.gserviceaccount.com"

pytestmark = pytest.mark.differs("sends no Authorization header")


def verified(token: str, pubsub: PubsubClient, audience: str) -> Mapping[str, Any]:
    """The claims, or google-auth's exception."""
    with requests.Session() as session:
        request = google.auth.transport.requests.Request(session=session)
        certs_url = str(pubsub.server.certs_url)
        return id_token.verify_token(token, request, audience=audience, certs_url=certs_url)


def pushed_token(pubsub: PubsubClient, endpoint: PushEndpoint, audience: str = "") -> str:
    """The token of one push."""
    topic = pubsub.topic()
    oidc = PushConfig.OidcToken(service_account_email=EMAIL, audience=audience)
    pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url, oidc_token=oidc))
    pubsub.publish(topic, b"x")
    scheme, _, token = endpoint.wait_for(1)[0].headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    return token


def test_google_auth_verifies_the_token(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 17: signed by a key whose certificate the server publishes, with the claims of Google's."""
    token = pushed_token(pubsub, endpoint, "https://worker.example")
    claims = verified(token, pubsub, "https://worker.example")
    assert (claims["iss"], claims["aud"]) == ("https://accounts.google.com", "https://worker.example")
    assert (claims["email"], claims["email_verified"]) == (EMAIL, True)
    assert claims["sub"].isdigit()
    assert claims["azp"] == claims["sub"]
    assert claims["exp"] - claims["iat"] == 3600
    assert abs(claims["iat"] - time.time()) < 60
    assert jwt.get_unverified_header(token)["alg"] == "RS256"


def test_the_audience_defaults_to_the_endpoint(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 17: without an audience it is the URL of the push endpoint."""
    token = pushed_token(pubsub, endpoint)
    assert verified(token, pubsub, endpoint.url)["aud"] == endpoint.url


def test_another_audience_is_refused(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 17: a token for one service does not open another."""
    token = pushed_token(pubsub, endpoint, "https://worker.example")
    with pytest.raises(exceptions.InvalidValue):
        verified(token, pubsub, "https://other.example")


def test_a_tampered_token_is_refused(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 17: the signature holds for the claims that were signed, only."""
    head, claims, signature = pushed_token(pubsub, endpoint, "https://worker.example").split(".")
    forged = jwt.encode({"aud": "https://worker.example", "email": EMAIL}, "k" * 32).split(".")[1]
    with pytest.raises(exceptions.GoogleAuthError):
        verified(f"{head}.{forged}.{signature}", pubsub, "https://worker.example")
    assert verified(f"{head}.{claims}.{signature}", pubsub, "https://worker.example")
