"""What a restart finds, and what a disk that refuses does."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from localpubsub.errors import CannotStart, StoreFailure
from localpubsub.storage.data_directory import DataDirectory
from localpubsub.storage.journal import Journal
from localpubsub.storage.migrations import SCHEMA_VERSION
from localpubsub.storage.store import Store
from localpubsub.storage.transaction import Transaction


def publish(store: Store, *message_ids: int, subscriptions: tuple[int, ...] = (1,)) -> None:
    """One transaction of messages whose records are their ids."""
    transaction = Transaction()
    transaction.last_id = message_ids[-1]
    transaction.publish(9, subscriptions, [(message_id, b"%d" % message_id) for message_id in message_ids])
    store.write(transaction)


def remove(store: Store, subscription: int, *message_ids: int) -> None:
    """One transaction of acks."""
    transaction = Transaction()
    for message_id in message_ids:
        transaction.remove(subscription, message_id, 1)
    store.write(transaction)


@pytest.mark.parametrize("count", [1, 2, 17, 300, 1000])
def test_every_message_of_a_batch_is_written(tmp_path: Path, count: int) -> None:
    """Batches of any size come back whole, in order."""
    store = Store(tmp_path / "db")
    publish(store, *range(1, count + 1))
    store.close()
    store = Store(tmp_path / "db")
    assert list(store.backlog()) == [(message_id, 1, 0) for message_id in range(1, count + 1)]
    assert len(store.read(range(1, count + 1), 10**9)) == count
    assert store.last_id() == count
    store.close()


def test_a_message_goes_when_its_last_subscription_acknowledged() -> None:
    """Fan-out keeps one body until every copy is done with."""
    store = Store(None)
    publish(store, 1, 2, subscriptions=(1, 2))
    remove(store, 1, 1)
    assert sorted(store.read([1, 2], 10**9)) == [1, 2]
    remove(store, 2, 1)
    assert sorted(store.read([1, 2], 10**9)) == [2]
    store.close()


def test_counts_of_deliveries_are_kept() -> None:
    """max_delivery_attempts is exact across restarts only if they are."""
    store = Store(None)
    publish(store, 1, 2, 3)
    transaction = Transaction()
    transaction.set_attempts(1, 1, 3)
    transaction.set_attempts(1, 2, 1)
    transaction.set_attempts(1, 3, 1)
    transaction.remove(1, 3, 1)
    store.write(transaction)
    assert list(store.backlog()) == [(1, 1, 3), (2, 1, 1)]
    store.close()


def test_reading_stops_when_it_has_enough() -> None:
    """A backlog of ten-megabyte messages is not read ahead into memory."""
    store = Store(None)
    publish(store, 11, 12, 13, 14)
    assert sorted(store.read([14, 12, 11], max_bytes=3)) == [12, 14]
    assert store.read([99], max_bytes=3) == {}
    store.close()


def test_a_refused_transaction_leaves_nothing(tmp_path: Path) -> None:
    """All or nothing, and the next one works."""
    store = Store(tmp_path / "db")
    publish(store, 1)
    transaction = Transaction()
    transaction.publish(9, [1], [(2, b"two"), (1, b"twice")])
    with pytest.raises(StoreFailure):
        store.write(transaction)
    publish(store, 3)
    assert [message_id for message_id, _, _ in store.backlog()] == [1, 3]
    store.close()


def test_a_full_disk_is_resource_exhausted(tmp_path: Path) -> None:
    """The publisher learns that its messages were not kept, and why."""
    store = Store(tmp_path / "db")
    store._connection.execute("PRAGMA max_page_count = 20")  # noqa: SLF001 - the smallest full disk there is
    transaction = Transaction()
    transaction.publish(9, [1], [(1, b"x" * 1_000_000)])
    with pytest.raises(StoreFailure) as refused:
        store.write(transaction)
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    store.close()


def test_a_newer_format_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    """An old version must not write into a file that it cannot read; the error says what to do."""
    Store(tmp_path / "db").close()
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(CannotStart, match=r"written by a newer localpubsub .*another directory with --data"):
        Store(tmp_path / "db")
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)


def test_a_file_of_another_kind_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """No stack trace for a wrong --data."""
    (tmp_path / "db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(CannotStart, match="--data"):
        Store(tmp_path / "db")


def test_a_directory_belongs_to_one_server(tmp_path: Path) -> None:
    """Two servers on one file would deliver everything twice and lose count."""
    held = DataDirectory(tmp_path)
    with pytest.raises(CannotStart, match="in use by another localpubsub"):
        DataDirectory(tmp_path)
    held.close()
    DataDirectory(tmp_path).close()


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    """With a sentence, again."""
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="Choose another with --data"):
        DataDirectory(tmp_path / "file")


def test_commits_are_shared() -> None:
    """Whatever is gathered while the disk writes is written together, once."""
    written: list[int] = []

    async def scenario() -> None:
        store = Store(None)
        journal = Journal(store, lambda done: written.append(len(done.messages)), lambda _: None)

        async def publish_one(message_id: int) -> None:
            journal.next.publish(9, [1], [(message_id, b"x")])
            await journal.commit()
            assert message_id in store.read([message_id], 1)

        await asyncio.gather(*(publish_one(message_id) for message_id in range(1, 101)))
        await journal.close()
        store.close()

    asyncio.run(scenario())
    assert sum(written) == 100
    assert len(written) <= 2


def test_whoever_waits_hears_of_the_refusal() -> None:
    """A publish that the disk refuses fails; it is not confirmed, and later ones are not held up."""
    refused: list[Transaction] = []

    async def scenario() -> None:
        store = Store(None)
        journal = Journal(store, lambda _: None, refused.append)
        for message_id in (1, 1, 2):
            journal.next.publish(9, [1], [(message_id, b"x")])
            waiting = asyncio.ensure_future(journal.commit())
            hung_up = asyncio.ensure_future(journal.commit())
            await asyncio.sleep(0)
            hung_up.cancel()
            if message_id == 1 and store.read([1], 1):
                with pytest.raises(StoreFailure):
                    await waiting
            else:
                await waiting
        assert list(store.read([1, 2], 10)) == [1, 2]
        await journal.close()
        store.close()

    asyncio.run(scenario())
    assert len(refused) == 1
