"""The gate like Cloud Run's, in front of a real endpoint, pushed to by a real server."""

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
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import Push, PushEndpoint, Response, running_endpoint

AUDIENCE = "https://worker.example"
PUSHER = "pusher@p.iam.gserviceaccount.com"


@contextmanager
def front(endpoint: PushEndpoint, certs_url: str, *options: str) -> Iterator[str]:
    """The gate as a process; its URL."""
    behind = endpoint.url.removesuffix("/push")
    command = [sys.executable, "-m", "localpubsub.cloud_run_gate", "--to", behind, "--port", "0"]
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
    """A server, an endpoint, and the gate between them."""
    with (
        running_endpoint() as endpoint,
        localpubsub.running() as server,
        gapic_clients(server.host) as clients,
        front(endpoint, server.certs_url, *options) as url,
    ):
        yield PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients), endpoint, url


def push_through(pubsub: PubsubClient, url: str, email: str = PUSHER, audience: str = AUDIENCE) -> str:
    """A topic whose messages go through the gate."""
    topic = pubsub.topic()
    oidc = PushConfig.OidcToken(service_account_email=email, audience=audience)
    pubsub.subscription(topic, push_config=PushConfig(push_endpoint=f"{url}/push?token=1", oidc_token=oidc))
    return topic


def status(url: str, token: str | None) -> int:
    """What a POST is answered."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{url}/push", b"{}", headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - idem
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


def test_a_signed_push_passes_and_others_do_not() -> None:
    """No token 403, a bad one 401, a valid one 204 with body, path and headers as they were sent."""
    with gate("--service-account", PUSHER) as (pubsub, endpoint, url):
        pubsub.publish(push_through(pubsub, url), b"x" * 100_000, key="value")
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
    [(PUSHER, "https://other.example", 401), ("thief@p.example", AUDIENCE, 403)],
)
def test_a_token_for_or_of_another_does_not_pass(email: str, audience: str, expected: int) -> None:
    """A wrong audience is 401; a valid token of an account without the right to invoke is 403."""
    with gate("--service-account", PUSHER) as (pubsub, endpoint, url):
        own = endpoint.url.removesuffix("/push")
        pubsub.publish(push_through(pubsub, own, email, audience), b"to learn the token")
        token = endpoint.wait_for(1)[0].headers["authorization"].removeprefix("Bearer ")
        assert status(url, token) == expected


def test_when_every_instance_is_full_the_answer_is_429() -> None:
    """max_instances × concurrency requests are inside at once, never more; what was refused comes again."""
    inside, most, lock = 0, 0, threading.Lock()
    full = threading.Barrier(6)

    def slowly(_: Push) -> Response:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        try:
            full.wait(0.5)  # opens at once for six together, and else lets time pass: neither may be needed
        except threading.BrokenBarrierError:
            full.reset()
        with lock:
            inside -= 1
        return 204

    with gate("--max-instances", "2", "--concurrency", "3") as (pubsub, endpoint, url):
        topic = push_through(pubsub, url)
        pubsub.publish(topic, b"to learn the token")
        token = endpoint.wait_for(1)[0].headers["authorization"].removeprefix("Bearer ")
        endpoint.respond = slowly
        seen: list[int] = []
        callers = [threading.Thread(target=lambda: seen.append(status(url, token))) for _ in range(20)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        endpoint.respond = lambda _: 204
    assert most == 6
    assert seen.count(204) >= 6
    assert seen.count(429) >= 1
    assert seen.count(204) + seen.count(429) == 20


def test_a_server_that_is_down_is_503() -> None:
    """A nack, as from Cloud Run."""
    with gate() as (pubsub, endpoint, url):
        pubsub.publish(push_through(pubsub, url), b"to learn the token")
        token = endpoint.wait_for(1)[0].headers["authorization"].removeprefix("Bearer ")
        endpoint.respond = lambda _: "reset"
        assert status(url, token) == 503
