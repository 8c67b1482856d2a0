"""Tests of the OIDC tokens of push requests, which google-auth verifies.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

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

pytestmark = pytest.mark.emulator_differs("sends no Authorization header")


def verify(token: str, pubsub: PubsubClient, audience: str) -> Mapping[str, Any]:
    """Return the claims of a valid token; raise google-auth's exception for an invalid one."""
    with requests.Session() as session:
        request = google.auth.transport.requests.Request(session=session)
        certs_url = str(pubsub.server.certs_url)
        return id_token.verify_token(token, request, audience=audience, certs_url=certs_url)


def pushed_token(pubsub: PubsubClient, endpoint: PushEndpoint, audience: str = "") -> str:
    """Publish a message and return the token of its push."""
    topic = pubsub.topic()
    oidc = PushConfig.OidcToken(service_account_email=EMAIL, audience=audience)
    pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url, oidc_token=oidc))
    pubsub.publish(topic, b"x")
    scheme, _, token = endpoint.wait_for(1)[0].headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    return token


def test_push_token_is_verified_by_google_auth(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 17: the published certificate verifies the token, and its claims are those of Google's."""
    token = pushed_token(pubsub, endpoint, "https://worker.example")
    claims = verify(token, pubsub, "https://worker.example")
    assert (claims["iss"], claims["aud"]) == ("https://accounts.google.com", "https://worker.example")
    assert (claims["email"], claims["email_verified"]) == (EMAIL, True)
    assert claims["sub"].isdigit()
    assert claims["azp"] == claims["sub"]
    assert claims["exp"] - claims["iat"] == 3600
    assert abs(claims["iat"] - time.time()) < 60
    assert jwt.get_unverified_header(token)["alg"] == "RS256"


def test_push_token_audience_defaults_to_the_endpoint(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 17: without a configured audience, the audience is the URL of the push endpoint."""
    token = pushed_token(pubsub, endpoint)
    assert verify(token, pubsub, endpoint.url)["aud"] == endpoint.url


def test_push_token_for_another_audience_is_rejected(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 17: google-auth rejects a token whose audience is another service."""
    token = pushed_token(pubsub, endpoint, "https://worker.example")
    with pytest.raises(exceptions.InvalidValue):
        verify(token, pubsub, "https://other.example")


def test_push_token_with_forged_claims_is_rejected(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 17: google-auth rejects a token whose claims were changed after it was signed."""
    head, claims, signature = pushed_token(pubsub, endpoint, "https://worker.example").split(".")
    forged = jwt.encode({"aud": "https://worker.example", "email": EMAIL}, "k" * 32).split(".")[1]
    with pytest.raises(exceptions.GoogleAuthError):
        verify(f"{head}.{forged}.{signature}", pubsub, "https://worker.example")
    assert verify(f"{head}.{claims}.{signature}", pubsub, "https://worker.example")
