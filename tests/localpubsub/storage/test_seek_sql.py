"""A machine that publishes with keys, delivers, acks, nacks, seeks and restarts at random, and counts."""

import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from localpubsub.backlog.backlog import DeliveryPolicy
from localpubsub.backlog.message import MessageIds
from localpubsub.backlog.ordered_backlog import OrderedBacklog, key_number
from localpubsub.broker.seek import refill
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.storage import seek_sql
from localpubsub.storage.seek_sql import Statement
from localpubsub.storage.store import Store
from localpubsub.storage.transaction import Transaction

if TYPE_CHECKING:
    from localpubsub.backlog.lease import Lease

SUBSCRIPTION, TOPIC, SNAPSHOT = 7, 3, 5
TERMS = DeliveryPolicy(10, 86_400)


class OrderAndSeek(RuleBasedStateMachine):
    """An ordered subscription that retains acked messages; every change is in a real store."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.store = Store(self.directory / "test.sqlite")
        self.now = 1_800_000_000.0
        self.backlog = OrderedBacklog(TERMS)
        self.transaction = Transaction()
        self.ids = MessageIds()
        self.keys: dict[int, str] = {}
        self.alive: set[int] = set()
        self.held: set[int] | None = None
        self.leases: list[Lease] = []

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.store.close()
        shutil.rmtree(self.directory)

    def commit(self) -> None:
        """What the journal's thread does."""
        self.store.write(self.transaction)
        self.transaction = Transaction()

    @rule(keys=st.text("abc-", min_size=1, max_size=8))
    def publish(self, keys: str) -> None:
        """A confirmed publish; "-" is no key."""
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
        if self.held is not None:
            self.transaction.retained[SNAPSHOT] += message_ids
            self.held.update(message_ids)
        self.commit()
        self.backlog.add_ordering_keys((number, key, 0) for number, key in keyed)
        self.backlog.enqueue(message_ids)
        self.keys.update(names)
        self.alive.update(message_ids)

    @rule(count=st.integers(1, 10))
    def deliver(self, count: int) -> None:
        """Lease a few: each the oldest of its key that is not acknowledged, and the only one."""
        for _ in range(count):
            lease = self.backlog.deliver(self.now, self.now + 10)
            if lease is None:
                break
            assert lease.message_id in self.alive
            key = self.keys[lease.message_id].strip()
            if key:
                assert lease.message_id == min(each for each in self.alive if self.keys[each] == key)
                assert all(self.keys[other.message_id] != key for other in self.leases)
            self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(which=st.randoms())
    def acknowledge(self, which: Random) -> None:
        """A confirmed ack, retained."""
        lease = self.leases.pop(which.randrange(len(self.leases)))
        assert self.backlog.acknowledge(lease) == "acknowledged"
        self.transaction.remove(SUBSCRIPTION, lease.message_id, lease.attempt)
        self.transaction.retained[SUBSCRIPTION].append(lease.message_id)
        self.commit()
        self.alive.remove(lease.message_id)

    @precondition(lambda self: self.leases)
    @rule(which=st.randoms())
    def refuse(self, which: Random) -> None:
        """A nack."""
        lease = self.leases.pop(which.randrange(len(self.leases)))
        assert self.backlog.nack(lease, self.now) == "waiting"

    @rule(seconds=st.floats(0, 30))
    def pass_time(self, seconds: float) -> None:
        """Deadlines run out."""
        self.now += seconds
        for lease, _ in self.backlog.expire_leases(self.now):
            self.leases.remove(lease)

    @precondition(lambda self: self.keys)
    @rule(which=st.randoms())
    def seek_to_time(self, which: Random) -> None:
        """To just before one of the messages there ever were."""
        first = which.choice(sorted(self.keys))
        self.seek(seek_sql.seek_to_time(SUBSCRIPTION, "", TOPIC, first, retain=True))
        self.alive = {number for number in self.keys if number >= first}

    @rule()
    def take_snapshot(self) -> None:
        """In place of the last one."""
        self.transaction.resources += seek_sql.release(SNAPSHOT)
        self.transaction.resources.append(seek_sql.retain_backlog(SNAPSHOT, SUBSCRIPTION))
        self.commit()
        self.held = set(self.alive)

    @precondition(lambda self: self.held is not None)
    @rule()
    def seek_to_snapshot(self) -> None:
        """To what was unacknowledged then, and all since."""
        assert self.held is not None
        self.seek(seek_sql.seek_to_snapshot(SUBSCRIPTION, "", SNAPSHOT, retain=True))
        self.alive = set(self.held)

    @rule()
    def restart(self) -> None:
        """SIGKILL: memory is gone, the file is not."""
        self.store.close()
        self.store = Store(self.directory / "test.sqlite")
        self.backlog = OrderedBacklog(TERMS)
        self.backlog.add_ordering_keys(
            self.store.query(lambda database: seek_sql.ordering_keys(database, SUBSCRIPTION))
        )
        for message_id, _, attempts in self.store.backlog():
            self.backlog.load(message_id, attempts)
        self.leases.clear()

    def seek(self, statements: list[Statement]) -> None:
        """What Seeks does."""
        self.transaction.resources += statements
        self.commit()
        found = self.store.query(lambda database: seek_sql.unacknowledged(database, SUBSCRIPTION))
        before, self.backlog = self.backlog, OrderedBacklog(TERMS)
        refill(self.backlog, before, found)
        self.leases.clear()

    @invariant()
    def what_is_here_is_what_should_be(self) -> None:
        """In memory and in the file; and nothing that was retained is gone."""
        assert len(self.backlog) == len(self.alive)
        assert {message_id for message_id, _, _ in self.store.backlog()} == self.alive
        assert self.store.read(sorted(self.keys), 10**9).keys() == self.keys.keys()


TestOrderAndSeek = OrderAndSeek.TestCase
TestOrderAndSeek.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
