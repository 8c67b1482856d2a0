"""Runs the worker as a process: gunicorn with gevent, real sockets and a real Pub/Sub server."""

import http.client
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

from console.stack.ports import free_port
from tests.repository.tree import ROOT
from tests.servers.pushes import job, push
from tests.servers.waiting import MAX_WAIT_SECONDS

OUTCOMES_TOPIC = "projects/p/topics/scrape-outcomes"
OUTCOMES_SUBSCRIPTION = "projects/p/subscriptions/recorded-outcomes"
COMMAND = [sys.executable, "-m", "gunicorn", "-c", "python:worker.gunicorn_conf"]


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a worker process: PATH, HOME, LANG, PYTHONPATH and `variables`.

    Those of AWS are kept, too: boto3 finds the credentials for the tests' SQS there.
    """
    names = [name for name in os.environ if name in {"PATH", "HOME", "LANG"} or name.startswith("AWS_")]
    kept = {name: os.environ[name] for name in names}
    return kept | {"PYTHONPATH": str(ROOT)} | variables


@dataclass
class PendingResponse:
    """A request that was sent and whose response has not been read yet.

    Attributes:
        connection: a connection that is used only for this request.
    """

    connection: http.client.HTTPConnection

    def read(self) -> tuple[int, bytes]:
        """Wait for the response; return its status and body."""
        with self.connection.getresponse() as response:
            result = response.status, response.read()
        self.connection.close()
        return result

    def result(self) -> tuple[int, dict[str, str]]:
        """Wait for the response to a push; return its status and JSON document."""
        status, body = self.read()
        return status, json.loads(body or b"{}")


@dataclass
class WorkerProcess:
    """A worker process and its output.

    Attributes:
        process: the gunicorn arbiter.
        port: the TCP port of 127.0.0.1 on which the worker listens.
        output: the lines that the worker has written so far.
    """

    process: subprocess.Popen[str]
    port: int
    output: list[str] = field(default_factory=list)

    def start_request(self, method: str, path: str, body: bytes = b"") -> PendingResponse:
        """Send a request without waiting for the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=MAX_WAIT_SECONDS)
        connection.request(method, path, body)
        return PendingResponse(connection)

    def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request; return the response's status and body."""
        return self.start_request(method, path, body).read()

    def start_push(self, url: str) -> PendingResponse:
        """Push a job for the page at `url` without waiting for the response."""
        return self.start_request("POST", "/", push(job(url=url), message_id=secrets.token_hex(8)))

    def push(self, url: str) -> tuple[int, dict[str, str]]:
        """Push a job for the page at `url`; return the response's status and JSON document."""
        return self.start_push(url).result()


@contextmanager
def running_worker(pubsub: str, **variables: str) -> Iterator[WorkerProcess]:
    """Run a worker that publishes to the Pub/Sub at `pubsub` and accepts pushes without authentication."""
    port = free_port()
    chosen = environment(
        **{
            "GOOGLE_CLOUD_PROJECT": "p",
            "PUBSUB_EMULATOR_HOST": pubsub,
            "PUSH_AUTH": "none",
            "FETCH_ALLOW_NETWORKS": "127.0.0.0/8",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "CONCURRENCY": "1",
            "PYTHONUNBUFFERED": "1",
        }
        | variables
    )
    process = subprocess.Popen(
        COMMAND, cwd=ROOT, env=chosen, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    worker = WorkerProcess(process, port)
    assert process.stdout is not None
    for line in process.stdout:  # until the application is loaded and logs push_authentication_disabled
        worker.output.append(line)
        if "push_authentication_disabled" in line:
            break
    reader = Thread(target=lambda: worker.output.extend(process.stdout or ()))
    reader.start()
    try:
        yield worker
    finally:
        process.kill()
        process.wait(timeout=MAX_WAIT_SECONDS)
        reader.join()
        process.stdout.close()
