"""Runs localpubsub or the official emulator as a process, and measures its start time and its memory."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import grpc
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.types import ListTopicsRequest

from console.stack.ports import free_port

TIMEOUT_SECONDS = 60


@dataclass
class ServerProcess:
    """A running server.

    Attributes:
        name: "localpubsub" or "emulator".
        host: the gRPC address, ``host:port``.
        seconds_to_start: seconds from the start of the command to the server's first response.
        process: the command's process.
    """

    name: str
    host: str
    seconds_to_start: float
    process: subprocess.Popen[bytes]

    def memory(self) -> float:
        """Return the resident memory in MiB of the command and of all processes that it started."""
        return sum(_resident(pid) for pid in _family(self.process.pid)) / 1024

    def kill(self) -> None:
        """Send SIGKILL to all processes of the server."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def started(name: str, data: Path, *options: str) -> Iterator[ServerProcess]:
    """Run ``localpubsub`` or ``emulator`` on a free port, until the block ends."""
    port = free_port()
    if name == "emulator":
        command = ["gcloud", "beta", "emulators", "pubsub", "start", f"--host-port=127.0.0.1:{port}"]
        command += [f"--data-dir={data}"]
    else:
        command = [sys.executable, "-m", "localpubsub", "--port", str(port), "--http-port", "0"]
        command += ["--data", str(data), "--log-level", "error", *options]
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    server = ServerProcess(name, f"127.0.0.1:{port}", 0.0, process)
    try:
        _wait_until_ready(server)
        server.seconds_to_start = time.monotonic() - began
        yield server
    finally:
        server.kill()


def emulator_version() -> str:
    """Return the version of the official emulator that gcloud has installed, for example "0.8.20"."""
    command = ["gcloud", "info", "--format=value(installation.sdk_root)"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    jars = Path(found.stdout.strip(), "platform", "pubsub-emulator", "lib").glob("*-emulator-*.jar")
    versions = {match[1] for jar in jars if (match := re.search(r"-emulator-([\d.]+\d)", jar.name))}
    if len(versions) != 1:
        sys.exit(f"gcloud has not exactly one version of the Pub/Sub emulator: {sorted(versions)}")
    return versions.pop()


def measured_on_emulator() -> str:
    """Return the head of a table's column, for example "official emulator 0.8.20, 2026-11-30"."""
    return f"official emulator {emulator_version()}, {date.today().isoformat()}"  # noqa: DTZ011 - the local date


def _wait_until_ready(server: ServerProcess) -> None:
    """Wait until the server responds to a call.

    First the port is tried every 5 ms, because a gRPC channel tries to connect only every 0.2 s.
    """
    host, _, port = server.host.partition(":")
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        with suppress(ConnectionRefusedError), socket.create_connection((host, int(port))):
            break
        time.sleep(0.005)
    request = ListTopicsRequest(project="projects/bench")
    with grpc.insecure_channel(server.host) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        publisher.list_topics(request, timeout=TIMEOUT_SECONDS)


def _family(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # the process has ended
        children.setdefault(int(after_name[1]), []).append(int(status.parent.name))
    found, unseen = [], [pid]
    while unseen:
        found.append(unseen.pop())
        unseen += children.get(found[-1], [])
    return found


def _resident(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = re.search(r"VmRSS:\s+(\d+)", text)
    return int(line.group(1)) if line else 0
