"""Starts the servers that the queues need: RabbitMQ, Redis, PostgreSQL and the official Pub/Sub emulator.

Each server runs on a free port with a new data directory, and ends with the launcher that started it. Apart
from ports and directories, their configuration is the default.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.processes import Launcher, wait_until
from benchmarks.pubsub_process import emulator_version
from console.stack.brokers import rabbitmq, redis
from console.stack.brokers.server import BrokerServer
from console.stack.ports import free_port
from console.stack.tcp_probe import TcpProbe

RABBITMQ = rabbitmq.DEBIAN
POSTGRESQL = Path("/usr/lib/postgresql")
POSTGRESQL_USER = "postgres"  #: PostgreSQL refuses to run as root


@dataclass(frozen=True)
class Server:
    """A server.

    Attributes:
        installation: the command that installs it.
        is_installed: whether it is installed.
        start: starts it; returns its URL, or `host:port` in case of the emulator.
        version: returns its version.
    """

    installation: str
    is_installed: Callable[[], bool]
    start: Callable[[Launcher], str]
    version: Callable[[], str]


class RabbitMqNode(rabbitmq.RabbitMqNode):
    """A RabbitMQ with a data directory and ports of its own."""

    def wait(self, launcher: Launcher) -> None:
        """Wait until the node accepts connections."""
        _await_answer(launcher, self.probe)


def rabbitmq_node(data: Path) -> RabbitMqNode:
    """Return a node whose files are in the new directory `data`."""
    node = RabbitMqNode(data, free_port(), free_port(), free_port())
    BrokerServer(node.url, data, (), node.files).write_files()
    return node


def start_rabbitmq(launcher: Launcher, node: RabbitMqNode) -> subprocess.Popen[str]:
    """Start a node and Erlang's port mapper; return the node's process."""
    launcher.start(node.epmd_command, {})
    _await_answer(launcher, node.epmd_probe)
    process = launcher.start([rabbitmq.program()], node.environment)
    node.wait(launcher)
    return process


def _rabbitmq(launcher: Launcher) -> str:
    node = rabbitmq_node(launcher.data / "rabbitmq")
    launcher.server = start_rabbitmq(launcher, node)
    return node.url


def _redis(launcher: Launcher) -> str:
    data = launcher.data / "redis"
    data.mkdir()
    port = free_port()
    # "appendfsync everysec" is the default.
    options = ("--appendonly", "yes") if launcher.is_durable else ()
    launcher.server = launcher.start(redis.command(data, port, *options), {})
    _await_answer(launcher, redis.probe(port))
    return redis.url(port)


def _postgresql(launcher: Launcher) -> str:
    data, port = launcher.data / "postgresql", free_port()
    data.mkdir(mode=0o700)
    user = POSTGRESQL_USER if os.geteuid() == 0 else None
    if user:
        shutil.chown(data, user)
    initdb = [
        str(_postgresql_bin() / "initdb"),
        "-D",
        str(data),
        "--auth=trust",
        "--username=peers",
        "-E",
        "UTF8",
    ]
    subprocess.run(initdb, user=user, check=True, capture_output=True, cwd="/")
    command = [
        str(_postgresql_bin() / "postgres"),
        "-D",
        str(data),
        "-p",
        str(port),
        "-h",
        "127.0.0.1",
        "-k",
        "",
    ]
    launcher.server = launcher.start(command, {}, user=user)
    # An SSLRequest, which a server without certificates answers with "N".
    _await_answer(launcher, TcpProbe(port, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"N"))
    return f"postgresql://peers@127.0.0.1:{port}/postgres"


def _emulator(launcher: Launcher) -> str:
    host, data = f"127.0.0.1:{free_port()}", launcher.data / "emulator"
    data.mkdir()
    command = ["gcloud", "beta", "emulators", "pubsub", "start", f"--host-port={host}"]
    launcher.server = launcher.start([*command, f"--data-dir={data}"], {})
    port = int(host.rpartition(":")[2])
    _await_answer(launcher, TcpProbe(port, b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1."))
    return host


def _await_answer(launcher: Launcher, probe: TcpProbe) -> None:
    def is_ready() -> bool:
        launcher.check()
        return probe.is_answered()

    wait_until(is_ready, f"a server answers on port {probe.port}")


def _postgresql_bin() -> Path:
    found = sorted(POSTGRESQL.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else POSTGRESQL


def _version(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found[0] if found else done.stdout.strip()


SERVERS = {
    "rabbitmq": Server(
        rabbitmq.INSTALLATION,
        lambda: not rabbitmq.missing(),
        _rabbitmq,
        lambda: _version("dpkg-query", "--show", "--showformat=${Version}", "rabbitmq-server"),
    ),
    "redis": Server(
        redis.INSTALLATION,
        lambda: not redis.missing(),
        _redis,
        lambda: _version("redis-server", "--version"),
    ),
    "postgresql": Server(
        "apt install postgresql",
        lambda: any(POSTGRESQL.glob("*/bin/postgres")),
        _postgresql,
        lambda: _version(str(_postgresql_bin() / "postgres"), "--version"),
    ),
    "emulator": Server(
        "gcloud components install beta pubsub-emulator",
        lambda: shutil.which("gcloud") is not None,
        _emulator,
        emulator_version,
    ),
}
