"""Runs moto's server of SQS (console/stack/brokers/moto_server.py), and a gate before it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from console.stack.ports import free_port
from tests.repository.tree import ROOT
from tests.servers.gate import Gate
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

#: boto3 finds these credentials in the environment, and asks no server for others.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class MotoSqs:
    """A running server.

    Attributes:
        port: its TCP port on 127.0.0.1.
        process: its process.
        gate: a second way to it, which can be closed.
    """

    port: int
    process: subprocess.Popen[bytes]
    gate: Gate

    @property
    def url(self) -> str:
        """BROKER_URL of the server."""
        return f"sqs+http://127.0.0.1:{self.port}/"

    @property
    def gate_url(self) -> str:
        """BROKER_URL of the server behind its gate."""
        return f"sqs+http://127.0.0.1:{self.gate.port}/"

    def reset(self) -> None:
        """Delete all queues."""
        requests.post(
            f"http://127.0.0.1:{self.port}/moto-api/reset", timeout=MAX_WAIT_SECONDS
        ).raise_for_status()

    def is_ready(self) -> bool:
        """Return whether it answers."""
        assert self.process.poll() is None, "moto's server has ended"
        try:
            return requests.get(
                f"http://127.0.0.1:{self.port}/moto-api/data.json", timeout=MAX_WAIT_SECONDS
            ).ok
        except requests.ConnectionError:
            return False


@contextmanager
def running_moto_sqs(directory: Path) -> Iterator[MotoSqs]:
    """Run the server until the block ends; boto3 finds credentials meanwhile."""
    port = free_port()
    command = [sys.executable, "-m", "console.stack.brokers.moto_server", str(port)]
    with (directory / "moto.log").open("wb") as log, pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=log, stderr=subprocess.STDOUT)
        server = MotoSqs(port, process, Gate(port))
        try:
            wait_until(server.is_ready, "moto's server answers")
            yield server
        finally:
            server.gate.close()
            process.kill()
            process.wait()
