"""The SQLite file: what a restart finds. Knows nothing of threads; see journal.py for who calls it.

WAL with ``synchronous=NORMAL``: a commit survives the death of the process; the last ones may be lost when
the machine loses power, unless ``fsync`` makes it FULL (https://sqlite.org/pragma.html#pragma_synchronous).
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from localpubsub.errors import CannotStart, StoreFailure
from localpubsub.storage import seek_sql
from localpubsub.storage.transaction import Transaction

Result = TypeVar("Result")

SCHEMA_VERSION: Final = 2  #: 2 added ordering keys, retained messages, snapshots and policies
#: Bytes of the write-ahead log kept between two checkpoints (SQLite makes one at about 4 MB: 1,000 pages).
LOG_BYTES: Final = 16_000_000
#: A file up to this size is checked page by page at each start, which then takes 0.1 s at most. Of a larger
#: one the backlog is read whole, and a damaged message is found when it is read.
CHECKED_BYTES: Final = 100_000_000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS last_id (one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS topic (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, resource BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS subscription (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, resource BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS schema_revision (
    number INTEGER PRIMARY KEY, schema TEXT NOT NULL, resource BLOB NOT NULL, compiled BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS backlog (
    message INTEGER NOT NULL, subscription INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    key INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (message, subscription)
) WITHOUT ROWID;
"""

