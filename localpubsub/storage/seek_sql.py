"""What the store keeps beyond its backlogs, so that it can be delivered again: SQL of seek and snapshots.

A message stays while a backlog or an *owner* in the table ``retained`` wants it. Owners are numbers: of a
topic (message_retention_duration), of a subscription (retain_acked_messages), or of a snapshot. Every seek is
a few statements within one transaction, which the journal writes like any other.

https://cloud.google.com/pubsub/docs/replay-overview
"""

import json
import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from localpubsub.backlog.ordered_backlog import key_number
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.resources.filter_parser import parse
from localpubsub.storage.transaction import Transaction

Statement: TypeAlias = tuple[str, Sequence[object]]
Unacknowledged: TypeAlias = tuple[Sequence[int], Sequence[int]]

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS retained (
    message INTEGER NOT NULL, owner INTEGER NOT NULL, PRIMARY KEY (message, owner)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS snapshot (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, resource BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS policy (number INTEGER PRIMARY KEY, policy BLOB NOT NULL);
"""

#: Messages that nobody wants any more.
DELETE_ORPHANS: Final[Statement] = (
    """
    DELETE FROM message WHERE NOT EXISTS (SELECT 1 FROM backlog WHERE message = id)
    AND NOT EXISTS (SELECT 1 FROM retained WHERE message = id)
    """,
    (),
)
_EVERYTHING: Final = 2**63 - 1

_KEEP: Final = "INSERT OR IGNORE INTO retained SELECT message, ? FROM backlog WHERE subscription = ? AND "
_UNACKNOWLEDGE: Final = """
INSERT OR IGNORE INTO backlog (message, subscription, key)
SELECT DISTINCT message, ?, ordering_key(record) FROM retained JOIN message ON id = message
WHERE matches(record, ?) AND
"""
_RELEASE: Final = """
DELETE FROM message WHERE id IN (SELECT message FROM retained WHERE message < ?1 AND owner = ?2)
AND NOT EXISTS (SELECT 1 FROM backlog WHERE message = id)
AND NOT EXISTS (SELECT 1 FROM retained WHERE message = id AND owner != ?2)
"""
_ACKNOWLEDGE: Final = "DELETE FROM backlog WHERE subscription = ? AND "
_IN_SNAPSHOT: Final = "(SELECT message FROM retained WHERE owner = ?)"


def prepare(connection: sqlite3.Connection, version: int) -> None:
    """Tables and functions of this module; a file of format 1 gets the column for ordering keys."""
    for statement in SCHEMA.split(";"):
        connection.execute(statement)
    if version == 1:
        connection.execute("ALTER TABLE backlog ADD COLUMN key INTEGER NOT NULL DEFAULT 0")
    connection.create_function("matches", 2, _matches, deterministic=True)
    connection.create_function("ordering_key", 1, _ordering_key, deterministic=True)


def write(connection: sqlite3.Connection, transaction: Transaction) -> None:
    """The ordering keys and the retained messages of a transaction, after its messages and backlogs."""
    for subscription, keyed in transaction.keys.items():
        connection.execute(
            "INSERT INTO backlog (message, subscription, key) "
            "SELECT value ->> 0, ?, value ->> 1 FROM json_each(?) WHERE true "
            "ON CONFLICT DO UPDATE SET key = excluded.key",
            (subscription, json.dumps(keyed)),
        )
    for owner, message_ids in transaction.retained.items():
        connection.execute(
            "INSERT OR IGNORE INTO retained SELECT value, ? FROM json_each(?)",
            (owner, json.dumps(message_ids)),
        )


def keyed(connection: sqlite3.Connection, subscription: int) -> Iterator[tuple[int, int, int]]:
    """Message id, key and deliveries of all keyed messages of one backlog, oldest first."""
    return connection.execute(
        "SELECT message, key, attempts FROM backlog WHERE subscription = ? AND key != 0 ORDER BY message",
        (subscription,),
    )


def unacknowledged(connection: sqlite3.Connection, subscription: int) -> Unacknowledged:
    """Message ids of everything in one backlog, oldest first, and their keys: at eight bytes each."""
    message_ids, keys = array("q"), array("q")
    for message_id, key in connection.execute(
        "SELECT message, key FROM backlog WHERE subscription = ? ORDER BY message", (subscription,)
    ):
        message_ids.append(message_id)
        keys.append(key)
    return message_ids, keys


def oldest_unacknowledged(connection: sqlite3.Connection, subscription: int) -> int | None:
    """Id of the oldest message of a backlog."""
    found = connection.execute("SELECT min(message) FROM backlog WHERE subscription = ?", (subscription,))
    return found.fetchone()[0]  # type: ignore[no-any-return]  # an integer column


def keep_backlog(owner: int, subscription: int) -> Statement:
    """The owner keeps what is unacknowledged now."""
    return (_KEEP + "true", (owner, subscription))


def release(owner: int, before: int = _EVERYTHING) -> list[Statement]:
    """The owner keeps nothing older than a message id any longer; what nobody else wants is deleted."""
    return [
        (_RELEASE, (before, owner)),
        ("DELETE FROM retained WHERE message < ?1 AND owner = ?2", (before, owner)),
    ]


def seek_to_time(subscription: int, filter_: str, topic: int, first: int, *, retain: bool) -> list[Statement]:
    """All before the message id ``first`` is acknowledged; all from it on that is kept is not."""
    before = "message < ?"
    return [
        *_acknowledge(subscription, before, (first,), retain=retain),
        (
            _UNACKNOWLEDGE + "owner IN (?, ?) AND message >= ?",
            (subscription, filter_, subscription, topic, first),
        ),
        DELETE_ORPHANS,
    ]


def seek_to_snapshot(subscription: int, filter_: str, snapshot: int, *, retain: bool) -> list[Statement]:
    """What the snapshot holds is unacknowledged, and nothing else."""
    others = "message NOT IN " + _IN_SNAPSHOT
    return [
        *_acknowledge(subscription, others, (snapshot,), retain=retain),
        (_UNACKNOWLEDGE + "owner = ?", (subscription, filter_, snapshot)),
        DELETE_ORPHANS,
    ]


def _acknowledge(subscription: int, which: str, values: tuple[int, ...], *, retain: bool) -> list[Statement]:
    kept: list[Statement] = [(_KEEP + which, (subscription, subscription, *values))] if retain else []
    return [*kept, (_ACKNOWLEDGE + which, (subscription, *values))]


_parsed = lru_cache(maxsize=64)(parse)


def _matches(record: bytes, text: str) -> bool:
    condition = _parsed(text)
    return condition is None or condition.matches(PubsubMessage.FromString(record).attributes)


def _ordering_key(record: bytes) -> int:
    return key_number(PubsubMessage.FromString(record).ordering_key)
