"""Tests the store, the journal and the data directory with restarts, failed writes and unusable files."""

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
    """Write one transaction with messages whose records are their ids."""
    transaction = Transaction()
    transaction.last_id = message_ids[-1]
    transaction.publish(9, subscriptions, [(message_id, b"%d" % message_id) for message_id in message_ids])
    store.write(transaction)


def remove(store: Store, subscription: int, *message_ids: int) -> None:
    """Write one transaction that removes messages."""
    transaction = Transaction()
    for message_id in message_ids:
        transaction.remove(subscription, message_id, 1)
    store.write(transaction)


@pytest.mark.parametrize("count", [1, 2, 17, 300, 1000])
def test_batch_of_any_size_is_written(tmp_path: Path, count: int) -> None:
    """A batch of any size is written, and can be read in order after the file was opened again."""
    store = Store(tmp_path / "db")
    publish(store, *range(1, count + 1))
    store.close()
    store = Store(tmp_path / "db")
    assert list(store.backlog()) == [(message_id, 1, 0) for message_id in range(1, count + 1)]
    assert len(store.read(range(1, count + 1), 10**9)) == count
    assert store.last_id() == count
    store.close()


def test_message_is_deleted_after_its_last_subscription_acknowledged() -> None:
    """The record of a message is kept until all subscriptions have acknowledged the message."""
    store = Store(None)
    publish(store, 1, 2, subscriptions=(1, 2))
    remove(store, 1, 1)
    assert sorted(store.read([1, 2], 10**9)) == [1, 2]
    remove(store, 2, 1)
    assert sorted(store.read([1, 2], 10**9)) == [2]
    store.close()


def test_delivery_attempts_are_stored() -> None:
    """The store returns the number of delivery attempts of each message that was not removed."""
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


def test_read_stops_after_max_bytes() -> None:
    """A read stops after the message with which the total size reaches max_bytes."""
    store = Store(None)
    publish(store, 11, 12, 13, 14)
    assert sorted(store.read([14, 12, 11], max_bytes=3)) == [12, 14]
    assert store.read([99], max_bytes=3) == {}
    store.close()


def test_failed_transaction_is_rolled_back(tmp_path: Path) -> None:
    """No part of a failed transaction is written, and the next transaction succeeds."""
    store = Store(tmp_path / "db")
    publish(store, 1)
    transaction = Transaction()
    transaction.publish(9, [1], [(2, b"two"), (1, b"id in use")])
    with pytest.raises(StoreFailure):
        store.write(transaction)
    publish(store, 3)
    assert [message_id for message_id, _, _ in store.backlog()] == [1, 3]
    store.close()


def test_full_disk_raises_resource_exhausted(tmp_path: Path) -> None:
    """If the disk is full, StoreFailure has the status code RESOURCE_EXHAUSTED."""
    store = Store(tmp_path / "db")
    store._connection.execute("PRAGMA max_page_count = 20")  # noqa: SLF001 - simulates a full disk
    transaction = Transaction()
    transaction.publish(9, [1], [(1, b"x" * 1_000_000)])
    with pytest.raises(StoreFailure) as failed:
        store.write(transaction)
    assert failed.value.code == "RESOURCE_EXHAUSTED"
    store.close()


def test_newer_format_raises_cannot_start_and_is_not_changed(tmp_path: Path) -> None:
    """A file of a newer format is not changed, and the error names the remedy."""
    Store(tmp_path / "db").close()
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(CannotStart, match=r"written by a newer localpubsub .*another directory with --data"):
        Store(tmp_path / "db")
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)


def test_file_that_is_not_a_database_raises_cannot_start(tmp_path: Path) -> None:
    """The error for a file that is not an SQLite database names the option --data."""
    (tmp_path / "db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(CannotStart, match="--data"):
        Store(tmp_path / "db")


def test_data_directory_is_locked_by_one_server(tmp_path: Path) -> None:
    """A data directory cannot be opened a second time until the first DataDirectory is closed."""
    locked = DataDirectory(tmp_path)
    with pytest.raises(CannotStart, match="in use by another localpubsub"):
        DataDirectory(tmp_path)
    locked.close()
    DataDirectory(tmp_path).close()


def test_data_path_that_is_a_file_raises_cannot_start(tmp_path: Path) -> None:
    """The error for a data directory that is a file names the option --data."""
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="Choose another with --data"):
        DataDirectory(tmp_path / "file")


def test_write_after_an_unforeseen_error_succeeds() -> None:
    """An integer that SQLite cannot hold fails its own transaction, which is rolled back, and no other."""
    store = Store(None)
    transaction = Transaction()
    transaction.resources.append(("INSERT INTO last_id VALUES (1, ?)", (2**63,)))
    with pytest.raises(StoreFailure, match="OverflowError"):
        store.write(transaction)
    publish(store, 1)
    assert list(store.backlog()) == [(1, 1, 0)]
    store.close()


def test_concurrent_commits_share_a_transaction() -> None:
    """A hundred concurrent commits need at most two transactions."""
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


def test_commit_raises_store_failure_and_later_commits_succeed() -> None:
    """A commit that cannot be written raises StoreFailure, and the next commit is written."""
    failed_transactions: list[Transaction] = []

    async def scenario() -> None:
        store = Store(None)
        journal = Journal(store, lambda _: None, failed_transactions.append)
        for message_id in (1, 1, 2):  # the second transaction fails, because its id is in use
            journal.next.publish(9, [1], [(message_id, b"x")])
            waiting = asyncio.ensure_future(journal.commit())
            cancelled = asyncio.ensure_future(journal.commit())
            await asyncio.sleep(0)
            cancelled.cancel()
            if message_id == 1 and store.read([1], 1):
                with pytest.raises(StoreFailure):
                    await waiting
            else:
                await waiting
        assert list(store.read([1, 2], 10)) == [1, 2]
        await journal.close()
        store.close()

    asyncio.run(scenario())
    assert len(failed_transactions) == 1
