"""Tests ordering and slices of seeks with a state machine of random steps and restarts."""

from dataclasses import replace
from functools import partial
from random import Random
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from localpubsub.backlog.backlog import DeliveryPolicy
from localpubsub.backlog.ordered_backlog import OrderedBacklog
from localpubsub.backlog.ordering_keys import key_number
from localpubsub.broker.seek import refill
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.storage import slices
from localpubsub.storage.slices import Selection, Table
from tests.localpubsub.storage.state_machine import SETTINGS, SUBSCRIPTION, TOPIC, StoredBacklog

SNAPSHOT: Final = 5  #: Number of the snapshot in the store.
ROWS: Final = 2  #: Number of rows of a slice.
POLICY: Final = DeliveryPolicy(10, 86_400)


class OrderAndSeek(StoredBacklog):
    """An ordered backlog that retains acknowledged messages, and a model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog = OrderedBacklog(POLICY)
        self.keys: dict[int, str] = {}
        self.in_snapshot: set[int] | None = None
        self.number = SUBSCRIPTION  #: Number of the backlog in the store.

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
        self.transaction.publish(TOPIC, [self.number], records)
        self.transaction.keys[self.number] += keyed
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
        self.transaction.remove(self.number, lease.message_id, lease.attempt)
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
        self.seek(first, (SUBSCRIPTION, TOPIC), keeps_backlog=True)
        self.unacknowledged = {number for number in self.keys if number >= first}

    @rule()
    def take_snapshot(self) -> None:
        """Replace the snapshot by a new one."""
        self.remove("retained", SNAPSHOT)
        self.retain(SNAPSHOT, self.selection(1, (), keeps_backlog=True))
        self.in_snapshot = set(self.unacknowledged)

    @precondition(lambda self: self.in_snapshot is not None)
    @rule()
    def seek_to_snapshot(self) -> None:
        """Seek to the snapshot; then its messages and all later messages are unacknowledged."""
        assert self.in_snapshot is not None
        self.seek(1, (SNAPSHOT,), keeps_backlog=False)
        self.unacknowledged = set(self.in_snapshot)

    @rule()
    def restart(self) -> None:
        """Load the backlog from the file, as after SIGKILL."""
        self.reopen()
        self.backlog = OrderedBacklog(POLICY)
        self.backlog.add_ordering_keys(self.store.ordering_keys(self.number))
        for message_id, _, attempts in self.store.backlog():
            self.backlog.load(message_id, attempts)
        self.leases.clear()

    def seek(self, first: int, owners: tuple[int, ...], *, keeps_backlog: bool) -> None:
        """Seek as SubscriptionSeeker does."""
        selection = self.selection(first, owners, keeps_backlog=keeps_backlog)
        acknowledged = replace(selection, owners=(), end=first) if keeps_backlog else selection
        self.retain(SUBSCRIPTION, acknowledged)
        before, self.backlog = self.backlog, OrderedBacklog(POLICY)
        last, complete = first - 1, False
        while not complete:
            job = partial(slices.copy, rows=ROWS, selection=selection, target=selection.end, after=last)
            copied = self.store.change(job)
            last, complete = copied.last, copied.complete
            refill(self.backlog, before, (copied.message_ids, copied.keys))
        removed, self.number = self.number, selection.end
        self.remove("backlog", removed)
        self.leases.clear()

    def selection(self, first: int, owners: tuple[int, ...], *, keeps_backlog: bool) -> Selection:
        """Return the messages of these owners, or of the backlog too, from an id on."""
        (end,) = self.ids.allocate(1, self.now)
        self.transaction.last_id = end
        self.commit()
        return Selection(self.number, keeps_backlog, owners, first, end, filter="", ordered=True)

    def retain(self, owner: int, selection: Selection) -> None:
        """Let an owner retain messages of the backlog."""
        last, complete = 0, False
        while not complete:
            job = partial(slices.retain, rows=ROWS, owner=owner, selection=selection, after=last)
            last, complete = self.store.change(job)

    def remove(self, table: Table, number: int) -> None:
        """Remove the rows of a number."""
        while not self.store.change(
            partial(slices.remove, rows=ROWS, table=table, number=number, before=slices.MAX_ID)
        ):
            continue

    @invariant()
    def backlog_and_store_have_the_unacknowledged_messages(self) -> None:
        """The backlog and the file contain the same messages, and no retained message is deleted."""
        assert len(self.backlog) == len(self.unacknowledged)
        assert {message_id for message_id, _, _ in self.store.backlog()} == self.unacknowledged
        assert self.store.read(sorted(self.keys), 10**9).keys() == self.keys.keys()


TestOrderAndSeek = OrderAndSeek.TestCase
TestOrderAndSeek.settings = SETTINGS
