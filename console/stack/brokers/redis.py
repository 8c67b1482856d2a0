"""Runs a Redis server of its own, with its data in one directory, on a chosen port of 127.0.0.1."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from console.stack.brokers.server import BrokerServer, LocalBroker, ServerProcess
from console.stack.ports import LOOPBACK
from console.stack.tcp_probe import TcpProbe

PROGRAM = "redis-server"
INSTALLATION = "apt install redis-server"
#: Each write is on the disk before it is answered:
#: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/#append-only-file
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


def missing() -> str:
    """Return what must be installed; `""` if nothing is missing."""
    return "" if shutil.which(PROGRAM) else f"Redis is not installed: `{INSTALLATION}` installs it"


def command(data: Path, port: int, *options: str) -> list[str]:
    """Return the command of a server whose files are in the directory `data`."""
    return [PROGRAM, "--port", str(port), "--bind", LOOPBACK, "--dir", str(data), *options]


def url(port: int) -> str:
    """Return the URL of a server."""
    return f"redis://{LOOPBACK}:{port}/0"


def probe(port: int) -> TcpProbe:
    """Return the probe of a server, which answers with an error while it loads its data."""
    return TcpProbe(port, b"PING\r\n", b"+PONG")


def server(data: Path, ports: Sequence[int]) -> BrokerServer:
    """See `LocalBroker.server`."""
    [port] = ports
    process = ServerProcess("broker", "Redis server", tuple(command(data, port, *DURABLE)), probe(port))
    return BrokerServer(url(port), data, (process,))


REDIS = LocalBroker("Redis", ("Redis",), missing, server, "redis://:password@host:6379/0")
