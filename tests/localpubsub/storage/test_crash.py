"""Tests that no message is lost, with a state machine of random steps and restarts."""

from random import Random
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from localpubsub.backlog.backlog import Backlog, DeliveryPolicy
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.message_state import DEAD_LETTERED
from localpubsub.backlog.retry_policy import RetryPolicy
from tests.localpubsub.storage.state_machine import SETTINGS, SUBSCRIPTION, TOPIC, StoredBacklog

POLICY: Final = DeliveryPolicy(10, 86_400, RetryPolicy(1, 8), DeadLetterPolicy("projects/p/topics/dead", 5))


class Delivery(StoredBacklog):
    """A backlog with a retry policy and a dead-letter policy, and a model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog = Backlog(POLICY)
        self.removed: set[int] = set()
        self.failures: dict[int, int] = {}

    @rule(count=st.integers(1, 20))
    def publish(self, count: int) -> None:
        """Publish and confirm messages."""
        message_ids = self.ids.allocate(count, self.now)
        self.transaction.last_id = message_ids[-1]
        self.transaction.publish(TOPIC, [SUBSCRIPTION], [(number, b"%d" % number) for number in message_ids])
        self.commit()
        self.backlog.enqueue(message_ids)
        self.unacknowledged.update(message_ids)

    @rule(count=st.integers(1, 10))
    def deliver(self, count: int) -> None:
        """Lease some messages; check that they were unacknowledged and not outstanding."""
        for _ in range(count):
            lease = self.backlog.deliver(self.now, self.now + 10)
            if lease is None:
                break
            assert lease.message_id in self.unacknowledged
            assert all(lease.message_id != other.message_id for other in self.leases)
            assert lease.attempt == self.failures.get(lease.message_id, 0) + 1
            self.transaction.set_attempts(SUBSCRIPTION, lease.message_id, lease.attempt)
            self.leases.append(lease)
        self.commit()

    @precondition(lambda self: self.leases)
    @rule(random=st.randoms())
    def acknowledge(self, random: Random) -> None:
        """Acknowledge a message and write its removal."""
        lease = self.leases.pop(random.randrange(len(self.leases)))
        assert self.backlog.acknowledge(lease) == "acknowledged"
        self.end(lease)

    @precondition(lambda self: self.leases)
    @rule(random=st.randoms())
    def nack(self, random: Random) -> None:
        """Nack a message."""
        lease = self.leases.pop(random.randrange(len(self.leases)))
        state = self.backlog.nack(lease, self.now)
        self.fail(lease, state)

    @rule(seconds=st.floats(0, 30))
    def pass_time(self, seconds: float) -> None:
        """Advance the time and expire leases."""
        self.now += seconds
        for lease, state in self.backlog.expire_leases(self.now):
            self.leases.remove(lease)
            self.fail(lease, state)
        assert all(lease.deadline > self.now for lease in self.leases)

    @rule()
    def restart(self) -> None:
        """Load the backlog from the file, as after SIGKILL."""
        self.reopen()
        self.backlog = Backlog(POLICY)
        for message_id, subscription, attempts in self.store.backlog():
            assert subscription == SUBSCRIPTION
            self.backlog.load(message_id, attempts)
        self.leases.clear()
        for lease, state in self.backlog.expire_leases(self.now):
            self.fail(lease, state)

    def fail(self, lease: Lease, state: str | None) -> None:
        """Count a failed attempt; check that the fifth makes the message a dead letter."""
        self.failures[lease.message_id] = lease.attempt
        assert (state == DEAD_LETTERED) == (lease.attempt == 5)
        if state == DEAD_LETTERED:
            self.end(lease)

    def end(self, lease: Lease) -> None:
        """Remove a message that was acknowledged or dead-lettered."""
        self.unacknowledged.remove(lease.message_id)
        self.removed.add(lease.message_id)
        self.transaction.remove(SUBSCRIPTION, lease.message_id, lease.attempt)
        self.commit()

    @invariant()
    def backlog_and_store_have_the_unacknowledged_messages(self) -> None:
        """The backlog and the file contain all messages that were not removed, and only these."""
        assert len(self.backlog) == len(self.unacknowledged)
        assert {message_id for message_id, _, _ in self.store.backlog()} == self.unacknowledged
        records = self.store.read(sorted(self.unacknowledged | self.removed), 10**9)
        assert records == {message_id: b"%d" % message_id for message_id in self.unacknowledged}


TestDelivery = Delivery.TestCase
TestDelivery.settings = SETTINGS
