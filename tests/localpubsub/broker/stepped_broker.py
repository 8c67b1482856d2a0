"""Runs a Broker step by step, with a virtual time and a store that refuses on demand.

The event loop has a virtual time, and the journal has no thread: its jobs wait until a test runs them. So a
test decides what happens between two awaits of an operation, and each run of it is the same.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import Broker
from localpubsub.broker.chaos import Chaos, ChaosOptions
from localpubsub.broker.seek import SubscriptionSeeker
from localpubsub.clock import Clock
from localpubsub.errors import StoreFailure
from localpubsub.protocol.messages import PubsubMessage, Subscription, Topic
from localpubsub.storage.journal import COMMIT_DELAY, Journal
from localpubsub.storage.store import Store

Result = TypeVar("Result")

NOW = 1_800_000_000.0  #: The time at which the virtual time begins, seconds since the epoch.
TOPIC, DEAD_TOPIC = "projects/p/topics/ttt", "projects/p/topics/dead"
NAME = "projects/p/subscriptions/sss"


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when a test says so."""

    def __init__(self, now: float) -> None:
        self.now = now
        super().__init__()

    def time(self) -> float:
        """Return the virtual time."""
        return self.now

    def settle(self) -> None:
        """Run all callbacks that are ready, and those that they make ready."""
        for _ in range(40):
            self.call_soon(self.stop)
            self.run_forever()


class VirtualClock(Clock):
    """A clock that shows the virtual time of a loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def now(self) -> float:
        """Return the virtual time."""
        return self._loop.now


class RefusingStore(Store):
    """A store that refuses to write, to read, or both, while ``refuses`` contains "write" or "read"."""

    def __init__(self, file: Path | None) -> None:
        super().__init__(file)
        self.refuses: set[str] = set()

    def write(self, transaction: Any) -> None:  # noqa: ANN401 - as Store.write
        """Write a transaction, or refuse."""
        self.check("write")
        super().write(transaction)

    def read(self, message_ids: Any, max_bytes: int) -> dict[int, bytes]:  # noqa: ANN401 - as Store.read
        """Read messages, or refuse."""
        self.check("read")
        return super().read(message_ids, max_bytes)

    def query(self, read: Callable[[Any], Result]) -> Result:
        """Query the database, or refuse."""
        self.check("read")
        return super().query(read)

    def change(self, function: Callable[[Any], Result]) -> Result:
        """Change the database, or refuse."""
        self.check("write")
        return super().change(function)

    def check(self, action: str) -> None:
        """Raise StoreFailure if the store refuses this action."""
        if action in self.refuses:
            raise StoreFailure(f"the test refuses to {action}", full=True)


class SteppedJournal(Journal):
    """A journal whose jobs wait in ``jobs`` until a test runs them."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - as Journal
        super().__init__(*arguments)
        self.jobs: deque[Callable[[], None]] = deque()
        self.first_slice_rows, self.max_pause = 2, 0.0

    async def slice(self, job: Callable[[Any, int], Result], rows: int) -> tuple[Result, int]:
        """Run a slice; the next one has the same number of rows, however long this one took."""
        result, _ = await super().slice(job, rows)
        return result, rows

    def submit(self, work: Callable[[], None]) -> None:
        """Keep a job until a test runs it."""
        self.jobs.append(work)


