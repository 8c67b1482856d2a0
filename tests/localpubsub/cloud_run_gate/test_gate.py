"""Tests the Cloud Run gate, as a process between a server and a push endpoint."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, IncompleteRead
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from google.pubsub_v1.types import PushConfig

import localpubsub
from tests.servers.pubsub_client import PubsubClient, connect
from tests.servers.push_endpoint import Push, PushEndpoint, Response, running_endpoint
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

AUDIENCE = "https://worker.example"
PUSHER = "pusher@p.iam.gserviceaccount.com"


@dataclass
class Gate:
    """A running gate.

    Attributes:
        url: the URL to push to, without a path.
        process: its process; the standard output is a pipe.
    """

    url: str
    process: subprocess.Popen[str]

    def deploy(self) -> None:
        """Replace the revision, and wait until the gate has done it."""
        self.process.send_signal(signal.SIGHUP)
        assert self.process.stdout is not None
        assert "deploy" in self.process.stdout.readline()


@contextmanager
def gate_process(server: str, certs_url: str, *options: str) -> Iterator[Gate]:
    """Run the gate in front of a server as a process until the block ends."""
    command = [sys.executable, "-m", "localpubsub.cloud_run_gate", "--to", server, "--port", "0"]
    command += ["--audience", AUDIENCE, "--certs-url", certs_url, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found
            yield Gate(found.group(), process)
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
        gate_process(endpoint.url.removesuffix("/push"), server.certs_url, *options) as running,
    ):
        yield pubsub, endpoint, running.url


@pytest.fixture
def signer() -> Iterator[tuple[str, str]]:
    """A valid token, and the URL of the certificates that verify it."""
    with running_endpoint() as endpoint, localpubsub.running() as server, connect(server.host) as pubsub:
        pubsub.publish(topic_pushed_to(pubsub, endpoint.url.removesuffix("/push")), b"x")
        (push,) = endpoint.wait_for(1)
        yield push.headers["authorization"].removeprefix("Bearer "), server.certs_url


class Callers:
    """Sends requests at the same time, each in a thread.

    Attributes:
        statuses: the statuses of the responses so far.
    """

    def __init__(self, gate: Gate, token: str) -> None:
        self.statuses: list[int] = []
        self._gate = gate
        self._token = token
        self._threads: list[threading.Thread] = []

    def send(self, count: int) -> None:
        """Send this number of requests."""
        started = [threading.Thread(target=self._send_one) for _ in range(count)]
        for thread in started:
            thread.start()
        self._threads += started

    def join(self) -> list[int]:
        """Wait for all responses; return their statuses, sorted."""
        for thread in self._threads:
            thread.join()
        return sorted(self.statuses)

    def _send_one(self) -> None:
        self.statuses.append(status(self._gate.url, self._token))


def topic_pushed_to(pubsub: PubsubClient, url: str, email: str = PUSHER, audience: str = AUDIENCE) -> str:
    """Create a topic whose messages are pushed to ``url`` with a token; return the name of the topic."""
    topic = pubsub.topic()
    oidc = PushConfig.OidcToken(service_account_email=email, audience=audience)
    pubsub.subscription(topic, push_config=PushConfig(push_endpoint=f"{url}/push?token=1", oidc_token=oidc))
    return topic


def status(url: str, token: str | None, **headers: str) -> int:
    """Send a POST with this token, or without a token; return the status of the response."""
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{url}/push", b"{}", headers)  # noqa: S310 - the test's own server
    try:
        with urllib.request.urlopen(request, timeout=MAX_WAIT_SECONDS) as response:  # noqa: S310 - the test's own server
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "evil.example:8080"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "worker:8080"}, 204),
    ],
)
def test_request_of_a_web_page_is_refused(
    signer: tuple[str, str], headers: dict[str, str], expected: int
) -> None:
    """A request of a web page is not forwarded, even with a valid token; an allowed host is served."""
    token, certs_url = signer
    with (
        running_endpoint() as endpoint,
        gate_process(
            endpoint.url.removesuffix("/push"),
            certs_url,
            "--allowed-host",
            "evil",
            "--allowed-host",
            "worker",
        ) as running,
    ):
        assert status(running.url, token, **headers) == expected
        assert len(endpoint.pushes) == (expected == 204)


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


def test_gate_responds_429_when_no_slot_becomes_free(signer: tuple[str, str]) -> None:
    """The gate forwards max_instances × concurrency requests, and rejects the others after queue_seconds."""
    token, certs_url = signer
    release = threading.Event()

    def respond(_: Push) -> Response:
        release.wait(MAX_WAIT_SECONDS)
        return 204

    options = ("--max-instances", "2", "--concurrency", "3", "--queue-seconds", "0.5")
    with (
        running_endpoint() as endpoint,
        gate_process(endpoint.url.removesuffix("/push"), certs_url, *options) as running,
    ):
        endpoint.respond = respond
        callers = Callers(running, token)
        callers.send(20)
        wait_until(lambda: len(endpoint.pushes) + len(callers.statuses) == 20)
        rejected = list(callers.statuses)
        release.set()
        assert callers.join() == [204] * 6 + [429] * 14
    assert rejected == [429] * 14
    assert len(endpoint.pushes) == 6


def test_gate_queues_requests_until_a_slot_is_free(signer: tuple[str, str]) -> None:
    """With one slot, five requests at the same time all succeed, and the server never has two of them."""
    token, certs_url = signer
    open_requests = most = 0

    def respond(_: Push) -> Response:
        nonlocal open_requests, most
        open_requests += 1
        most = max(most, open_requests)
        time.sleep(0.05)
        open_requests -= 1
        return 204

    options = ("--concurrency", "1", "--queue-seconds", str(MAX_WAIT_SECONDS))
    with (
        running_endpoint() as endpoint,
        gate_process(endpoint.url.removesuffix("/push"), certs_url, *options) as running,
    ):
        endpoint.respond = respond
        callers = Callers(running, token)
        callers.send(5)
        assert callers.join() == [204] * 5
    assert most == 1


def test_gate_starts_instances_while_requests_wait(signer: tuple[str, str]) -> None:
    """Two instances, which do not exist yet, serve four requests; a fifth is rejected after 3.5 start-ups."""
    token, certs_url = signer
    release = threading.Event()

    def respond(_: Push) -> Response:
        release.wait(MAX_WAIT_SECONDS)
        return 204

    options = (
        "--max-instances",
        "2",
        "--concurrency",
        "2",
        "--start-up-seconds",
        "1",
        "--queue-seconds",
        "0",
    )
    with (
        running_endpoint() as endpoint,
        gate_process(endpoint.url.removesuffix("/push"), certs_url, *options) as running,
    ):
        endpoint.respond = respond
        callers = Callers(running, token)
        callers.send(5)
        wait_until(lambda: callers.statuses == [429])
        endpoint.wait_for(4)
        release.set()
        assert callers.join() == [204] * 4 + [429]


def test_deploy_cuts_running_requests_and_serves_waiting_ones(signer: tuple[str, str]) -> None:
    """After SIGHUP, a waiting request gets a slot of the new revision, and the running one ends with 503."""
    token, certs_url = signer

    def respond(_: Push) -> Response:
        return "silence" if len(endpoint.pushes) == 1 else 204

    options = ("--concurrency", "1", "--queue-seconds", str(MAX_WAIT_SECONDS), "--grace-seconds", "0.2")
    with (
        running_endpoint() as endpoint,
        gate_process(endpoint.url.removesuffix("/push"), certs_url, *options) as running,
    ):
        endpoint.respond = respond
        callers = Callers(running, token)
        callers.send(1)
        endpoint.wait_for(1)
        callers.send(1)
        running.deploy()
        assert callers.join() == [204, 503]
        endpoint.wait_until(lambda: endpoint.closed_early == 1)


def test_deploy_closes_the_connection_of_an_incomplete_response(signer: tuple[str, str]) -> None:
    """A request that is cut after its status was sent has an incomplete body, and not a second status."""
    token, certs_url = signer
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with gate_process(server, certs_url, "--grace-seconds", "0") as running:
            address = urlsplit(running.url)
            with closing(
                HTTPConnection(str(address.hostname), address.port, timeout=MAX_WAIT_SECONDS)
            ) as connection:
                connection.request("POST", "/push", b"{}", {"Authorization": f"Bearer {token}"})
                accepted, _ = listening.accept()
                with accepted:
                    accepted.recv(65536)
                    accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
                    with connection.getresponse() as response:
                        assert response.read(5) == b"begun"
                        running.deploy()
                        with pytest.raises((IncompleteRead, ConnectionError)):
                            response.read()


@pytest.mark.parametrize(
    "options",
    [
        ("--min-instances", "2", "--max-instances", "1"),
        ("--queue-seconds", "-1"),
        ("--start-up-seconds", "inf"),
        ("--concurrency", "0"),
    ],
)
def test_invalid_option_of_the_gate_is_reported(options: tuple[str, ...]) -> None:
    """The error for an invalid value names the option."""
    command = [sys.executable, "-m", "localpubsub.cloud_run_gate", "--to", "http://x", "--audience", "a"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert options[0] in done.stderr


def test_gate_responds_503_when_the_server_closes_the_connection() -> None:
    """If the server behind the gate closes the connection, the gate responds with 503, as Cloud Run does."""
    with gate() as (pubsub, endpoint, url):
        pubsub.publish(topic_pushed_to(pubsub, url), b"x")
        token = endpoint.wait_for(1)[0].headers["authorization"].removeprefix("Bearer ")
        endpoint.respond = lambda _: "reset"
        assert status(url, token) == 503


def test_request_waits_while_the_gate_cannot_open_a_connection(signer: tuple[str, str]) -> None:
    """If other connections have taken all of the gate's files, a request waits and is then forwarded."""
    token, certs_url = signer
    with running_endpoint() as endpoint:
        command = ["sh", "-c", 'ulimit -n 40 && exec "$@"', "sh", sys.executable]
        command += ["-m", "localpubsub.cloud_run_gate", "--to", endpoint.url.removesuffix("/push")]
        command += ["--port", "0", "--audience", AUDIENCE, "--certs-url", certs_url, "--queue-seconds", "240"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                found = re.search(r"http://(\S+):(\d+)", process.stdout.readline())
                assert found
                address = found.group(1), int(found.group(2))
                caller = HTTPConnection(*address, timeout=MAX_WAIT_SECONDS)
                caller.connect()
                others = [socket.create_connection(address) for _ in range(60)]
                for line in process.stderr:
                    if "out of system resource" in line:
                        break
                caller.request("POST", "/push", b"{}", {"Authorization": f"Bearer {token}"})
                for line in process.stderr:
                    if "a connection waits" in line:
                        break
                for other in others:
                    other.close()
                # Read the log until the process ends, so that it never waits for the pipe.
                reader = threading.Thread(target=process.stderr.read)
                reader.start()
                assert caller.getresponse().status == 204
                caller.close()
            finally:
                process.kill()
            reader.join()
    assert len(endpoint.pushes) == 1
