"""Reads and writes the SQLite file that keeps all state across restarts.

While the server runs, only the thread of journal.py uses the file. In WAL mode with ``synchronous=NORMAL`` a
commit survives the end of the process. If the machine loses power, the last commits may be lost, unless
``fsync`` sets FULL (https://sqlite.org/pragma.html#pragma_synchronous).
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf publishes no types

from localpubsub.backlog.message_ids import IdRange, MessageIds
from localpubsub.errors import CannotStart, RequestRejected, StoreFailure
from localpubsub.private_files import make_private_file
from localpubsub.storage import slices
from localpubsub.storage.migrations import SCHEMA_VERSION, file_version, migrate
from localpubsub.storage.transaction import Transaction

Result = TypeVar("Result")

#: Maximum bytes of the write-ahead log after a checkpoint. SQLite starts a checkpoint at 1,000 pages (4 MB).
MAX_WAL_BYTES: Final = 16_000_000
#: Maximum size, in bytes, of a file that is checked page by page at each start, which takes at most 0.1 s. In
#: a larger file a damaged message is found only when it is delivered.
MAX_CHECKED_BYTES: Final = 100_000_000

#: Possible numbers of rows of one INSERT. Python's sqlite3 releases the GIL for each statement and then waits
#: to get it back. With a busy event loop, a thousand inserts of one row would therefore wait a thousand
#: times. There are few sizes, so that all statements stay in sqlite3's cache of prepared statements.
_ROWS: Final = (256, 16, 4, 2, 1)
_INSERT: Final = {rows: "INSERT INTO message VALUES (?,?,?)" + ",(?,?,?)" * (rows - 1) for rows in _ROWS}

_READ: Final = """
WITH measured AS (
    SELECT message.id, length(record) AS size, sum(length(record)) OVER (ORDER BY key) AS total
    FROM json_each(?) JOIN message ON message.id = value
)
SELECT json_group_array(json_array(message.id, hex(record)))
FROM measured JOIN message USING (id) WHERE total - size < ?
"""


class Store:
    """One open database.

    If SQLite fails, ``query``, ``read`` and ``write`` raise StoreFailure. The other methods are for the start
    of the server, in the context ``starting()``.
    """

    def __init__(self, file: Path | None, *, fsync: bool = False) -> None:
        """Open a file, or a database in memory.

        Args:
            file: the path of the file, which is created if missing; None for a database in memory.
            fsync: whether a commit must survive a power failure.

        Raises:
            CannotStart: the file is damaged, locked, or was written by a newer version.
        """
        if file is not None:
            with suppress(OSError):  # SQLite reports the error
                make_private_file(file)
        # No other process should use the file, so a lock on it is an error after one second.
        self._connection = sqlite3.connect(
            file or ":memory:", timeout=1, check_same_thread=False, isolation_level=None
        )
        self._file = file
        try:
            with self.starting():
                self._prepare(file, "FULL" if fsync else "NORMAL")
        except CannotStart:
            self._connection.close()
            raise

    def _prepare(self, file: Path | None, synchronous: str) -> None:
        execute = self._connection.execute
        version = file_version(self._connection)
        if version > SCHEMA_VERSION:
            raise CannotStart(
                f"{file} was written by a newer localpubsub (format {version}; this version reads formats up "
                f"to {SCHEMA_VERSION}). Use the newer version, or another directory with --data."
            )
        execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {synchronous}")
        # A large transaction makes the log large; the next checkpoint then truncates it.
        execute(f"PRAGMA journal_size_limit = {MAX_WAL_BYTES}")
        migrate(self._connection)
        if file is not None and file.stat().st_size <= MAX_CHECKED_BYTES:
            (report,) = execute("PRAGMA quick_check(1)").fetchone()
            if report != "ok":
                raise sqlite3.DatabaseError(report.splitlines()[-1])

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Convert the errors that a damaged file causes into CannotStart.

        These are errors of SQLite, and of the decoding of what it returned: DecodeError, and TypeError or
        ValueError if a column contains another type of value.
        """
        try:
            yield
        except (sqlite3.Error, StoreFailure, RequestRejected, DecodeError, TypeError, ValueError) as error:
            raise CannotStart(
                f"cannot use {self._file}: {error}. Restore it from a copy, or choose another directory with "
                "--data."
            ) from error

    def topics(self) -> list[tuple[int, bytes]]:
        """Return (number, encoded resource) of every topic."""
        return self._connection.execute("SELECT number, resource FROM topic ORDER BY number").fetchall()

    def subscriptions(self) -> list[tuple[int, bytes, int]]:
        """Return (number, encoded resource, number of the backlog) of every subscription."""
        query = "SELECT number, resource, backlog FROM subscription ORDER BY number"
        return self._connection.execute(query).fetchall()

    def schema_revisions(self) -> list[tuple[int, bytes, bytes]]:
        """Return (number, encoded resource, compiled definition) of all schema revisions, oldest first."""
        query = "SELECT number, resource, compiled FROM schema_revision ORDER BY number"
        return self._connection.execute(query).fetchall()

    def backlog(self) -> Iterator[tuple[int, int, int]]:
        """Yield (message id, number, deliveries) of the messages of each backlog, oldest first."""
        yield from self._connection.execute(
            "SELECT message, number, attempts FROM backlog ORDER BY number, message"
        )

    def ordering_keys(self, number: int) -> Iterator[tuple[int, int]]:
        """Yield (message id, key number) of a backlog's messages with a key, oldest first."""
        yield from self._connection.execute(
            "SELECT message, key FROM backlog WHERE number = ? AND key != 0 ORDER BY message",
            (number,),
        )

    def numbers(self, table: slices.Table) -> list[int]:
        """Return the numbers that have rows in a table."""
        return slices.numbers(self._connection, table)

    def query(self, read: Callable[[sqlite3.Connection], Result]) -> Result:
        """Return what ``read`` reads from the open database."""
        try:
            return read(self._connection)
        except sqlite3.Error as error:
            raise _failure("read", error) from error

    def last_id(self) -> int:
        """Return the highest id allocated so far, or 0."""
        return int(self._connection.execute("SELECT coalesce(max(value), 0) FROM last_id").fetchone()[0])

    def message_ids(self, now: float) -> MessageIds:
        """Return the ids that follow the last one, at the time ``now`` (seconds since the epoch)."""
        ranges = self._connection.execute("SELECT first_id, publish_time FROM id_range ORDER BY first_id")
        message_ids = MessageIds(self.last_id(), [IdRange(*row) for row in ranges])
        if new := message_ids.begin(now):
            self._connection.execute("INSERT INTO id_range VALUES (?, ?)", (new.first_id, new.publish_time))
        return message_ids

    def read(self, message_ids: Sequence[int], max_bytes: int) -> dict[int, bytes]:
        """Read these messages in the given order, and return their records by message id.

        Reading stops after the message with which the total size reaches ``max_bytes``. Messages that no
        longer exist are left out. SQLite returns all records in one row because of the GIL (see ``_ROWS``).
        If the file is damaged, only the first message is read, so that an unreadable message does not affect
        the others.
        """
        try:
            (rows,) = self._connection.execute(_READ, (_list(message_ids), max_bytes)).fetchone()
        except sqlite3.Error as error:
            if len(message_ids) > 1:
                return self.read(message_ids[:1], max_bytes)
            raise _failure("read messages", error) from error
        return {message_id: bytes.fromhex(record) for message_id, record in json.loads(rows)}

    def write(self, transaction: Transaction) -> None:
        """Write the whole transaction; if that fails, write no part of it."""
        with self._transaction() as connection:
            self._write_messages(transaction)
            self._write_keys(transaction)
            self._write_attempts(transaction)
            self._delete_messages(transaction)
            for statement, values in transaction.resources:
                connection.execute(statement, values)

    def change(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """Let a function change the database in one transaction, and return its result."""
        with self._transaction() as connection:
            return function(connection)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block in one transaction, which is rolled back if the block raises any exception."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except Exception as error:
            # Not only SQLite's errors end here: sqlite3 raises, for example, OverflowError for an integer of
            # more than 64 bits. An open transaction would make all later ones fail.
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise _failure("write", error) from error

    def close(self) -> None:
        """Close the file; SQLite merges the write-ahead log into it."""
        self._connection.close()

    def _write_messages(self, transaction: Transaction) -> None:
        execute = self._connection.execute
        rows = transaction.messages
        start = 0
        for size in _ROWS:
            while len(rows) - start >= size:
                execute(_INSERT[size], [value for row in rows[start : start + size] for value in row])
                start += size
        for number, message_ids in transaction.backlog.items():
            execute(
                "INSERT INTO backlog (number, message) SELECT ?, value FROM json_each(?)",
                (number, _list(message_ids)),
            )
        if transaction.last_id:
            execute(
                "INSERT INTO last_id VALUES (1, ?1) ON CONFLICT DO UPDATE SET value = max(value, ?1)",
                (transaction.last_id,),
            )

    def _write_keys(self, transaction: Transaction) -> None:
        """Write the ordering keys and the retained messages."""
        execute = self._connection.execute
        for number, keyed in transaction.keys.items():
            execute(
                "INSERT INTO backlog (number, message, key) "
                "SELECT ?, value ->> 0, value ->> 1 FROM json_each(?) WHERE true "
                "ON CONFLICT DO UPDATE SET key = excluded.key",
                (number, json.dumps(keyed)),
            )
        for owner, message_ids in transaction.retained.items():
            execute(
                "INSERT OR IGNORE INTO retained (number, message) SELECT ?, value FROM json_each(?)",
                (owner, _list(message_ids)),
            )

    def _write_attempts(self, transaction: Transaction) -> None:
        for number, counts in transaction.attempts.items():
            by_count: defaultdict[int, list[int]] = defaultdict(list)
            for message_id, attempts in counts.items():
                by_count[attempts].append(message_id)
            for attempts, message_ids in by_count.items():
                self._connection.execute(
                    "UPDATE backlog SET attempts = ? WHERE number = ? "
                    "AND message IN (SELECT value FROM json_each(?))",
                    (attempts, number, _list(message_ids)),
                )

    def _delete_messages(self, transaction: Transaction) -> None:
        if not transaction.removed:
            return
        for number, removed in transaction.removed.items():
            self._connection.execute(
                "DELETE FROM backlog WHERE number = ? AND message IN (SELECT value FROM json_each(?))",
                (number, _list(removed)),
            )
        self._connection.execute(
            "DELETE FROM message WHERE id IN (SELECT value FROM json_each(?)) "
            "AND NOT EXISTS (SELECT 1 FROM backlog WHERE message = id) "
            "AND NOT EXISTS (SELECT 1 FROM retained WHERE message = id)",
            (_list({message_id for removed in transaction.removed.values() for message_id in removed}),),
        )


def _list(message_ids: Iterable[int]) -> str:
    return json.dumps(list(message_ids))


def _failure(action: str, error: Exception) -> StoreFailure:
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    reason = str(error) if isinstance(error, sqlite3.Error) else repr(error)
    return StoreFailure(f"localpubsub could not {action}: {reason}.", full=full)
