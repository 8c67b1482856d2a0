"""Tests operations on many messages: they are done in slices, beside other calls, and survive SIGKILL."""

import sqlite3

import pytest

from localpubsub.broker import broker, dead_lettering
from localpubsub.broker.subscription_deletion import delete_subscription
from localpubsub.protocol.messages import CreateSnapshotRequest, PubsubMessage, RequestPb, SeekRequest, Topic
from localpubsub.storage import slices
from localpubsub.storage.journal import COMMIT_DELAY
from localpubsub.storage.slices import Selection
from localpubsub.storage.store import Store
from tests.localpubsub.broker.stepped_broker import DEAD_TOPIC, NAME, TOPIC, SteppedBroker

SNAPSHOT = "projects/p/snapshots/nnn"
MANY = [b"%d" % number for number in range(20)]  #: Data of more messages than a slice has rows.


def purge(stepped: SteppedBroker) -> RequestPb:
    """Return the request of a seek that acknowledges all messages."""
    request = SeekRequest(subscription=NAME)
    request.time.seconds = int(stepped.loop.now) + 60
    return request


def rows(stepped: SteppedBroker, table: str) -> int:
    """Return the number of rows of a table."""
    return int(stepped.store.query(lambda database: _count(database, table)))


def _count(database: sqlite3.Connection, table: str) -> int:
    found = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - the name of a table
    return int(found[0])


def test_purge_returns_before_its_rows_are_removed(stepped: SteppedBroker) -> None:
    """A seek past all messages takes two transactions, however many messages there are."""
    stepped.create()
    stepped.publish(*MANY)
    seek = stepped.start(stepped.seeker.seek(purge(stepped)))
    stepped.step(2)
    assert seek.done()
    assert rows(stepped, "message") == len(MANY)
    assert len(stepped.broker.catalogue.subscription(NAME).backlog) == 0
    stepped.finish()
    assert rows(stepped, "message") == 0


@pytest.mark.parametrize("steps", range(14))
def test_purge_is_complete_or_has_not_begun_after_sigkill(stepped: SteppedBroker, steps: int) -> None:
    """A kill during a purge or the removal of its rows loses no message halfway, and leaves no row."""
    stepped.create()
    message_ids = stepped.publish(*MANY)
    seek = stepped.start(stepped.seeker.seek(purge(stepped)))
    stepped.step(steps)
    returned = seek.done()
    stepped.restart()
    stepped.finish()
    in_memory, on_disk = stepped.unacknowledged()
    assert in_memory == on_disk
    assert in_memory in ([], message_ids)
    assert not returned or not in_memory
    assert rows(stepped, "message") == rows(stepped, "backlog") == len(in_memory)


@pytest.mark.parametrize("steps", [0, 3, 8, 13, 20])
def test_seek_to_a_snapshot_is_complete_or_has_not_begun_after_sigkill(
    stepped: SteppedBroker, steps: int
) -> None:
    """A kill during a seek that unacknowledges many messages leaves the state before or after it."""
    stepped.create()
    message_ids = stepped.publish(*MANY)
    stepped.call(stepped.broker.snapshots.create(CreateSnapshotRequest(name=SNAPSHOT, subscription=NAME)))
    stepped.call(stepped.seeker.seek(purge(stepped)))
    seek = stepped.start(stepped.seeker.seek(SeekRequest(subscription=NAME, snapshot=SNAPSHOT)))
    stepped.step(steps)
    returned = seek.done()
    stepped.restart()
    stepped.finish()
    in_memory, on_disk = stepped.unacknowledged()
    assert in_memory == on_disk
    assert in_memory in ([], message_ids)
    assert not returned or in_memory
    assert rows(stepped, "message") == len(MANY)


