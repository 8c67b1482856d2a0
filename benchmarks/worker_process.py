"""Runs a worker with its production command, and the Pub/Sub and certificate servers that it needs."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import localpubsub
from console.stack.ports import free_port
from console.stack.pubsub_setup import publisher_client, topic_path
from console.stack.services import LOOPBACK_NETWORKS, PROJECT, PUSH_AUDIENCE, PUSH_SERVICE_ACCOUNT
from contract.topology import OUTCOMES_TOPIC
from localpubsub.push.signing import SigningKey

HERE = Path(__file__).parents[1]
TIMEOUT_SECONDS = 60
#: HTTP status of a push whose job succeeded.
SUCCESS = frozenset({204})
COMMAND = ("-m", "gunicorn", "-c", "python:worker.gunicorn_conf")


@dataclass(frozen=True)
class WorkerDependencies:
    """The servers that a worker needs.

    Attributes:
        pubsub: host:port of a Pub/Sub that has the outcomes topic.
        certs_url: URL of the certificate that verifies the tokens.
        token: an OIDC token of the push account, valid for an hour.
    """

    pubsub: str
    certs_url: str
    token: str

    def environment(self, port: int, auth: str) -> dict[str, str]:
        """Return the environment of a worker; `auth` is `oidc` or `none`."""
        return {
            **os.environ,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "PUBSUB_EMULATOR_HOST": self.pubsub,
            "PUSH_AUTH": auth,
            "PUSH_AUDIENCE": PUSH_AUDIENCE,
            "PUSH_SERVICE_ACCOUNT": PUSH_SERVICE_ACCOUNT,
            "PUSH_CERTS_URL": self.certs_url,
            "FETCH_ALLOW_NETWORKS": LOOPBACK_NETWORKS,
            "K_SERVICE": "worker",  # makes the worker log as on Cloud Run
            "USER_AGENT": "scrapeq-benchmark (+https://example.com/)",
            "HOST": "127.0.0.1",
            "PORT": str(port),
        }


@contextmanager
def worker_dependencies() -> Iterator[WorkerDependencies]:
    """Run a Pub/Sub server with the outcomes topic, and a certificate server."""
    key = SigningKey.generate()
    certificates = json.dumps({key.kid: key.certificate.decode()}).encode()
    token = key.token(PUSH_SERVICE_ACCOUNT, PUSH_AUDIENCE, time.time(), 3600)

    class Certificates(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(certificates)))
            self.send_header("Cache-Control", "public, max-age=20000")
            self.end_headers()
            self.wfile.write(certificates)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ExitStack() as stack:
        pubsub = stack.enter_context(localpubsub.running(log_level="error"))
        with publisher_client(pubsub.host) as publisher:
            publisher.create_topic(name=topic_path(OUTCOMES_TOPIC), timeout=10)
        server = stack.enter_context(HTTPServer(("127.0.0.1", 0), Certificates))
        Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        yield WorkerDependencies(pubsub.host, f"http://127.0.0.1:{server.server_port}/certs", token)


@dataclass(frozen=True)
class Sender:
    """Sends pushes to a worker.

    Attributes:
        port: port of the worker, on 127.0.0.1.
        token: the OIDC token for the header `Authorization`.
    """

    port: int
    token: str

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection to the worker."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)

    def push(
        self, connection: http.client.HTTPConnection, body: bytes, *, accepted: frozenset[int] = SUCCESS
    ) -> None:
        """Send a push and wait for the response; the program exits if its status is not in `accepted`."""
        connection.request("POST", "/", body, {"Authorization": f"Bearer {self.token}"})
        with connection.getresponse() as response:
            content = response.read()
            if response.status not in accepted:
                sys.exit(f"the worker answered {response.status}: {content.decode()}")


@contextmanager
def worker_process(
    dependencies: WorkerDependencies,
    *,
    auth: str,
    tree: Path = HERE,
    variables: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
) -> Iterator[tuple[subprocess.Popen[bytes], Sender]]:
    """Start a worker of the checkout in `tree`; yield immediately, possibly before the worker listens."""
    port = free_port()
    environment = dependencies.environment(port, auth) | {"PYTHONPATH": str(tree)} | dict(variables or {})
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=tree,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process, Sender(port, dependencies.token)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def await_port(port: int) -> None:
    """Wait until a process listens on the port."""
    for _ in range(TIMEOUT_SECONDS * 200):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        try:
            connection.connect()
        except ConnectionRefusedError:
            time.sleep(0.005)
        else:
            return
        finally:
            connection.close()
    sys.exit("the worker did not start")
