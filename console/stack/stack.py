"""Runs the local stack: localpubsub or another broker, dispatcher, worker and the ledger, on this machine.

::

    with Stack(StackOptions(data=Path("somewhere"))) as stack:
        requests.post(stack.dispatcher_url, json=crawl)
        stack.process("worker").kill()   # SIGKILL, as in a crash
        stack.start_worker()
        stack.ledger.accounting()
"""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from console.errors import StackError, UsageError
from console.ledger.ledger import Ledger
from console.private_files import make_private_directory
from console.stack.addresses import Addresses
from console.stack.broker_services import (
    BROKER,
    LEDGER_WRITER,
    PUSHING,
    RELAY,
    SERVERS,
    SHARDS_RELAY,
    broker_launches,
    create_queues,
    server_launches,
)
from console.stack.brokers.choice import choose_broker, client_environment, identity_of, refuse_other_broker
from console.stack.ports import allocate_ports
from console.stack.process import (
    Launch,
    Process,
    ProcessWatcher,
    describe_exit,
    describe_status,
    stop_all,
    wait_until_healthy,
)
from console.stack.pubsub_setup import prepare_topology
from console.stack.services import (
    CONSOLE,
    DISPATCHER,
    FETCH_SETTINGS,
    PROJECT,
    PUBSUB,
    WORKER,
    StackOptions,
    environment_of,
    launches,
)
from console.stack.signals import defer_signals
from console.stack.stack_file import (
    StackRecord,
    lock_data_directory,
    refuse_second_stack,
    write_stack,
)

if TYPE_CHECKING:
    from console.stack.brokers.server import BrokerServer  # only a type

GRACE_SECONDS = 3.0  #: seconds between SIGTERM and SIGKILL
RELAY_SECONDS = 10.0  #: the same for a relay, which returns the messages that it holds to the broker
SERVER_SECONDS = 20.0  #: the same for a broker's server, which writes its data
MIN_RESTART_SECONDS = 5.0  #: minimum number of seconds between two starts of a service

Announce = Callable[[str], None]