def test_publish_waits_for_one_slice_only(stepped: SteppedBroker) -> None:
    """A message that is published during the removal of many rows is on disk after the current slice."""
    stepped.create()
    stepped.publish(*MANY)
    stepped.start(stepped.seeker.seek(purge(stepped)))
    stepped.step(3)
    assert rows(stepped, "backlog") == len(MANY) - 2
    published = stepped.start(stepped.broker.publish(TOPIC, [PubsubMessage(data=b"x")]))
    assert len(stepped.jobs) == 2, "the current slice, and the write of the new message"
    stepped.step(2)
    assert published.done()


def test_messages_published_during_a_seek_are_delivered_after_it(stepped: SteppedBroker) -> None:
    """Messages that are published while a seek copies the backlog are delivered after it, once each."""
    stepped.create()
    stepped.publish(*MANY)
    stepped.call(stepped.broker.snapshots.create(CreateSnapshotRequest(name=SNAPSHOT, subscription=NAME)))
    seek = stepped.start(stepped.seeker.seek(SeekRequest(subscription=NAME, snapshot=SNAPSHOT)))
    for number in range(5):
        stepped.start(stepped.broker.publish(TOPIC, [PubsubMessage(data=b"new %d" % number)]))
        stepped.step(2)
    assert not seek.done()
    stepped.finish()
    in_memory, on_disk = stepped.unacknowledged()
    assert len(in_memory) == len(MANY) + 5
    assert in_memory == on_disk


def test_message_that_is_acknowledged_while_a_snapshot_is_made_is_in_it(stepped: SteppedBroker) -> None:
    """A snapshot contains what was unacknowledged when its creation began."""
    stepped.create()
    message_ids = stepped.publish(*MANY)
    creation = stepped.start(
        stepped.broker.snapshots.create(CreateSnapshotRequest(name=SNAPSHOT, subscription=NAME))
    )
    stepped.step(2)
    leases = [stepped.lease() for _ in MANY]
    stepped.acknowledge(leases[-1])
    stepped.advance(0.02)
    stepped.finish()
    assert creation.done()
    stepped.call(stepped.seeker.seek(SeekRequest(subscription=NAME, snapshot=SNAPSHOT)))
    assert stepped.unacknowledged()[0] == message_ids


def test_rows_of_unknown_numbers_are_removed_at_the_start(stepped: SteppedBroker) -> None:
    """Rows that a deletion left when the process was killed are removed; other rows stay."""
    stepped.create()
    message_ids = stepped.publish(*MANY)
    stepped.start(delete_subscription(stepped.broker.catalogue, NAME))
    stepped.step(2)
    stepped.restart()
    stepped.create(name=f"{NAME}2")
    (kept,) = stepped.publish(b"kept")
    stepped.finish()
    assert list(stepped.store.read([*message_ids, kept], 10**6)) == [kept]
    assert rows(stepped, "backlog") == 1


def test_removal_that_begins_during_a_smaller_one_is_complete(stepped: SteppedBroker) -> None:
    """If rows up to an id are being removed, the removal of all rows of the same number is not left out."""
    stepped.create(retain_acked_messages=True)
    message_ids = stepped.publish(*MANY)
    stepped.call(stepped.seeker.seek(purge(stepped)))
    assert rows(stepped, "retained") == len(MANY)
    sweeper, number = stepped.broker.sweeper, stepped.broker.catalogue.subscription(NAME).number
    stepped.do(sweeper.sweep, "retained", number, message_ids[3])
    stepped.do(sweeper.sweep, "retained", number)
    stepped.finish()
    assert rows(stepped, "retained") == rows(stepped, "message") == 0


