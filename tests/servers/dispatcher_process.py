"""Runs the dispatcher as a process, as Cloud Run does, and measures its memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from console.stack.ports import free_port
from tests.repository.tree import ROOT
from tests.servers.processes import is_listening
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until
from tests.servers.worker_process import environment

RECIPE = {"name": "page", "fields": {"title": {"css": "h1"}}}


@dataclass
class DispatcherProcess:
    """A dispatcher process.

    Attributes:
        process: functions-framework, which starts gunicorn's worker process.
        url: the URL that accepts crawls.
    """

    process: subprocess.Popen[bytes]
    url: str

    def dispatch(
        self, sources: dict[str, Any], timeout: float = MAX_WAIT_SECONDS, **fields: object
    ) -> dict[str, Any]:
        """Post a crawl with these sources; return the JSON document of the response."""
        crawl = {"name": "books", "sources": sources, "recipe": RECIPE, **fields}
        response = requests.post(self.url, json=crawl, timeout=timeout)
        document: dict[str, Any] = response.json()
        return document

    def kill(self) -> None:
        """End all processes of the dispatcher with SIGKILL (Linux only)."""
        for pid in [self.process.pid, *_children(self.process.pid)]:
            os.kill(pid, signal.SIGKILL)

    def peak_memory(self) -> int:
        """Return the largest resident memory so far of its largest process, in bytes (Linux only)."""
        pids = [self.process.pid, *_children(self.process.pid)]
        return max(_peak_memory(pid) for pid in pids)


@contextmanager
def running_dispatcher(pubsub: str = "127.0.0.1:1", **variables: str) -> Iterator[DispatcherProcess]:
    """Run a dispatcher that publishes to the Pub/Sub at `pubsub`, where nothing listens by default.

    It listens on a free port, unless the variable PORT names one.
    """
    port = int(variables.get("PORT") or free_port())
    chosen = {
        "GOOGLE_CLOUD_PROJECT": "p",
        "PUBSUB_EMULATOR_HOST": pubsub,
        "FETCH_ALLOW_NETWORKS": "127.0.0.0/8",
    }
    command = [
        "functions_framework",
        "--source",
        str(ROOT / "dispatcher" / "main.py"),
        "--target",
        "dispatch",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=ROOT,
        env=environment(**(chosen | variables)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_listening(port), "the dispatcher listens")
        yield DispatcherProcess(process, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=MAX_WAIT_SECONDS)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(child) for child in listed]


def _peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
