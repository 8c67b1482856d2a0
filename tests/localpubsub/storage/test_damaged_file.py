"""Tests full disks and damaged files: errors are reported, and no message is lost silently."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from google.api_core.exceptions import GoogleAPICallError, InternalServerError
from google.pubsub_v1.types import BigQueryConfig, DeadLetterPolicy, PubsubMessage, PushConfig

import localpubsub
from localpubsub.protocol.messages import Topic
from localpubsub.storage.store import MAX_CHECKED_BYTES, MAX_WAL_BYTES, Store
from localpubsub.storage.transaction import Transaction
from tests.localpubsub.broker.stepped_broker import DEAD_TOPIC, SteppedBroker
from tests.servers.localpubsub_process import running_process
from tests.servers.pubsub_client import PubsubClient, connect
from tests.servers.push_endpoint import running_endpoint
from tests.servers.waiting import wait_until

FAST = 60.0  #: Time scale, because some retries take ten seconds of the server's time.


@pytest.fixture
def stepped(tmp_path: Path) -> Iterator[SteppedBroker]:
    """A broker that runs step by step."""
    stepped = SteppedBroker(tmp_path / "db")
    yield stepped
    stepped.close()


@contextmanager
def unreadable(data: Path) -> Iterator[None]:
    """Make every read of a message fail until the block ends."""
    with closing(sqlite3.connect(data / "pubsub.sqlite")) as connection:
        connection.execute("ALTER TABLE message RENAME TO hidden")
        try:
            yield
        finally:
            connection.execute("ALTER TABLE hidden RENAME TO message")


def subscription_with_dead_letter_policy(pubsub: PubsubClient) -> str:
    """Create a subscription with one message and a dead-letter policy with five attempts."""
    topic = pubsub.topic()
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=5)
    subscription = pubsub.subscription(topic, dead_letter_policy=policy, ack_deadline_seconds=600)
    pubsub.publish(topic, b"kept")
    return subscription


def test_push_of_an_unreadable_message_is_not_counted_as_an_attempt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While the store cannot read a message, no attempt is counted, and the errors are logged rarely."""
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        subscription = subscription_with_dead_letter_policy(pubsub)
    with (
        running_endpoint() as endpoint,
        localpubsub.running(data=tmp_path, time_scale=FAST) as server,
        connect(server.host) as pubsub,
    ):
        with unreadable(tmp_path), caplog.at_level("ERROR"):
            push = PushConfig(push_endpoint=endpoint.url)
            pubsub.subscriber.modify_push_config(subscription=subscription, push_config=push)
            with pytest.raises(AssertionError):
                endpoint.wait_for(1, timeout=1.5)  # nine retries happen in this time
            wait_until(lambda: "cannot read message" in caplog.text)
        (delivered,) = endpoint.wait_for(1)
    assert delivered.envelope["deliveryAttempt"] == 1
    assert [record.message for record in caplog.records if "cannot read message" in record.message]
    assert len(caplog.records) <= 2


def test_pull_of_an_unreadable_message_is_not_counted_as_an_attempt(tmp_path: Path) -> None:
    """A pull fails while the store cannot read the message; a later pull gets it with attempt 1."""
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        subscription = subscription_with_dead_letter_policy(pubsub)
    with localpubsub.running(data=tmp_path, time_scale=FAST) as server, connect(server.host) as pubsub:
        with unreadable(tmp_path):
            for _ in range(6):
                with pytest.raises(InternalServerError, match="could not read messages"):
                    pubsub.subscriber.pull(subscription=subscription, max_messages=1, retry=None)
        (received,) = pubsub.pull(subscription)
    assert received.delivery_attempt == 1


def test_damaged_message_does_not_block_the_others(tmp_path: Path) -> None:
    """In a file that is too large for the check at the start, only the damaged message is not delivered."""
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, ack_deadline_seconds=600)
        first, *others = pubsub.publish(topic, *[b"x" * 20_000] * 20)
    with closing(sqlite3.connect(tmp_path / "pubsub.sqlite")) as connection:
        connection.execute(
            "UPDATE message SET record = zeroblob(?) WHERE id = ?", (MAX_CHECKED_BYTES, int(first))
        )
        connection.commit()
    _damage_overflow_page(tmp_path / "pubsub.sqlite")
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        with pytest.raises(InternalServerError, match="malformed"):
            pubsub.subscriber.pull(subscription=subscription, max_messages=20, retry=None)
        found = [received.message.message_id for received in pubsub.pull(subscription, len(others))]
    assert sorted(found) == sorted(others)


