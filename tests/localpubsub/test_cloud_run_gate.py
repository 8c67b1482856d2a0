"""Tests the Cloud Run gate, as a process between a server and a push endpoint."""

import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError

import pytest
from google.pubsub_v1.types import PushConfig

import localpubsub
from tests.servers.pubsub_client import PubsubClient, connect
from tests.servers.push_endpoint import Push, PushEndpoint, Response, running_endpoint
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

AUDIENCE = "https://worker.example"
PUSHER = "pusher@p.iam.gserviceaccount.com"


@contextmanager
def gate_process(endpoint: PushEndpoint, certs_url: str, *options: str) -> Iterator[str]:
    """Run the gate as a process until the block ends; yield its URL."""
    server = endpoint.url.removesuffix("/push")
    command = [sys.executable, "-m", "localpubsub.cloud_run_gate", "--to", server, "--port", "0"]
    command += ["--audience", AUDIENCE, "--certs-url", certs_url, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found
            yield found.group()
        finally:
            process.kill()


@contextmanager
def gate(*options: str) -> Iterator[tuple[PubsubClient, PushEndpoint, str]]:
    """Run a server, an endpoint, and a gate in front of the endpoint, until the block ends.

    Yields:
        a client of the server, the endpoint, and the URL of the gate.
    """
    with (
        running_endpoint() as endpoint,
        localpubsub.running() as server,
        connect(server.host) as pubsub,
        gate_process(endpoint, server.certs_url, *options) as url,
    ):
        yield pubsub, endpoint, url


def topic_pushed_to(pubsub: PubsubClient, url: str, email: str = PUSHER, audience: str = AUDIENCE) -> str:
    """Create a topic whose messages are pushed to ``url`` with a token; return the name of the topic."""
    topic = pubsub.topic()
    oidc = PushConfig.OidcToken(service_account_email=email, audience=audience)
    pubsub.subscription(topic, push_config=PushConfig(push_endpoint=f"{url}/push?token=1", oidc_token=oidc))
    return topic


def status(url: str, token: str | None) -> int:
    """Send a POST with this token, or without a token; return the status of the response."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{url}/push", b"{}", headers)  # noqa: S310 - the test's own server
    try:
        with urllib.request.urlopen(request, timeout=MAX_WAIT_SECONDS) as response:  # noqa: S310 - the test's own server
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code


def test_gate_forwards_signed_pushes_only() -> None:
    """A signed push is forwarded unchanged; without a token the status is 403, with an invalid one 401."""
    with gate("--service-account", PUSHER) as (pubsub, endpoint, url):
        pubsub.publish(topic_pushed_to(pubsub, url), b"x" * 100_000, key="value")
        (push,) = endpoint.wait_for(1)
        assert push.path == "/push?token=1"
        assert push.envelope["message"]["attributes"] == {"key": "value"}
        assert push.headers["content-type"] == "application/json"
        token = push.headers["authorization"].removeprefix("Bearer ")
        head, claims, signature = token.split(".")
        assert status(url, token) == 204
        assert status(url, None) == 403
        assert status(url, "nonsense") == 401
        assert status(url, f"{head}.{claims}.{signature[::-1]}") == 401
        assert len(endpoint.pushes) == 2


@pytest.mark.parametrize(
    ("email", "audience", "expected"),
    [(PUSHER, "https://other.example", 401), ("other@p.example", AUDIENCE, 403)],
)
def test_gate_rejects_other_audiences_and_accounts(email: str, audience: str, expected: int) -> None:
    """A token for another audience gets 401, and a valid token of another service account gets 403."""
    with gate("--service-account", PUSHER) as (pubsub, endpoint, url):
        direct = endpoint.url.removesuffix("/push")
        pubsub.publish(topic_pushed_to(pubsub, direct, email, audience), b"x")
        token = endpoint.wait_for(1)[0].headers["authorization"].removeprefix("Bearer ")
        assert status(url, token) == expected


def test_gate_responds_429_when_every_instance_is_full() -> None:
    """The gate forwards max_instances × concurrency requests at the same time and rejects all others."""
    forwarded: list[Push] = []
    release = threading.Event()

    def respond(push: Push) -> Response:
        forwarded.append(push)
        release.wait(MAX_WAIT_SECONDS)
        return 204

    with gate("--max-instances", "2", "--concurrency", "3") as (pubsub, endpoint, url):
        pubsub.publish(topic_pushed_to(pubsub, url), b"x")
        token = endpoint.wait_for(1)[0].headers["authorization"].removeprefix("Bearer ")
        # After this response the gate has also finished the push, so that it can forward six requests.
        assert status(url, token) == 204
        endpoint.respond = respond
        statuses: list[int] = []
        callers = [threading.Thread(target=lambda: statuses.append(status(url, token))) for _ in range(20)]
        for caller in callers:
            caller.start()
        wait_until(lambda: len(forwarded) + len(statuses) == 20)
        rejected = list(statuses)
        release.set()
        for caller in callers:
            caller.join()
    assert rejected == [429] * 14
    assert len(forwarded) == 6
    assert sorted(statuses) == [204] * 6 + [429] * 14


def test_gate_responds_503_when_the_server_closes_the_connection() -> None:
    """If the server behind the gate closes the connection, the gate responds with 503, as Cloud Run does."""
    with gate() as (pubsub, endpoint, url):
        pubsub.publish(topic_pushed_to(pubsub, url), b"x")
        token = endpoint.wait_for(1)[0].headers["authorization"].removeprefix("Bearer ")
        endpoint.respond = lambda _: "reset"
        assert status(url, token) == 503
