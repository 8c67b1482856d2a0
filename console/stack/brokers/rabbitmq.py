"""Runs a RabbitMQ node of its own: with its data in one directory, on chosen ports of the loopback interface.

Erlang's port mapper (epmd) belongs to the node, so that nothing of it is left when the node has ended.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from console.stack.brokers.server import BrokerServer, LocalBroker, ServerProcess
from console.stack.ports import LOOPBACK
from console.stack.tcp_probe import TcpProbe

#: The program of Debian's package; the one in /usr/sbin refuses ordinary users.
DEBIAN = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
INSTALLATION = "apt install rabbitmq-server"
#: All nodes may have the same name, since each has a port mapper of its own. The data belongs to the name.
NODE_NAME = "scrapeq@localhost"
#: Erlang's distribution would listen on all interfaces.
ONLY_LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"


def program() -> str:
    """Return the path of `rabbitmq-server`; `""` if it is not installed."""
    return str(DEBIAN) if DEBIAN.exists() else shutil.which("rabbitmq-server") or ""


def missing() -> str:
    """Return what must be installed; `""` if nothing is missing."""
    if not program():
        return f"RabbitMQ is not installed: `{INSTALLATION}` installs it"
    if not shutil.which("epmd"):
        return "Erlang's port mapper epmd is not installed: `apt install erlang-base` installs it"
    return ""


@dataclass(frozen=True)
class RabbitMqNode:
    """A RabbitMQ with a data directory and ports of its own.

    Attributes:
        data: the directory of its configuration and its data.
        port: the port of AMQP 0-9-1.
        distribution_port: the port of Erlang's distribution, which `rabbitmqctl` uses.
        epmd_port: the port of Erlang's port mapper.
    """

    data: Path
    port: int
    distribution_port: int
    epmd_port: int

    @property
    def url(self) -> str:
        """The URL, with the user that RabbitMQ creates at its first start."""
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/"

    @property
    def probe(self) -> TcpProbe:
        """Asks the node with the header of AMQP 0-9-1, which it answers with a frame of a method."""
        return TcpProbe(self.port, b"AMQP\x00\x00\x09\x01", b"\x01")

    @property
    def epmd_probe(self) -> TcpProbe:
        """Asks the port mapper with NAMES_REQ, which it answers with its own port."""
        return TcpProbe(self.epmd_port, b"\x00\x01n", self.epmd_port.to_bytes(4))

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of `rabbitmq-server` and `rabbitmqctl`."""
        return {
            "HOME": str(self.data),  # of Erlang's cookie
            "RABBITMQ_NODENAME": NODE_NAME,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ONLY_LOOPBACK,
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_CONFIG_FILE": str(self.data / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.data / "none"),
            "RABBITMQ_MNESIA_BASE": str(self.data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.data / "log"),
            "RABBITMQ_LOGS": "-",  # standard output
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.data / "plugins"),
        }

    @property
    def epmd_command(self) -> list[str]:
        """The command of the port mapper. Started like this, it is no daemon."""
        return ["epmd", "-port", str(self.epmd_port), "-address", LOOPBACK]

    @property
    def files(self) -> dict[str, str]:
        """The text of each file that must be in the directory, by the file's name."""
        return {
            "rabbitmq.conf": f"listeners.tcp.default = {LOOPBACK}:{self.port}\n",
            "plugins": "[].\n",  # none is enabled
        }


def server(data: Path, ports: Sequence[int]) -> BrokerServer:
    """See `LocalBroker.server`."""
    port, distribution_port, epmd_port = ports
    node = RabbitMqNode(data, port, distribution_port, epmd_port)
    processes = (
        ServerProcess("epmd", "port mapper of Erlang", tuple(node.epmd_command), node.epmd_probe),
        ServerProcess("broker", "RabbitMQ server", (program(),), node.probe, node.environment),
    )
    return BrokerServer(node.url, data, processes, node.files)


RABBITMQ = LocalBroker(
    "RabbitMQ",
    ("RabbitMQ", "Erlang's distribution", "Erlang's port mapper"),
    missing,
    server,
    "amqp://user:password@host:5672/",
)
