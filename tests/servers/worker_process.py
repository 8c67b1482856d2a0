"""The worker as a process: gunicorn, gevent, real sockets, a real Pub/Sub."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from console.stack.ports import free_port
from tests.servers.pushes import job, push

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "gunicorn", "-c", "python:worker.gunicorn_conf"]


def environment(**variables: str) -> dict[str, str]:
    """Return an environment for a worker: what a process needs, and these."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT)} | variables


@dataclass
class Asking:
    """A request on a connection of its own."""

    connection: http.client.HTTPConnection

    def answer(self) -> tuple[int, bytes]:
        """Wait for the answer; return status and body."""
        with self.connection.getresponse() as answer:
            told = answer.status, answer.read()
        self.connection.close()
        return told

    def told(self) -> tuple[int, dict[str, str]]:
        """Wait for the answer to a push; return status and what it says."""
        status, body = self.answer()
        return status, json.loads(body or b"{}")


@dataclass
class RunningWorker:
    """A worker process, and what it says."""

    process: subprocess.Popen[str]
    port: int
    said: list[str] = field(default_factory=list)

    def begin(self, method: str, path: str, body: bytes = b"") -> Asking:
        """Send a request, and wait for nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body)
        return Asking(connection)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Ask; return status and body."""
        return self.begin(method, path, body).answer()

    def begin_push(self, url: str) -> Asking:
        """Push a job for the page at `url`, and wait for nothing."""
        return self.begin("POST", "/", push(job(url=url)))

    def push(self, url: str) -> tuple[int, dict[str, str]]:
        """Push a job for the page at `url`; return status and reason."""
        return self.begin_push(url).told()


@contextmanager
def running_worker(pubsub: str, **variables: str) -> Iterator[RunningWorker]:
    """Run a worker that anybody may push to, which publishes to the Pub/Sub at `pubsub`."""
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
    worker = RunningWorker(process, port)
    assert process.stdout is not None
    for line in process.stdout:  # until it says that its application is there
        worker.said.append(line)
        if "push_authentication_disabled" in line:
            break
    listening = Thread(target=lambda: worker.said.extend(process.stdout or ()))
    listening.start()
    try:
        yield worker
    finally:
        process.kill()
        process.wait(timeout=20)
        listening.join()
        process.stdout.close()


TOPIC = "projects/p/topics/scrape-outcomes"


KEPT = "projects/p/subscriptions/kept"