def _damage_overflow_page(file: Path) -> None:
    """Damage one overflow page of a record of zeros: its pointer to the next page leads outside the file."""
    content = bytearray(file.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    for start in range(size, len(content), size):
        page = content[start : start + size]
        # An overflow page begins with the number of the next page; the rest is content.
        if not any(page[4:]) and any(page[:4]):
            content[start : start + 4] = b"\xff" * 4
            break
    file.write_bytes(content)


def test_damaged_file_raises_cannot_start(tmp_path: Path) -> None:
    """The error for a damaged file names the file and the remedy."""
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        pubsub.subscription(topic)
        pubsub.publish(topic, *[b"x" * 1000] * 200)
    file = tmp_path / "pubsub.sqlite"
    content = bytearray(file.read_bytes())
    content[5 * 4096 : 20 * 4096] = os.urandom(15 * 4096)
    file.write_bytes(content)
    with (
        pytest.raises(localpubsub.CannotStart, match=r"cannot use .*pubsub\.sqlite: .*Restore it"),
        localpubsub.running(data=tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE topic SET resource = x'ff'",
        "UPDATE subscription SET resource = x'ff'",
        "UPDATE subscription SET resource = 'text'",
        "UPDATE snapshot SET resource = x'ff'",
        "UPDATE policy SET policy = x'ff'",
        "INSERT INTO schema_revision VALUES (1, 'name', x'ff', x'')",
        "UPDATE last_id SET value = 'text'",
    ],
)
def test_damaged_resource_raises_cannot_start(tmp_path: Path, damage: str) -> None:
    """The error for a resource that cannot be decoded names the file and the remedy."""
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription)
        pubsub.publisher.set_iam_policy(request={"resource": topic, "policy": {"version": 1}})
    with closing(sqlite3.connect(tmp_path / "pubsub.sqlite")) as connection:
        assert connection.execute(damage).rowcount == 1
        connection.commit()
    with (
        pytest.raises(localpubsub.CannotStart, match=r"cannot use .*pubsub\.sqlite: .*Restore it"),
        localpubsub.running(data=tmp_path),
    ):
        pass


def damage_first_record(data: Path) -> None:
    """Replace the record of the first message by bytes that are no message."""
    with closing(sqlite3.connect(data / "pubsub.sqlite")) as connection:
        connection.execute("UPDATE message SET record = x'ff' WHERE id = (SELECT min(id) FROM message)")
        connection.commit()


def test_damaged_message_is_reported_by_the_pull(tmp_path: Path) -> None:
    """A pull of a message that cannot be decoded fails with a sentence, and the message is not lost."""
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        pubsub.publish(topic, b"x")
    damage_first_record(tmp_path)
    with (
        localpubsub.running(data=tmp_path) as server,
        connect(server.host) as pubsub,
        pytest.raises(InternalServerError, match="could not decode message"),
    ):
        pubsub.subscriber.pull(subscription=subscription, max_messages=1, retry=None)
    store = Store(tmp_path / "pubsub.sqlite")
    assert len(list(store.backlog())) == 1
    store.close()


def test_damaged_message_is_not_exported_and_does_not_block_the_others(tmp_path: Path) -> None:
    """An export writes the messages after one that cannot be decoded, which is not lost."""
    with localpubsub.running(data=tmp_path, create_tables=False) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        pubsub.subscription(topic, bigquery_config=BigQueryConfig(table="p.d.t"))
        pubsub.publish(topic, b"damaged", b"1", b"2")
    damage_first_record(tmp_path)
    with localpubsub.running(data=tmp_path) as server:
        wait_until(lambda: written(server) == [b"1", b"2"])
    store = Store(tmp_path / "pubsub.sqlite")
    assert len(list(store.backlog())) == 1
    store.close()