class SteppedBroker:
    """A broker, its store and its event loop.

    Attributes:
        loop: the event loop, which runs only in the methods of this class.
        store: the store.
        broker: the broker.
        tasks: the calls that were started, in their order.
        topic_fields: the configuration of the topic that ``create`` creates.
    """

    def __init__(self, file: Path | None = None, now: float = NOW, delay: float = 0.0) -> None:
        """Open the file; with a ``delay``, new messages are ready that many seconds after their publish."""
        self.loop = VirtualLoop(now)
        self.store = RefusingStore(file)
        self.tasks: list[asyncio.Task[Any]] = []
        self.topic_fields: dict[str, Any] = {}
        self._file, self._delay = file, delay
        self.broker = self.loop.run_until_complete(self._open())
        self.seeker = SubscriptionSeeker(self.broker)

    async def _open(self) -> Broker:
        chaos = Chaos(ChaosOptions(delay=self._delay))
        return Broker(self.store, VirtualClock(self.loop), chaos, new_journal=SteppedJournal)

    @property
    def jobs(self) -> deque[Callable[[], None]]:
        """The jobs of the journal that wait."""
        journal = self.broker.journal
        assert isinstance(journal, SteppedJournal)
        return journal.jobs

    def start(self, call: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start a call, and run the loop until the call awaits a job of the journal."""
        task = self.loop.create_task(call)
        self.tasks.append(task)
        self.loop.settle()
        return task

    def step(self, count: int = 1) -> None:
        """Run this number of the journal's jobs, if there are so many, each with what follows from it."""
        for _ in range(count):
            if self.jobs:
                self.jobs.popleft()()
            self.loop.settle()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.loop.now += seconds
        self.loop.settle()

    def finish(self) -> None:
        """Run all jobs of the journal, and the commits that are due soon, until nothing more follows."""
        idle = 0
        while idle < 2:
            idle = 0 if self.jobs else idle + 1
            self.step(len(self.jobs) or 1)
            self.advance(COMMIT_DELAY)

    def call(self, call: Coroutine[Any, Any, Result]) -> Result:
        """Make a call, run all jobs of the journal, and return the call's result."""
        task = self.start(call)
        self.finish()
        self.tasks.remove(task)
        assert task.done(), "the call hangs"
        return task.result()

    def do(self, function: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ANN401 - those of the function
        """Call a function on the event loop and return its result."""

        async def call() -> Result:
            return function(*arguments)

        result = self.loop.run_until_complete(call())
        self.loop.settle()
        return result

    def lease(self) -> Lease:
        """Lease the next message of the subscription for ten seconds."""
        lease = self.do(self.broker.deliver, self.broker.catalogue.subscriptions[NAME], 10)
        assert lease is not None
        return lease

    def acknowledge(self, lease: Lease) -> None:
        """Acknowledge a message of the subscription, without a commit."""
        self.do(self.broker.acknowledge, self.broker.catalogue.subscriptions[NAME], lease)

    def restart(self) -> None:
        """Open the file again with a new broker, as after SIGKILL."""
        self.close()
        self.__init__(self._file, self.loop.now, self._delay)  # type: ignore[misc]  # everything else begins anew

    def unacknowledged(self, name: str = NAME) -> tuple[list[int], list[int]]:
        """Return the ids of a subscription's messages in memory and on disk; they must be equal.

        Of a subscription with ordering only the number of messages in memory is compared.
        """
        subscription = self.broker.catalogue.subscriptions[name]
        backlog = subscription.backlog
        number = subscription.backlog_number
        on_disk = sorted(row[0] for row in self.store.backlog() if row[1] == number)
        if subscription.ordered and len(backlog) == len(on_disk):
            return on_disk, on_disk
        in_memory = [*backlog.upcoming(len(backlog)), *backlog.outstanding]
        in_memory += [message_id for _, message_id in backlog._delayed]  # noqa: SLF001 - a test may look
        return sorted(in_memory), on_disk

    def close(self) -> None:
        """Cancel all tasks and close the store."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.settle()
        self.store.close()
        self.loop.close()

    def create(self, **fields: Any) -> Any:  # noqa: ANN401 - the fields and the class Subscription of the broker
        """Create the topic if it is missing, and a subscription; return the subscription."""
        if TOPIC not in self.broker.catalogue.topics:
            self.call(self.broker.catalogue.create_topic(Topic(name=TOPIC, **self.topic_fields)))
        resource = Subscription(**{"name": NAME, "topic": TOPIC, "ack_deadline_seconds": 10, **fields})
        return self.call(self.broker.catalogue.create_subscription(resource))

    def publish(self, *names: bytes) -> list[int]:
        """Publish messages with these data and return their ids."""
        return self.call(self.broker.publish(TOPIC, [PubsubMessage(data=name) for name in names]))
