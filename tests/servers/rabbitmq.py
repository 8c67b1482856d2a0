"""Runs a real RabbitMQ on free ports, with a new data directory; tests can kill it and start it again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pika

from benchmarks.peers.processes import Launcher
from benchmarks.peers.servers import RABBITMQ, SERVERS, RabbitMqNode, rabbitmq_node, start_rabbitmq
from console.stack.process import ProcessWatcher
from tests.servers.requirements import skip_or_fail
from tests.servers.waiting import wait_until

PLUGIN = "rabbitmq_consistent_hash_exchange"  #: distributes messages by their ordering key


@dataclass
class RabbitMqServer:
    """A running RabbitMQ.

    Attributes:
        node: its ports and settings.
        launcher: started it.
        process: its process.
        queues: the queues that the last test has declared for itself.
    """

    node: RabbitMqNode
    launcher: Launcher
    process: subprocess.Popen[str]
    queues: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The URL with user and password."""
        return self.node.url

    def kill(self) -> None:
        """Kill all its processes with SIGKILL.

        RabbitMQ 3.10 writes the names of new quorum queues half a second later than it answers, and loses a
        queue if it is killed before. So they are written first.
        """
        statement = "ok = dets:sync(ra_directory_reverse)."
        command = [str(RABBITMQ.with_name("rabbitmqctl")), "-n", self.node.environment["RABBITMQ_NODENAME"]]
        environment = {**os.environ, **self.node.environment}
        subprocess.run([*command, "eval", statement], env=environment, check=True, capture_output=True)
        self.launcher.kill(self.process)

    def start(self) -> None:
        """Start it again after `kill`, with the same data."""
        self.process = self.launcher.restart(self.process)
        self.node.wait(self.launcher)
        wait_until(self._accepts_clients, "RabbitMQ accepts clients")

    def _accepts_clients(self) -> bool:
        try:
            with self.channel():
                return True
        except pika.exceptions.AMQPError:
            return False

    @contextmanager
    def channel(self) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
        """Open a channel for the statements of a test."""
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            yield connection.channel()
        finally:
            if connection.is_open:
                connection.close()


@contextmanager
def running_rabbitmq(directory: Path) -> Iterator[RabbitMqServer]:
    """Run RabbitMQ with its data below `directory`; skip the test if it is not installed."""
    if not SERVERS["rabbitmq"].is_installed():
        skip_or_fail(f"RabbitMQ is not installed: {SERVERS['rabbitmq'].installation}")
    node = rabbitmq_node(directory / "rabbitmq", PLUGIN)
    with ProcessWatcher() as watcher, Launcher(directory, watcher) as launcher:
        server = RabbitMqServer(node, launcher, start_rabbitmq(launcher, node))
        wait_until(server._accepts_clients, "RabbitMQ accepts clients")  # noqa: SLF001 - the same module
        yield server
