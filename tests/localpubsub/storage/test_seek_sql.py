"""Tests ordering and seek with a state machine of random steps and restarts."""

from random import Random
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from localpubsub.backlog.backlog import DeliveryPolicy
from localpubsub.backlog.ordered_backlog import OrderedBacklog
from localpubsub.backlog.ordering_keys import key_number
from localpubsub.broker.seek import refill
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.storage import seek_sql
from localpubsub.storage.seek_sql import Statement
from tests.localpubsub.storage.state_machine import SETTINGS, SUBSCRIPTION, TOPIC, StoredBacklog

SNAPSHOT: Final = 5  #: Number of the snapshot in the store.
POLICY: Final = DeliveryPolicy(10, 86_400)


class OrderAndSeek(StoredBacklog):
    """An ordered backlog that retains acknowledged messages, and a model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog = OrderedBacklog(POLICY)
        self.keys: dict[int, str] = {}
        self.in_snapshot: set[int] | None = None

    @rule(keys=st.text("abc-", min_size=1, max_size=8))
    def publish(self, keys: str) -> None:
        """Publish and confirm messages with these ordering keys; "-" stands for no key."""
        message_ids = self.ids.allocate(len(keys), self.now)
        names = dict(zip(message_ids, keys.replace("-", " "), strict=True))
        records = [
            (number, PubsubMessage(data=b"x", ordering_key=key.strip()).SerializeToString())
            for number, key in names.items()
        ]
        keyed = [(number, key_number(key.strip())) for number, key in names.items() if key.strip()]
        self.transaction.last_id = message_ids[-1]
        self.transaction.publish(TOPIC, [SUBSCRIPTION], records)
        self.transaction.keys[SUBSCRIPTION] += keyed
        if self.in_snapshot is not None:
            self.transaction.retained[SNAPSHOT] += message_ids
            self.in_snapshot.update(message_ids)
        self.commit()
        self.backlog.add_ordering_keys(keyed)
        self.backlog.enqueue(message_ids)
        self.keys.update(names)
        self.unacknowledged.update(message_ids)

    @rule(count=st.integers(1, 10))
    def deliver(self, count: int) -> None:
        """Lease some messages; check that each is the oldest of its key and the only leased one."""
        for _ in range(count):
            lease = self.backlog.deliver(self.now, self.now + 10)
            if lease is None:
                break
            assert lease.message_id in self.unacknowledged
            key = self.keys[lease.message_id].strip()
            if key:
                assert lease.message_id == min(each for each in self.unacknowledged if self.keys[each] == key)
                assert all(self.keys[other.message_id] != key for other in self.leases)
            self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(random=st.randoms())
    def acknowledge(self, random: Random) -> None:
        """Acknowledge a message, which the subscription then retains."""
        lease = self.leases.pop(random.randrange(len(self.leases)))
        assert self.backlog.acknowledge(lease) == "acknowledged"
        self.transaction.remove(SUBSCRIPTION, lease.message_id, lease.attempt)
        self.transaction.retained[SUBSCRIPTION].append(lease.message_id)
        self.commit()
        self.unacknowledged.remove(lease.message_id)

    @precondition(lambda self: self.leases)
    @rule(random=st.randoms())
    def nack(self, random: Random) -> None:
        """Nack a message."""
        lease = self.leases.pop(random.randrange(len(self.leases)))
        assert self.backlog.nack(lease, self.now) == "waiting"

    @rule(seconds=st.floats(0, 30))
    def pass_time(self, seconds: float) -> None:
        """Advance the time and expire leases."""
        self.now += seconds
        for lease, _ in self.backlog.expire_leases(self.now):
            self.leases.remove(lease)

    @precondition(lambda self: self.keys)
    @rule(random=st.randoms())
    def seek_to_time(self, random: Random) -> None:
        """Seek to the publish time of a random message."""
        first = random.choice(sorted(self.keys))
        self.seek(seek_sql.seek_to_time(SUBSCRIPTION, "", TOPIC, first, retain=True))
        self.unacknowledged = {number for number in self.keys if number >= first}

    @rule()
    def take_snapshot(self) -> None:
        """Replace the snapshot by a new one."""
        self.transaction.resources += seek_sql.release(SNAPSHOT)
        self.transaction.resources.append(seek_sql.retain_backlog(SNAPSHOT, SUBSCRIPTION))
        self.commit()
        self.in_snapshot = set(self.unacknowledged)

    @precondition(lambda self: self.in_snapshot is not None)
    @rule()
    def seek_to_snapshot(self) -> None:
        """Seek to the snapshot; then its messages and all later messages are unacknowledged."""
        assert self.in_snapshot is not None
        self.seek(seek_sql.seek_to_snapshot(SUBSCRIPTION, "", SNAPSHOT, retain=True))
        self.unacknowledged = set(self.in_snapshot)

    @rule()
    def restart(self) -> None:
        """Load the backlog from the file, as after SIGKILL."""
        self.reopen()
        self.backlog = OrderedBacklog(POLICY)
        self.backlog.add_ordering_keys(
            self.store.query(lambda database: seek_sql.ordering_keys(database, SUBSCRIPTION))
        )
        for message_id, _, attempts in self.store.backlog():
            self.backlog.load(message_id, attempts)
        self.leases.clear()

    def seek(self, statements: list[Statement]) -> None:
        """Seek as SubscriptionSeeker does."""
        self.transaction.resources += statements
        self.commit()
        found = self.store.query(lambda database: seek_sql.unacknowledged(database, SUBSCRIPTION))
        before, self.backlog = self.backlog, OrderedBacklog(POLICY)
        refill(self.backlog, before, found)
        self.leases.clear()

    @invariant()
    def backlog_and_store_have_the_unacknowledged_messages(self) -> None:
        """The backlog and the file contain the same messages, and no retained message is deleted."""
        assert len(self.backlog) == len(self.unacknowledged)
        assert {message_id for message_id, _, _ in self.store.backlog()} == self.unacknowledged
        assert self.store.read(sorted(self.keys), 10**9).keys() == self.keys.keys()


TestOrderAndSeek = OrderAndSeek.TestCase
TestOrderAndSeek.settings = SETTINGS
