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
from console.stack.ports import free_port
from console.stack.process import ProcessWatcher
from tests.servers.certificates import CertificateAuthority
from tests.servers.requirements import skip_or_fail
from tests.servers.waiting import wait_until

#: `sys:get_state` answers when a process has started.
_ALL_MOVE_AT_LEAST_ONCE = """
    Strategy = fun(Queue) ->
        rabbit_misc:table_lookup(amqqueue:get_arguments(Queue), <<"x-dead-letter-strategy">>)
    end,
    Queues = [Queue || Queue <- rabbit_amqqueue:list(), Strategy(Queue) =/= undefined],
    Processes = [Process || {_, Process, _, _} <- supervisor:which_children(rabbit_fifo_dlx_sup)],
    [catch sys:get_state(Process, infinity) || Process <- Processes],
    length(Processes) =:= length(Queues).
"""


@dataclass
class RabbitMqServer:
    """A running RabbitMQ.

    Attributes:
        node: its ports and settings.
        launcher: started it.
        process: its process.
        tls_port: its port of AMQP over TLS, with a certificate for `localhost`.
        ca_file: the certificate of the authority that has signed it, as a PEM file.
        queues: the queues that the last test has declared for itself.
    """

    node: RabbitMqNode
    launcher: Launcher
    process: subprocess.Popen[str]
    tls_port: int
    ca_file: Path
    queues: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The URL with user and password."""
        return self.node.url

    @property
    def tls_url(self) -> str:
        """The URL over TLS; the certificate's authority is not among those of this machine."""
        return f"amqps://guest:guest@localhost:{self.tls_port}/"

    def kill(self) -> None:
        """Kill all its processes with SIGKILL.

        RabbitMQ 3.10 writes the names of new quorum queues half a second later than it answers, and loses a
        queue if it is killed before. So they are written first.
        """
        self._control("eval", "ok = dets:sync(ra_directory_reverse).")
        self.launcher.kill(self.process)

    def start(self) -> None:
        """Start it again after `kill`, with the same data."""
        self.process = self.launcher.restart(self.process)
        self.node.wait(self.launcher)
        wait_until(self._accepts_clients, "RabbitMQ accepts clients")
        wait_until(self._dead_letters_at_least_once, "RabbitMQ moves messages at least once")

    def delete_queues(self) -> None:
        """Delete the queues of the last test."""
        with self.channel() as channel:
            for queue in self.queues:
                channel.queue_delete(queue)
        self.queues = []

    def all_queues(self) -> list[str]:
        """Return the names of all queues."""
        return self._control("list_queues", "--silent", "name").split()

    def set_permissions(self, configure: str, write: str, read: str) -> None:
        """Set what the user `limited` may do, by regular expressions of names; its password is `secret`."""
        backend, name = "rabbit_auth_backend_internal", '<<"limited">>'
        rules = ", ".join(f'<<"{rule}">>' for rule in (configure, write, read))
        self._control(
            "eval",
            f'{backend}:exists({name}) orelse {backend}:add_user({name}, <<"secret">>, <<"test">>),'
            f' {backend}:set_permissions({name}, <<"/">>, {rules}, <<"test">>).',
        )

    def end_dead_lettering(self) -> None:
        """End all processes of at-least-once dead-lettering until a restart, as in docs/brokers.md."""
        self._control("eval", "ok = supervisor:terminate_child(rabbit_sup, rabbit_fifo_dlx_sup).")

    @contextmanager
    def memory_alarm(self) -> Iterator[None]:
        """Let RabbitMQ take no messages until the block ends, as if it had too little memory."""
        self._control("set_vm_memory_high_watermark", "0.0000001")
        try:
            yield
        finally:
            self._control("set_vm_memory_high_watermark", "0.4")

    def close_connections(self) -> None:
        """End all connections of clients."""
        self._control("close_all_connections", "a test")

    def _control(self, *arguments: str) -> str:
        command = [str(RABBITMQ.with_name("rabbitmqctl")), "-n", self.node.environment["RABBITMQ_NODENAME"]]
        environment = {**os.environ, **self.node.environment}
        return subprocess.run(
            [*command, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def _dead_letters_at_least_once(self) -> bool:
        """Return whether all queues with at-least-once dead-lettering are ready for it.

        RabbitMQ 3.10 has a process for each, which starts when the queue has elected its leader. If the queue
        is deleted while the process starts, all these processes crash, those of other queues too, and every
        later declaration of such a queue is answered with INTERNAL_ERROR until RabbitMQ starts again.
        """
        return self._control("eval", _ALL_MOVE_AT_LEAST_ONCE).strip() == "true"

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
    node, tls_port = rabbitmq_node(directory / "rabbitmq"), free_port()
    ca_file = _add_tls(directory / "rabbitmq", tls_port)
    with ProcessWatcher() as watcher, Launcher(directory, watcher) as launcher:
        server = RabbitMqServer(node, launcher, start_rabbitmq(launcher, node), tls_port, ca_file)
        wait_until(server._accepts_clients, "RabbitMQ accepts clients")  # noqa: SLF001 - the same module
        yield server


def _add_tls(data: Path, port: int) -> Path:
    """Add a port with TLS to the configuration of a node; return the certificate of its authority."""
    authority, ca_file = CertificateAuthority(), data / "ca.pem"
    ca_file.write_text(authority.pem())
    authority.server(data, "localhost")
    with (data / "rabbitmq.conf").open("a") as configuration:
        configuration.write(
            f"listeners.ssl.default = 127.0.0.1:{port}\n"
            f"ssl_options.cacertfile = {ca_file}\n"
            f"ssl_options.certfile = {data / 'localhost.pem'}\n"
            f"ssl_options.keyfile = {data / 'localhost.pem'}\n"
        )
    return ca_file
