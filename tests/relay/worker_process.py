"""Runs the worker as a process that publishes to a broker and gets its pushes from a relay."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from console.stack.ports import free_port
from tests.repository.tree import ROOT
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until
from tests.servers.worker_process import COMMAND, environment


@dataclass
class WorkerProcess:
    """A worker that takes pushes.

    Attributes:
        process: the gunicorn arbiter, in a process group of its own.
        url: the URL that takes pushes.
    """

    process: subprocess.Popen[bytes]
    url: str

    def kill(self) -> None:
        """End all its processes with SIGKILL."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(MAX_WAIT_SECONDS)

    def is_healthy(self) -> bool:
        """Return whether it answers a health check."""
        try:
            return requests.get(f"{self.url}/healthz", timeout=MAX_WAIT_SECONDS).ok
        except requests.RequestException:
            return False


@contextmanager
def running_worker(broker_url: str, log: Path, **variables: str) -> Iterator[WorkerProcess]:
    """Run a worker until the block ends; it takes pushes when the block begins.

    It listens on a free port, unless the variable PORT names one.
    """
    chosen = {"BROKER_URL": broker_url, "FETCH_ALLOW_NETWORKS": "127.0.0.0/8", "PORT": str(free_port())}
    chosen |= {"HOST": "127.0.0.1", **variables}
    with log.open("ab") as output:
        process = subprocess.Popen(
            COMMAND,
            cwd=ROOT,
            env=environment(**chosen),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    worker = WorkerProcess(process, f"http://127.0.0.1:{chosen['PORT']}")
    try:
        wait_until(worker.is_healthy, "the worker is healthy")
        yield worker
    finally:
        if process.poll() is None:
            worker.kill()