def written(server: localpubsub.RunningServer) -> list[bytes]:
    """Return the data in the table of the export, or nothing as long as there is no table."""
    if not server.warehouse.exists():
        return []
    with closing(sqlite3.connect(server.warehouse)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'd.t'").fetchone():
            return []
        return [data for (data,) in database.execute('SELECT data FROM "d.t" ORDER BY data')]


def test_damaged_message_is_not_dead_lettered(stepped: SteppedBroker) -> None:
    """A message that cannot be decoded after its final attempt stays, in memory and on disk."""
    policy = {"dead_letter_topic": DEAD_TOPIC, "max_delivery_attempts": 5}
    stepped.call(stepped.broker.catalogue.create_topic(Topic(name=DEAD_TOPIC)))
    stepped.create(dead_letter_policy=policy)
    (message_id,) = stepped.publish(b"x")
    stepped.store.change(lambda database: database.execute("UPDATE message SET record = x'ff'"))
    stepped.store.change(lambda database: database.execute("UPDATE backlog SET attempts = 5"))
    stepped.restart()
    stepped.finish()
    assert stepped.unacknowledged() == ([message_id], [message_id])


def test_full_disk_loses_no_confirmed_message(tmp_path: Path) -> None:
    """On a full disk a publish fails; after a restart with free space, no confirmed message is lost."""
    confirmed: list[str] = []
    with (
        running_process("--data", str(tmp_path), max_file_kib=2000) as server,
        connect(server.host) as pubsub,
    ):
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        messages = [PubsubMessage(data=b"x" * 10_000)] * 10

        def publish_until_failure() -> None:
            while len(confirmed) < 1000:
                response = pubsub.publisher.publish(topic=topic, messages=messages, retry=None)
                confirmed.extend(response.message_ids)

        with pytest.raises(GoogleAPICallError, match="localpubsub could not write"):
            publish_until_failure()
        server.kill()
    assert len(confirmed) > 50
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        found = [received.message.message_id for received in pubsub.pull(subscription, len(confirmed))]
        assert pubsub.pull_now(subscription) == []
    assert sorted(found) == sorted(confirmed)


def test_write_ahead_log_is_truncated(tmp_path: Path) -> None:
    """SQLite's write-ahead log stays below its limit after 60 MB were written."""
    store = Store(tmp_path / "db")
    for batch in range(60):
        transaction = Transaction()
        numbers = range(batch * 1000, batch * 1000 + 1000)
        transaction.publish(9, [1], [(number, b"x" * 1000) for number in numbers])
        store.write(transaction)
    assert (tmp_path / "db-wal").stat().st_size <= MAX_WAL_BYTES
    store.close()


@pytest.mark.parametrize(("fsync", "level"), [(False, 1), (True, 2)])
def test_fsync_sets_synchronous_full(tmp_path: Path, fsync: bool, level: int) -> None:
    """The store uses synchronous=NORMAL (1) by default, and FULL (2) with fsync."""
    store = Store(tmp_path / "db", fsync=fsync)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (level,)  # noqa: SLF001 - the store has no method for the level
    store.close()


def test_waiting_message_takes_few_bytes_of_memory(tmp_path: Path) -> None:
    """A started server needs less than 200 bytes of memory for each of 50,000 messages of 1 KB on disk."""
    full, empty = tmp_path / "full", tmp_path / "empty"
    with localpubsub.running(data=full) as server, connect(server.host) as pubsub:
        pubsub.subscription(pubsub.topic())
    store = Store(full / "pubsub.sqlite")
    ((topic, _),), ((subscription, _, _),) = store.topics(), store.subscriptions()
    for first in range(store.last_id() + 1, store.last_id() + 50_000, 1000):
        transaction = Transaction()
        numbers = range(first, first + 1000)
        transaction.publish(topic, [subscription], [(number, b"x" * 1000) for number in numbers])
        store.write(transaction)
    store.close()
    with running_process("--data", str(empty)) as one, running_process("--data", str(full)) as other:
        added = other.resident_bytes() - one.resident_bytes()
    assert added / 50_000 < 200
