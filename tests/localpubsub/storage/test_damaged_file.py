"""Disks that are full, files that are damaged: an error each time, never a silent loss, never an attempt."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from google.api_core.exceptions import GoogleAPICallError, InternalServerError
from google.pubsub_v1.types import DeadLetterPolicy, PubsubMessage, PushConfig

import localpubsub
from localpubsub.storage.store import MAX_CHECKED_BYTES, MAX_WAL_BYTES, Store
from localpubsub.storage.transaction import Transaction
from tests.servers.localpubsub_process import running_process
from tests.servers.pubsub_client import PubsubClient, connect
from tests.servers.push_endpoint import running_endpoint

FAST = 60.0  #: time scale, for what waits ten seconds of the server's


@contextmanager
def unreadable(data: Path) -> Iterator[None]:
    """While the block lasts, no message can be read from the store."""
    with closing(sqlite3.connect(data / "pubsub.sqlite")) as another:
        another.execute("ALTER TABLE message RENAME TO hidden")
        try:
            yield
        finally:
            another.execute("ALTER TABLE hidden RENAME TO message")


def poison(pubsub: PubsubClient) -> str:
    """A subscription with one message, which five failed attempts would bury."""
    topic = pubsub.topic()
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=5)
    subscription = pubsub.subscription(topic, dead_letter_policy=policy, ack_deadline_seconds=600)
    pubsub.publish(topic, b"kept")
    return subscription


def test_a_push_that_cannot_be_read_is_no_attempt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Our own failure must not bury a message: it is taken back, tried again, and told of once."""
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        subscription = poison(pubsub)
    with (
        running_endpoint() as endpoint,
        localpubsub.running(data=tmp_path, time_scale=FAST) as server,
        connect(server.host) as pubsub,
    ):
        with unreadable(tmp_path), caplog.at_level("ERROR"):
            push = PushConfig(push_endpoint=endpoint.url)
            pubsub.subscriber.modify_push_config(subscription=subscription, push_config=push)
            with pytest.raises(AssertionError):
                endpoint.wait_for(1, timeout=1.5)  # nine tries of the server's ten seconds
        (delivered,) = endpoint.wait_for(1)
    assert delivered.envelope["deliveryAttempt"] == 1
    assert [record.message for record in caplog.records if "cannot read message" in record.message]
    assert len(caplog.records) <= 2


def test_a_pull_that_cannot_be_read_is_no_attempt(tmp_path: Path) -> None:
    """The subscriber hears of it, and later gets the message as its first delivery."""
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        subscription = poison(pubsub)
    with localpubsub.running(data=tmp_path, time_scale=FAST) as server, connect(server.host) as pubsub:
        with unreadable(tmp_path):
            for _ in range(6):
                with pytest.raises(InternalServerError, match="could not read messages"):
                    pubsub.subscriber.pull(subscription=subscription, max_messages=1, retry=None)
        (received,) = pubsub.pull(subscription)
    assert received.delivery_attempt == 1


def test_one_damaged_message_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """Those beside it are read without it; so are those of a file too large to be checked at the start."""
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, ack_deadline_seconds=600)
        first, *others = pubsub.publish(topic, *[b"x" * 20_000] * 20)
    with closing(sqlite3.connect(tmp_path / "pubsub.sqlite")) as another:
        another.execute(
            "UPDATE message SET record = zeroblob(?) WHERE id = ?", (MAX_CHECKED_BYTES, int(first))
        )
        another.commit()
    _point_nowhere(tmp_path / "pubsub.sqlite")
    with localpubsub.running(data=tmp_path) as server, connect(server.host) as pubsub:
        with pytest.raises(InternalServerError, match="malformed"):
            pubsub.subscriber.pull(subscription=subscription, max_messages=20, retry=None)
        found = [received.message.message_id for received in pubsub.pull(subscription, len(others))]
    assert sorted(found) == sorted(others)


def _point_nowhere(file: Path) -> None:
    """Make one page of a record of zeros lead outside of the file."""
    content = bytearray(file.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    for start in range(size, len(content), size):
        page = content[start : start + size]
        # An overflow page is the number of the next, then content.
        if not any(page[4:]) and any(page[:4]):
            content[start : start + 4] = b"\xff" * 4
            break
    file.write_bytes(content)


def test_a_damaged_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """At the start, when there is still somebody to read it."""
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


def test_a_disk_that_fills_up_loses_nothing_confirmed(tmp_path: Path) -> None:
    """Publishing fails with a sentence; what was confirmed before is there after a restart with room."""
    confirmed: list[str] = []
    with (
        running_process("--data", str(tmp_path), max_file_kib=2000) as server,
        connect(server.host) as pubsub,
    ):
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        messages = [PubsubMessage(data=b"x" * 10_000)] * 10

        def publish_until_refused() -> None:
            while len(confirmed) < 1000:
                answer = pubsub.publisher.publish(topic=topic, messages=messages, retry=None)
                confirmed.extend(answer.message_ids)

        with pytest.raises(GoogleAPICallError, match="localpubsub could not write"):
            publish_until_refused()
        server.kill()
    assert len(confirmed) > 50
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        found = [received.message.message_id for received in pubsub.pull(subscription, len(confirmed))]
        assert pubsub.pull_now(subscription) == []
    assert sorted(found) == sorted(confirmed)


def test_the_log_does_not_grow_without_end(tmp_path: Path) -> None:
    """However much is written, SQLite's write-ahead log is folded in again and again."""
    store = Store(tmp_path / "db")
    for batch in range(60):
        transaction = Transaction()
        numbers = range(batch * 1000, batch * 1000 + 1000)
        transaction.publish(9, [1], [(number, b"x" * 1000) for number in numbers])
        store.write(transaction)
    assert (tmp_path / "db-wal").stat().st_size <= MAX_WAL_BYTES
    store.close()


@pytest.mark.parametrize(("fsync", "level"), [(False, 1), (True, 2)])
def test_fsync_waits_for_the_disk(tmp_path: Path, fsync: bool, level: int) -> None:
    """synchronous=NORMAL survives the death of the process, FULL that of the machine."""
    store = Store(tmp_path / "db", fsync=fsync)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (level,)  # noqa: SLF001 - no other face
    store.close()


def test_a_waiting_message_costs_few_bytes(tmp_path: Path) -> None:
    """50,000 messages of 1 KB on disk: what they add to the memory of a started server."""
    full, empty = tmp_path / "full", tmp_path / "empty"
    with localpubsub.running(data=full) as server, connect(server.host) as pubsub:
        pubsub.subscription(pubsub.topic())
    store = Store(full / "pubsub.sqlite")
    ((topic, _),), ((subscription, _),) = store.topics(), store.subscriptions()
    for first in range(store.last_id() + 1, store.last_id() + 50_000, 1000):
        transaction = Transaction()
        numbers = range(first, first + 1000)
        transaction.publish(topic, [subscription], [(number, b"x" * 1000) for number in numbers])
        store.write(transaction)
    store.close()
    with running_process("--data", str(empty)) as one, running_process("--data", str(full)) as other:
        added = other.resident_bytes() - one.resident_bytes()
    assert added / 50_000 < 200
