"""Starts the servers that the queues need: RabbitMQ, Redis, PostgreSQL and the official Pub/Sub emulator.

Each server runs on a free port with a new data directory, and ends with the launcher that started it. Apart
from ports and directories, their configuration is the default.
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.processes import Launcher, wait_until
from benchmarks.pubsub_process import emulator_version
from console.stack.ports import free_port

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in /usr/sbin refuses ordinary users
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


@dataclass(frozen=True)
class RabbitMqNode:
    """A RabbitMQ with a data directory and ports of its own.

    Attributes:
        port: the port of AMQP 0-9-1.
        epmd_port: the port of Erlang's port mapper.
        environment: the environment variables of `RABBITMQ`.
    """

    port: int
    epmd_port: int
    environment: dict[str, str]

    @property
    def url(self) -> str:
        """The URL, with the user that RabbitMQ creates at its first start."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def wait(self, launcher: Launcher) -> None:
        """Wait until the node accepts connections."""
        _await_answer(launcher, self.port, b"AMQP\x00\x00\x09\x01", b"\x01")  # the header of AMQP 0-9-1


def rabbitmq_node(data: Path, *plugins: str) -> RabbitMqNode:
    """Return a node whose files are in the new directory `data`.

    Args:
        data: the directory.
        plugins: the plugins that are enabled.
    """
    data.mkdir()
    port, distribution_port, epmd_port = free_port(), free_port(), free_port()
    configuration = data / "rabbitmq.conf"
    configuration.write_text(f"listeners.tcp.default = 127.0.0.1:{port}\n")
    (data / "plugins").write_text(f"[{','.join(plugins)}].\n")
    environment = {
        "HOME": str(data),  # of Erlang's cookie
        "RABBITMQ_NODENAME": f"peers{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_CONFIG_FILE": str(configuration.with_suffix("")),
        "RABBITMQ_CONF_ENV_FILE": str(data / "none"),
        "RABBITMQ_MNESIA_BASE": str(data / "mnesia"),
        "RABBITMQ_LOG_BASE": str(data / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "plugins"),
    }
    return RabbitMqNode(port, epmd_port, environment)


def start_rabbitmq(launcher: Launcher, node: RabbitMqNode) -> subprocess.Popen[str]:
    """Start a node and Erlang's port mapper; return the node's process."""
    # Started like this, the port mapper is no daemon, and ends with the launcher.
    launcher.start(["epmd", "-port", str(node.epmd_port), "-address", "127.0.0.1"], {})
    # Its protocol: the request NAMES_REQ, and the mapper's own port as the beginning of the answer.
    _await_answer(launcher, node.epmd_port, b"\x00\x01n", node.epmd_port.to_bytes(4))
    process = launcher.start([str(RABBITMQ)], node.environment)
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
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
    if launcher.is_durable:
        command += ["--appendonly", "yes"]  # and "appendfsync everysec", the default
    launcher.server = launcher.start(command, {})
    _await_answer(launcher, port, b"PING\r\n", b"+PONG")
    return f"redis://127.0.0.1:{port}/0"


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
    _await_answer(launcher, port, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"N")
    return f"postgresql://peers@127.0.0.1:{port}/postgres"


def _emulator(launcher: Launcher) -> str:
    host, data = f"127.0.0.1:{free_port()}", launcher.data / "emulator"
    data.mkdir()
    command = ["gcloud", "beta", "emulators", "pubsub", "start", f"--host-port={host}"]
    launcher.server = launcher.start([*command, f"--data-dir={data}"], {})
    _await_answer(launcher, int(host.rpartition(":")[2]), b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.")
    return host


def _await_answer(launcher: Launcher, port: int, question: bytes, answer: bytes) -> None:
    """Wait until a server answers a question with bytes that begin with `answer`."""

    def is_ready() -> bool:
        launcher.check()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(question)
            return connection.recv(len(answer)) == answer
        return False

    wait_until(is_ready, f"a server answers on port {port}")


def _postgresql_bin() -> Path:
    found = sorted(POSTGRESQL.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else POSTGRESQL


def _version(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found[0] if found else done.stdout.strip()


SERVERS = {
    "rabbitmq": Server(
        "apt install rabbitmq-server",
        RABBITMQ.exists,
        _rabbitmq,
        lambda: _version("dpkg-query", "--show", "--showformat=${Version}", "rabbitmq-server"),
    ),
    "redis": Server(
        "apt install redis-server",
        lambda: shutil.which("redis-server") is not None,
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