def test_slices_search_by_index() -> None:
    """No statement of a slice scans a table, so that its time does not depend on what else is stored."""
    store = Store(None)
    statements: list[str] = []
    selection = Selection(1, keeps_backlog=True, owners=(2, 3), first=1, end=9, filter="", ordered=True)

    def plans(database: sqlite3.Connection) -> list[str]:
        execute = database.execute
        database.set_trace_callback(statements.append)
        execute("INSERT INTO backlog VALUES (1, 5, 0, 0), (7, 5, 0, 0)")
        execute("INSERT INTO retained VALUES (2, 5), (2, 6), (3, 6)")
        execute("INSERT INTO message VALUES (5, 1, x''), (6, 1, x'')")
        slices.copy(database, 4, selection, 9, 0)
        slices.retain(database, 4, 8, selection, 0)
        slices.remove(database, 4, "backlog", 1, 9)
        slices.remove(database, 4, "retained", 2, 9)
        slices.oldest(database, 7)
        database.set_trace_callback(None)
        return [
            row[3]
            for statement in statements
            if statement.lstrip().startswith(("SELECT", "INSERT", "DELETE"))
            for row in execute(f"EXPLAIN QUERY PLAN {statement}")
        ]

    found = store.query(plans)
    store.close()
    tables = {"backlog", "retained", "message"}
    scanned = [line for line in found if line.startswith("SCAN") and line.split()[1] in tables]
    assert any(line.startswith("SEARCH") for line in found)
    assert not scanned


def test_leases_expire_some_at_a_time(stepped: SteppedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """If many leases expire at the same moment, other calls have their turn before all have ended."""
    monkeypatch.setattr(broker, "EXPIRED_AT_ONCE", 3)
    subscription = stepped.create()
    stepped.publish(*MANY)
    for _ in MANY:
        stepped.lease()
    stepped.advance(10.5)
    assert len(subscription.backlog.outstanding) == len(MANY) - 3
    while subscription.backlog.outstanding:
        before = len(subscription.backlog.outstanding)
        stepped.advance(0.01)
        assert before - 3 <= len(subscription.backlog.outstanding) < before
    assert [stepped.lease().attempt for _ in MANY] == [2] * len(MANY)


def test_dead_letters_are_moved_some_at_a_time(
    stepped: SteppedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the final attempts of many messages fail at the same moment, no transaction moves all of them."""
    monkeypatch.setattr(dead_lettering, "MOVED_AT_ONCE", 3)
    policy = {"dead_letter_topic": DEAD_TOPIC, "max_delivery_attempts": 5}
    stepped.call(stepped.broker.catalogue.create_topic(Topic(name=DEAD_TOPIC)))
    dead = stepped.create(name="projects/p/subscriptions/dead", topic=DEAD_TOPIC)
    subscription = stepped.create(dead_letter_policy=policy)
    stepped.publish(*MANY)
    leases = [stepped.lease() for _ in MANY]

    def nack_all() -> None:
        for lease in leases:
            lease.final_attempt = True
            stepped.broker.nack(subscription, lease)

    stepped.do(nack_all)
    moved = [0]
    while moved[-1] < len(MANY):
        stepped.step()
        moved.append(len(dead.backlog))
        assert moved[-1] - moved[-2] <= 3
        stepped.advance(COMMIT_DELAY)
    stepped.finish()
    assert rows(stepped, "backlog") == rows(stepped, "message") == len(MANY)
    assert stepped.unacknowledged() == ([], [])


def test_check_for_expired_messages_starts_no_task_for_nothing(stepped: SteppedBroker) -> None:
    """With a high time scale, tasks of a thousand subscriptions would take the whole processor time."""
    subscription = stepped.create()
    stepped.loop.now += broker.EXPIRY_INTERVAL

    def check() -> int:
        stepped.broker._advance()  # noqa: SLF001 - the alarm calls it
        return len(subscription.removals)

    assert stepped.do(check) == 0


def test_removals_of_many_subscriptions_take_turns(stepped: SteppedBroker) -> None:
    """After the deletion of many subscriptions, a call waits for one slice of one of them only."""
    names = [f"projects/p/subscriptions/number-{number}" for number in range(9)]
    for name in names:
        stepped.create(name=name)
    stepped.publish(*MANY)
    for name in names:
        stepped.start(delete_subscription(stepped.broker.catalogue, name))
    stepped.step(2)
    assert not stepped.broker.catalogue.subscriptions
    assert len(stepped.jobs) == 1, "the current slice"
    stepped.finish()
    assert rows(stepped, "backlog") == rows(stepped, "message") == 0