class Stack:
    """The local services. They run from `start()` to `stop()`, or during a `with` block.

    Attributes:
        options: as given.
        project: id of the Google Cloud project.
        ledger: ledger in the data directory; it can be read at any time.
        addresses: addresses of the services; empty texts until the stack is started.
        announce: called with a sentence about each step.
        is_paused: whether everything was paused by `scrapeq pause --all` when the stack was started.
        environment: environment variables of the services; a google-cloud-pubsub client that has them uses
            this stack.
    """

    def __init__(self, options: StackOptions, announce: Announce = lambda _: None) -> None:
        self.options = options
        self.project = PROJECT
        self.ledger = Ledger(options.data)
        self.addresses = Addresses("", "", "", "")
        self.environment: dict[str, str] = {}
        self.announce = announce
        self.is_paused = False
        self._server: BrokerServer | None = None
        self._launches: dict[str, Launch] = {}
        self._processes: dict[str, Process] = {}
        self._resources = ExitStack()
        self._watcher: ProcessWatcher | None = None
        self._started_at: dict[str, float] = {}

    @property
    def dispatcher_url(self) -> str:
        """URL to which crawls are posted."""
        return self.addresses.dispatcher_url

    @property
    def worker_url(self) -> str:
        """URL to which jobs are pushed."""
        return self.addresses.worker_url

    @property
    def pubsub_host(self) -> str:
        """`host:port` of localpubsub, the value for PUBSUB_EMULATOR_HOST."""
        return self.addresses.pubsub_host

    @property
    def certs_url(self) -> str:
        """URL of the certificates that verify push tokens."""
        return self.addresses.certs_url

    def process(self, name: str) -> Process:
        """Return a process by the name of its log, for example `worker`; it may have ended."""
        return self._processes[name]

    def start(self) -> None:
        """Start all services and return once all are healthy. If one fails, the others are stopped.

        Raises:
            UsageError: a port or the data directory is in use, or the broker cannot be used; nothing was
                started.
            StackError: a service did not become healthy; the message has the end of its log.
        """
        options = self.options
        refuse_second_stack(options.data)
        local_broker = choose_broker(options.broker)
        refuse_other_broker(options.data, options.broker)
        server_ports = dict.fromkeys(local_broker.ports if local_broker else (), (0, ""))
        ports = allocate_ports(options.wanted_ports() | server_ports)
        own_ports = [ports[purpose] for purpose in server_ports]
        if local_broker:
            self._server = local_broker.server(options.data.absolute() / BROKER, own_ports)
        self.addresses = Addresses.at(ports, self._server.url if self._server else options.broker)
        inherited = {**client_environment(options.broker), **os.environ}
        self.environment = environment_of(options, self.addresses, inherited, own_ports)
        self._launches = (
            server_launches(self._server, options, self.environment)
            | launches(options, self.addresses, self.environment)
            | broker_launches(options, self.addresses, self.environment)
        )
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process, within a few seconds. A second call does nothing."""
        self._resources.close()

    def start_pubsub(self) -> None:
        """Start localpubsub with its previous port and data; wait until it is healthy."""
        self._start_and_wait(PUBSUB)

    def start_broker(self) -> None:
        """Start the broker's server with its previous port and data; wait until it is healthy."""
        self._start_and_wait(BROKER)

    def start_dispatcher(self) -> None:
        """Start the dispatcher on its previous port; wait until it is healthy."""
        self._start_and_wait(DISPATCHER)

    def start_worker(self) -> None:
        """Start the worker on its previous port; wait until it is healthy."""
        self._start_and_wait(WORKER)

    def supervise(self) -> None:
        """Restart a service that has ended, as Cloud Run does. Call this method twice a second.

        Raises:
            StackError: localpubsub or the broker's server has ended.
        """
        for name, process in list(self._processes.items()):
            if (status := process.exit_status) is None:
                continue
            if name in {PUBSUB, *SERVERS}:
                raise StackError(describe_exit(process, status))
            if time.monotonic() - self._started_at[name] > MIN_RESTART_SECONDS:
                self.announce(
                    f"The {process.launch.title} has ended ({describe_status(status)}); restarting it."
                )
                self._start(name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_all(self) -> None:
        _make_directories(self.options)
        self._resources.enter_context(lock_data_directory(self.options.data))
        record = self._record()
        write_stack(self.options.data, record)
        self._watcher = self._resources.enter_context(ProcessWatcher())
        self._resources.callback(self._stop_processes)
        if self.options.broker:
            self._start_with_broker()
        else:
            self._start_with_pubsub()
        if CONSOLE in self._launches:
            self._start_and_wait(CONSOLE)
        write_stack(self.options.data, replace(record, is_ready=True))

    def _start_with_pubsub(self) -> None:
        has_backlog = (self.options.data / "pubsub").exists()
        self._start(WORKER)
        self._start(DISPATCHER)
        if has_backlog:
            # localpubsub pushes the backlog as soon as it runs. The worker must be healthy first, because a
            # push that reaches no worker uses up an attempt of its job.
            self._wait_until_healthy(WORKER)
        self.ledger.create()
        self.start_pubsub()
        self.announce("Creating topics and subscriptions")
        with defer_signals():  # gRPC prints and swallows a KeyboardInterrupt raised in one of its callbacks
            self.is_paused = prepare_topology(
                self.pubsub_host,
                f"{self.worker_url}/",
                self.options.subscription_policy,
                f"{self.dispatcher_url}/shards",
            )
        self._wait_until_healthy(WORKER)
        self._wait_until_healthy(DISPATCHER)

    def _start_with_broker(self) -> None:
        if self._server:
            self._server.write_files()
            for process in self._server.processes:
                self._start_and_wait(process.name)
        self.announce("Creating the queues")
        create_queues(self.options, self.environment)
        self.ledger.create()
        self._start(WORKER)
        self._start(DISPATCHER)
        # A push that reaches no worker uses up an attempt of its job, so the relays start last.
        self._wait_until_healthy(WORKER)
        self._wait_until_healthy(DISPATCHER)
        for name in (LEDGER_WRITER, RELAY, SHARDS_RELAY):
            self._start_and_wait(name)

    def _record(self) -> StackRecord:
        return StackRecord(
            pid=os.getpid(),
            addresses=self.addresses,
            started_at=time.time(),
            ack_policy=self.options.ack_policy,
            delivery=self.options.delivery,
            fetch_settings={name: self.environment[name] for name in FETCH_SETTINGS},
            broker=identity_of(self.options.broker),
        )

    def _start_and_wait(self, name: str) -> None:
        self._start(name)
        self._wait_until_healthy(name)

    def _start(self, name: str) -> None:
        if self._watcher is None:
            raise AssertionError("the stack is not started")
        if name in self._processes:
            self._processes[name].kill()
        self._started_at[name] = time.monotonic()
        self._processes[name] = Process(self._launches[name], self._watcher)

    def _wait_until_healthy(self, name: str) -> None:
        self.announce(f"Starting the {self._launches[name].title}")
        wait_until_healthy(self._processes[name])

    def _stop_processes(self) -> None:
        # What pushes stops first, because a push that reaches no worker uses up an attempt of its job. A
        # broker's server stops last, because the others still publish to it.
        others = tuple(self._processes.keys() - set(PUSHING) - set(SERVERS))
        for names, seconds in (PUSHING, RELAY_SECONDS), (others, GRACE_SECONDS), (SERVERS, SERVER_SECONDS):
            stop_all([self._processes[name] for name in names if name in self._processes], seconds)


def _make_directories(options: StackOptions) -> None:
    try:
        make_private_directory(options.data)
        make_private_directory(options.data / "logs")
    except OSError as error:
        message = f"The data directory {options.data} cannot be created: {error.strerror}."
        raise UsageError(f"{message} Choose another with --data.") from error
