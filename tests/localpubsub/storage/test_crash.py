"""A machine that publishes, delivers, acks, nacks, expires and restarts at random, and counts."""

import shutil
import tempfile
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from localpubsub.backlog.backlog import DEAD_LETTERED, Backlog, DeliveryPolicy
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.message import MessageIds
from localpubsub.backlog.retry_policy import RetryPolicy
from localpubsub.storage.store import Store
from localpubsub.storage.transaction import Transaction

SUBSCRIPTION, TOPIC = 7, 3


class Delivery(RuleBasedStateMachine):
    """A subscription whose every confirmed change is in a real store, which restarts read back."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.store = Store(self.directory / "test.sqlite")
        self.now = 1_800_000_000.0
        self.terms = DeliveryPolicy(
            10, 86_400, RetryPolicy(1, 8), DeadLetterPolicy("projects/p/topics/dead", 5)
        )
        self.backlog = Backlog(self.terms)
        self.transaction = Transaction()
        self.ids = MessageIds()
        self.alive: set[int] = set()
        self.done: set[int] = set()
        self.failures: dict[int, int] = {}
        self.leases: list[Lease] = []

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.store.close()
        shutil.rmtree(self.directory)

    def commit(self) -> None:
        """What the journal's thread does."""
        self.store.write(self.transaction)
        self.transaction = Transaction()

    @rule(count=st.integers(1, 20))
    def publish(self, count: int) -> None:
        """A confirmed publish."""
        message_ids = self.ids.allocate(count, self.now)
        self.transaction.last_id = message_ids[-1]
        self.transaction.publish(TOPIC, [SUBSCRIPTION], [(number, b"%d" % number) for number in message_ids])
        self.commit()
        self.backlog.enqueue(message_ids)
        self.alive.update(message_ids)

    @rule(count=st.integers(1, 10))
    def deliver(self, count: int) -> None:
        """Lease a few; never one that is done, never one that is out."""
        for _ in range(count):
            lease = self.backlog.deliver(self.now, self.now + 10)
            if lease is None:
                break
            assert lease.message_id in self.alive
            assert all(lease.message_id != other.message_id for other in self.leases)
            assert lease.attempt == self.failures.get(lease.message_id, 0) + 1
            self.transaction.set_attempts(SUBSCRIPTION, lease.message_id, lease.attempt)
            self.leases.append(lease)
        self.commit()

    @precondition(lambda self: self.leases)
    @rule(which=st.randoms())
    def acknowledge(self, which: Random) -> None:
        """A confirmed ack."""
        lease = self.leases.pop(which.randrange(len(self.leases)))
        assert self.backlog.acknowledge(lease) == "acknowledged"
        self.end(lease)

    @precondition(lambda self: self.leases)
    @rule(which=st.randoms())
    def refuse(self, which: Random) -> None:
        """A nack."""
        lease = self.leases.pop(which.randrange(len(self.leases)))
        state = self.backlog.nack(lease, self.now)
        self.fail(lease, state)

    @rule(seconds=st.floats(0, 30))
    def pass_time(self, seconds: float) -> None:
        """Deadlines run out."""
        self.now += seconds
        for lease, state in self.backlog.expire_leases(self.now):
            self.leases.remove(lease)
            self.fail(lease, state)
        assert all(lease.deadline > self.now for lease in self.leases)

    @rule()
    def restart(self) -> None:
        """SIGKILL: memory is gone, the file is not."""
        self.store.close()
        self.store = Store(self.directory / "test.sqlite")
        self.backlog = Backlog(self.terms)
        self.ids = MessageIds(self.store.last_id())
        for message_id, subscription, attempts in self.store.backlog():
            assert subscription == SUBSCRIPTION
            self.backlog.load(message_id, attempts)
        self.leases.clear()
        for lease, state in self.backlog.expire_leases(self.now):
            self.fail(lease, state)

    def fail(self, lease: Lease, state: str | None) -> None:
        """Count a failure, and bury after the fifth."""
        self.failures[lease.message_id] = lease.attempt
        assert (state == DEAD_LETTERED) == (lease.attempt == 5)
        if state == DEAD_LETTERED:
            self.end(lease)

    def end(self, lease: Lease) -> None:
        """The message is gone for good."""
        self.alive.remove(lease.message_id)
        self.done.add(lease.message_id)
        self.transaction.remove(SUBSCRIPTION, lease.message_id, lease.attempt)
        self.commit()

    @invariant()
    def nothing_is_lost_and_nothing_comes_back(self) -> None:
        """What was confirmed and not acknowledged is here, in memory and in the file; and nothing else is."""
        assert len(self.backlog) == len(self.alive)
        assert {message_id for message_id, _, _ in self.store.backlog()} == self.alive
        records = self.store.read(sorted(self.alive | self.done), 10**9)
        assert records == {message_id: b"%d" % message_id for message_id in self.alive}


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
