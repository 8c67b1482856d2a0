"""Runs the relay as a process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from console.stack.ports import free_port
from tests.repository.tree import ROOT
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until


@dataclass
class RelayProcess:
    """A relay that receives messages.

    Attributes:
        process: the process.
        url: where it serves `/metrics`.
        log: the file with its output.
    """

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def output(self) -> str:
        """Return what it has written so far."""
        return self.log.read_text(errors="replace")

    def counter(self, name: str) -> int:
        """Return a counter of `/metrics`."""
        text = requests.get(f"{self.url}/metrics", timeout=MAX_WAIT_SECONDS).text
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"relay_{name}_"))

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Let it begin no further push, by SIGTERM; those that are open go on."""
        self.process.terminate()
        wait_until(lambda: "relay_stops" in self.output(), "the relay stops")

    def finish(self) -> None:
        """Wait until it has ended after `pause`."""
        assert self.process.wait(MAX_WAIT_SECONDS) == 0

    def terminate(self) -> int:
        """End it with SIGTERM; return its exit status."""
        self.process.terminate()
        return self.process.wait(MAX_WAIT_SECONDS)


def run(broker_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, and return its output."""
    command = [sys.executable, "-m", "relay", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=_environment(broker_url), capture_output=True, text=True, check=False
    )


@contextmanager
def running_relay(
    broker_url: str, endpoint: str, log: Path, *arguments: str, port: int = 0
) -> Iterator[RelayProcess]:
    """Run a relay until the block ends; it receives messages when the block begins."""
    port = port or free_port()
    command = [sys.executable, "-m", "relay", "--endpoint", endpoint, "--port", str(port), *arguments]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=_environment(broker_url), stdout=output, stderr=subprocess.STDOUT
        )
    relay = RelayProcess(process, f"http://127.0.0.1:{port}", log)
    before = relay.output().count("relay_receives")
    try:
        wait_until(
            lambda: relay.output().count("relay_receives") > before or process.poll() is not None,
            "the relay receives messages",
        )
        assert process.poll() is None, relay.output()
        yield relay
    finally:
        if process.poll() is None:
            relay.kill()


def _environment(broker_url: str) -> dict[str, str]:
    return {**os.environ, "BROKER_URL": broker_url}
