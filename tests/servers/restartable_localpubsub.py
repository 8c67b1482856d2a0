"""Runs localpubsub on fixed ports and a data directory; tests can kill it and start it again."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from console.stack.ports import free_port
from console.stack.services import PROJECT
from localpubsub.testing import PubsubServer
from tests.repository.tree import ROOT
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until


class RestartableLocalpubsub:
    """A localpubsub whose addresses and data stay the same when it is started again.

    Args:
        directory: has its data, and at first its log.

    Attributes:
        host: the gRPC address `host:port`, for PUBSUB_EMULATOR_HOST.
        control: its requests for tests; short names belong to the project of a local stack.
    """

    def __init__(self, directory: Path) -> None:
        port, http_port = free_port(), free_port()
        self.host = f"127.0.0.1:{port}"
        self.control = PubsubServer(self.host, f"http://127.0.0.1:{http_port}", project=PROJECT)
        ports = ("--port", str(port), "--http-port", str(http_port))
        self._command = (sys.executable, "-m", "localpubsub", "--data", str(directory / "data"), *ports)
        self._options: tuple[str, ...] = ()
        self._log = directory / "localpubsub.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with the options and the log of its last start."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                (*self._command, *self._options), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
            )
        wait_until(self._answers, "localpubsub answers")

    def restart(self, log: Path, *options: str) -> None:
        """End it, if it runs, and start it with other options and another log. Its counters begin at 0."""
        self.stop()
        self._log, self._options = log, options
        self.start()

    def stop(self) -> None:
        """End it with SIGTERM, if it runs."""
        if self.is_running:
            assert self._process is not None
            self._process.terminate()
            assert self._process.wait(MAX_WAIT_SECONDS) == 0

    def kill(self) -> None:
        """Kill it with SIGKILL.

        It writes up to 10 ms later that a delivery has begun (`COMMIT_DELAY` in
        localpubsub/storage/journal.py). A confirmed change is written together with everything before it, so
        that none of the deliveries that a test has seen is forgotten.
        """
        assert self._process is not None
        self.control.create(topics=[f"written-{secrets.token_hex(4)}"])
        self._process.kill()
        self._process.wait(MAX_WAIT_SECONDS)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    def output(self) -> str:
        """Return what it has written to its log so far."""
        return self._log.read_text(errors="replace")

    def metric(self, name: str, subscription: str) -> int:
        """Return a metric of a subscription; `localpubsub_subscription_` and `_total` belong to its name."""
        text = requests.get(f"{self.control.http_url}/metrics", timeout=MAX_WAIT_SECONDS).text
        label = f'{name}{{subscription="{self.control.subscription(subscription)}",'
        return next(int(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(label))

    def _answers(self) -> bool:
        assert self.is_running, self.output()
        with suppress(requests.ConnectionError):
            return requests.get(f"{self.control.http_url}/healthz", timeout=MAX_WAIT_SECONDS).ok
        return False


@contextmanager
def running_restartable_localpubsub(directory: Path) -> Iterator[RestartableLocalpubsub]:
    """Run localpubsub with its data below `directory` until the block ends."""
    server = RestartableLocalpubsub(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()
