"""A whole Scrapeq on this machine: localpubsub, dispatcher, worker, and a ledger that fills.

::

    with Stack(StackOptions(data=Path("somewhere"))) as stack:
        requests.post(stack.dispatcher_url, json=crawl)
        stack.process("worker").kill()   # SIGKILL, as a crash would
        stack.start_worker()
        stack.ledger.accounting()
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import IO, Self

from console.errors import StackFailed, WrongUsage
from console.ledger.ledger import Ledger
from console.stack.collector import Collector
from console.stack.ports import settle_ports
from console.stack.process import Launch, Leash, Process, await_health, describe_end, how, stop_together
from console.stack.pubsub_setup import prepare_topology
from console.stack.services import (
    DISPATCHER,
    PROJECT,
    PUBSUB,
    TITLES,
    WORKER,
    Addresses,
    StackOptions,
    environment_of,
    launches,
)
from console.stack.signals import uninterrupted

GRACE_SECONDS = 3.0  #: between SIGTERM and SIGKILL
RESTART_PAUSE_SECONDS = 5.0  #: between two starts of a service that keeps dying

Announce = Callable[[str], None]


class Stack:
    """The local services, from `start()` to `stop()`, or as a context.

    Attributes:
        options: as given.
        project: the Google Cloud project's name.
        ledger: of the data directory; it can be read at any time.
        addresses: where the services listen; known once the stack was started.
        announce: takes a sentence about what happens.
        environment: what the services were given; a google-cloud-pubsub client with it speaks to this stack.
    """

    def __init__(self, options: StackOptions, announce: Announce = lambda _: None) -> None:
        self.options = options
        self.project = PROJECT
        self.ledger = Ledger(options.data)
        self.addresses = Addresses("", "", "", "")
        self.environment: dict[str, str] = {}
        self.announce = announce
        self._launches: dict[str, Launch] = {}
        self._processes: dict[str, Process] = {}
        self._held = ExitStack()
        self._leash: Leash | None = None
        self._collector: Collector | None = None
        self._started_at: dict[str, float] = {}

    @property
    def dispatcher_url(self) -> str:
        """Where crawls are posted."""
        return self.addresses.dispatcher_url

    @property
    def worker_url(self) -> str:
        """Where jobs are pushed."""
        return self.addresses.worker_url

    @property
    def pubsub_host(self) -> str:
        """What PUBSUB_EMULATOR_HOST is set to."""
        return self.addresses.pubsub_host

    @property
    def certs_url(self) -> str:
        """Where the certificates are that sign the pushes."""
        return self.addresses.certs_url

    def process(self, name: str) -> Process:
        """Return the process of `pubsub`, `dispatcher` or `worker`, running or not."""
        return self._processes[name]

    def start(self) -> None:
        """Start everything, and return once everything is healthy. What was started is stopped on failure.

        Raises:
            WrongUsage: where a port or the data directory is in use, before anything is started.
            StackFailed: where a service does not come up, with the end of its log.
        """
        ports = settle_ports(self.options.wanted_ports())
        self.addresses = Addresses.at(ports, self.options.emulator_host)
        self.environment = environment_of(self.options, self.addresses, os.environ)
        self._launches = launches(self.options, self.addresses, self.environment)
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process and the collection, within a few seconds. Stopping twice is no error."""
        self._held.close()

    def start_pubsub(self) -> None:
        """Start localpubsub on its port and data, and wait until it is healthy."""
        self._start_and_wait(PUBSUB)

    def start_dispatcher(self) -> None:
        """Start the dispatcher on its port, and wait until it is healthy."""
        self._start_and_wait(DISPATCHER)

    def start_worker(self) -> None:
        """Start the worker on its port, and wait until it is healthy."""
        self._start_and_wait(WORKER)

    def tend(self) -> None:
        """Start again the services that died, as Cloud Run does. To be called every now and then.

        Raises:
            StackFailed: where localpubsub has ended, or the ledger cannot be filled any more.
        """
        pubsub = self._processes.get(PUBSUB)
        if pubsub and (status := pubsub.exit_status) is not None:
            raise StackFailed(describe_end(pubsub, status))
        if self._collector and (fault := self._collector.fault()):
            raise StackFailed(f"The ledger is not filled any more: {fault}")
        for name in (DISPATCHER, WORKER):
            status = self.process(name).exit_status
            if status is not None and time.monotonic() - self._started_at[name] > RESTART_PAUSE_SECONDS:
                self.announce(f"The {TITLES[name]} has ended ({how(status)}); it is started again.")
                self._start(name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_all(self) -> None:
        _make_directories(self.options)
        self._held.enter_context(_only_one(self.options))
        self._leash = self._held.enter_context(Leash())
        self._held.callback(self._stop_processes)
        has_backlog = (self.options.data / "pubsub").exists()
        self._start(WORKER)
        self._start(DISPATCHER)
        if has_backlog:
            # Pushes begin with localpubsub, and each that finds no worker costs its job an attempt.
            self._await_health(WORKER)
        self.ledger.create()
        writes_rows = not self.options.emulator_host
        if writes_rows:
            self.start_pubsub()
        self.announce("Making topics and subscriptions")
        with uninterrupted():  # an interrupt in one of gRPC's callbacks would be printed, and lost
            prepare_topology(
                self.pubsub_host, f"{self.worker_url}/", self.options.delivery, writes_rows=writes_rows
            )
        if not writes_rows:
            self._collector = self._held.enter_context(Collector(self.pubsub_host, self.ledger))
        self._await_health(WORKER)
        self._await_health(DISPATCHER)

    def _start_and_wait(self, name: str) -> None:
        self._start(name)
        self._await_health(name)

    def _start(self, name: str) -> None:
        if self._leash is None:
            raise AssertionError("a service is started by a stack that was started")
        if name in self._processes:
            self._processes[name].kill()
        self._started_at[name] = time.monotonic()
        self._processes[name] = Process(self._launches[name], self._leash)

    def _await_health(self, name: str) -> None:
        self.announce(f"Starting the {TITLES[name]}")
        await_health(self._processes[name])

    def _stop_processes(self) -> None:
        # The queue first: while it runs, a push that finds no worker costs its job an attempt.
        stop_together([process for name, process in self._processes.items() if name == PUBSUB], GRACE_SECONDS)
        stop_together(list(self._processes.values()), GRACE_SECONDS)


def _make_directories(options: StackOptions) -> None:
    try:
        (options.data / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        raise WrongUsage(f"{options.data} cannot be the data directory: {wrong.strerror}.") from wrong


@contextmanager
def _only_one(options: StackOptions) -> Iterator[IO[str]]:
    """Hold the data directory: two queues on the same files would ruin them."""
    with (options.data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WrongUsage(
                f"{options.data} is in use by another `scrapeq up`. Stop it, or choose another with --data."
            ) from None
        yield lock