#: Rows of one INSERT. Python's sqlite3 gives up the GIL for each statement and then waits its turn to get it
#: back, so a thousand one-row inserts beside a busy event loop wait a thousand turns. Few sizes keep them
#: prepared.
_ROWS: Final = (256, 16, 1)
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
    """One open database. Every method raises StoreFailure when the disk refuses."""

    def __init__(self, file: Path | None, *, fsync: bool = False) -> None:
        """Open ``file`` (made if missing), or memory when None; CannotStart when it is not for us."""
        # Nobody else has business in the file: a lock on it is an error, and soon.
        self._connection = sqlite3.connect(
            file or ":memory:", timeout=1, check_same_thread=False, isolation_level=None
        )
        self._file = file
        try:
            with self._starting():
                self._prepare(file, "FULL" if fsync else "NORMAL")
        except CannotStart:
            self._connection.close()
            raise

    def _prepare(self, file: Path | None, synchronous: str) -> None:
        execute = self._connection.execute
        (version,) = execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise CannotStart(
                f"{file} was written by a newer localpubsub (format {version}, this one knows "
                f"{SCHEMA_VERSION}). Use that version, or another directory with --data."
            )
        execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {synchronous}")
        # A transaction of megabytes leaves a log of megabytes: give them back at the next checkpoint.
        execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        execute("BEGIN")
        for statement in _SCHEMA.split(";"):
            execute(statement)
        seek_sql.prepare(self._connection, version)
        execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        execute("COMMIT")

        if file is not None and file.stat().st_size <= CHECKED_BYTES:
            (found,) = execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found.splitlines()[-1])

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """What cannot be read now is a sentence for whoever starts the server."""
        try:
            yield
        except sqlite3.Error as error:
            raise CannotStart(
                f"cannot use {self._file}: {error}. Restore it from a copy, or choose another directory with "
                "--data."
            ) from error

    def topics(self) -> list[tuple[int, bytes]]:
        """Number and encoded resource of every topic."""
        with self._starting():
            return self._connection.execute("SELECT number, resource FROM topic ORDER BY number").fetchall()

    def subscriptions(self) -> list[tuple[int, bytes]]:
        """Number and encoded resource of every subscription."""
        with self._starting():
            return self._connection.execute(
                "SELECT number, resource FROM subscription ORDER BY number"
            ).fetchall()

    def schema_revisions(self) -> list[tuple[int, bytes, bytes]]:
        """Number, encoded resource and compiled definition of every revision of a schema, oldest first."""
        query = "SELECT number, resource, compiled FROM schema_revision ORDER BY number"
        return self._connection.execute(query).fetchall()

    def backlog(self) -> Iterator[tuple[int, int, int]]:
        """Message id, subscription and deliveries of everything unacknowledged, oldest first."""
        with self._starting():
            yield from self._connection.execute(
                "SELECT message, subscription, attempts FROM backlog ORDER BY message"
            )

    def query(self, ask: Callable[[sqlite3.Connection], Result]) -> Result:
        """What another module (seek_sql.py) asks of the open database."""
        try:
            return ask(self._connection)
        except sqlite3.Error as error:
            raise _failure("read", error) from error

    def last_id(self) -> int:
        """The highest id given out so far, 0 at first."""
        return int(self._connection.execute("SELECT coalesce(max(value), 0) FROM last_id").fetchone()[0])

    def read(self, message_ids: Sequence[int], enough: int) -> dict[int, bytes]:
        """Records of these messages, the first of them until there are ``enough`` bytes (at least one).

        Messages that are gone are left out. All come in one row, for the GIL's sake as in ``_ROWS``. Where
        the file is damaged the first is read alone, so that others do not suffer for one that cannot be read.
        """
        try:
            (found,) = self._connection.execute(_READ, (_list(message_ids), enough)).fetchone()
        except sqlite3.Error as error:
            if len(message_ids) > 1:
                return self.read(message_ids[:1], enough)
            raise _failure("read messages", error) from error
        return {message_id: bytes.fromhex(record) for message_id, record in json.loads(found)}

    def write(self, transaction: Transaction) -> None:
        """All of a transaction, or nothing of it."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._write_messages(transaction)
            seek_sql.write(connection, transaction)
            self._write_attempts(transaction)
            self._delete_messages(transaction)
            for statement, values in transaction.resources:
                connection.execute(statement, values)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise _failure("write", error) from error

    def close(self) -> None:
        """Close the file, its log folded in."""
        self._connection.close()

    def _write_messages(self, transaction: Transaction) -> None:
        execute = self._connection.execute
        rows = transaction.messages
        start = 0
        for size in _ROWS:
            while len(rows) - start >= size:
                execute(_INSERT[size], [value for row in rows[start : start + size] for value in row])
                start += size
        for subscription, message_ids in transaction.backlog.items():
            execute(
                "INSERT INTO backlog (message, subscription) SELECT value, ? FROM json_each(?)",
                (subscription, _list(message_ids)),
            )
        if transaction.last_id:
            execute(
                "INSERT INTO last_id VALUES (1, ?1) ON CONFLICT DO UPDATE SET value = max(value, ?1)",
                (transaction.last_id,),
            )

    def _write_attempts(self, transaction: Transaction) -> None:
        for subscription, counts in transaction.attempts.items():
            by_count: defaultdict[int, list[int]] = defaultdict(list)
            for message_id, attempts in counts.items():
                by_count[attempts].append(message_id)
            for attempts, message_ids in by_count.items():
                self._connection.execute(
                    "UPDATE backlog SET attempts = ? WHERE subscription = ? "
                    "AND message IN (SELECT value FROM json_each(?))",
                    (attempts, subscription, _list(message_ids)),
                )

    def _delete_messages(self, transaction: Transaction) -> None:
        for subscription, removed in transaction.removed.items():
            message_ids = _list(removed)
            self._connection.execute(
                "DELETE FROM backlog WHERE subscription = ? AND message IN (SELECT value FROM json_each(?))",
                (subscription, message_ids),
            )
            self._connection.execute(
                "DELETE FROM message WHERE id IN (SELECT value FROM json_each(?)) "
                "AND NOT EXISTS (SELECT 1 FROM backlog WHERE message = id) "
                "AND NOT EXISTS (SELECT 1 FROM retained WHERE message = id)",
                (message_ids,),
            )


def _list(message_ids: Sequence[int] | dict[int, int]) -> str:
    return json.dumps(list(message_ids))


def _failure(what: str, error: sqlite3.Error) -> StoreFailure:
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return StoreFailure(f"localpubsub could not {what}: {error}.", full=full)
