"""Makes the SQL for seek and snapshots, and for the messages that are retained for them.

A message is kept as long as it is in a backlog or retained by an *owner* in the table ``retained``. An owner
is the number of a topic (message_retention_duration), of a subscription (retain_acked_messages), or of a
snapshot. A seek is a few statements in one transaction, which the journal writes like any other transaction.

https://cloud.google.com/pubsub/docs/replay-overview
"""

import json
import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from localpubsub.backlog.ordering_keys import key_number
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.resources.filter_parser import parse
from localpubsub.storage.transaction import Transaction

Statement: TypeAlias = tuple[str, Sequence[object]]
Unacknowledged: TypeAlias = tuple[Sequence[int], Sequence[int]]

#: Deletes the messages that are not in a backlog and not retained by an owner.
DELETE_ORPHANS: Final[Statement] = (
    """
    DELETE FROM message WHERE NOT EXISTS (SELECT 1 FROM backlog WHERE message = id)
    AND NOT EXISTS (SELECT 1 FROM retained WHERE message = id)
    """,
    (),
)
_MAX_ID: Final = 2**63 - 1

_RETAIN: Final = "INSERT OR IGNORE INTO retained SELECT message, ? FROM backlog WHERE subscription = ? AND "
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


def register_functions(connection: sqlite3.Connection) -> None:
    """Register the SQL functions that the statements of this module call."""
    connection.create_function("matches", 2, _matches, deterministic=True)
    connection.create_function("ordering_key", 1, _ordering_key, deterministic=True)


def write(connection: sqlite3.Connection, transaction: Transaction) -> None:
    """Write the ordering keys and the retained messages of a transaction, after its backlogs were written."""
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


def ordering_keys(connection: sqlite3.Connection, subscription: int) -> Iterator[tuple[int, int]]:
    """Return (message id, key number) of each message with a key in a backlog, oldest first."""
    return connection.execute(
        "SELECT message, key FROM backlog WHERE subscription = ? AND key != 0 ORDER BY message",
        (subscription,),
    )


def unacknowledged(connection: sqlite3.Connection, subscription: int) -> Unacknowledged:
    """Return the message ids of one backlog, oldest first, and the key numbers of these messages.

    Each id and each key number takes eight bytes.
    """
    message_ids, keys = array("q"), array("q")
    for message_id, key in connection.execute(
        "SELECT message, key FROM backlog WHERE subscription = ? ORDER BY message", (subscription,)
    ):
        message_ids.append(message_id)
        keys.append(key)
    return message_ids, keys


def oldest_unacknowledged(connection: sqlite3.Connection, subscription: int) -> int | None:
    """Return the id of the oldest message of a backlog, or None if it is empty."""
    found = connection.execute("SELECT min(message) FROM backlog WHERE subscription = ?", (subscription,))
    return found.fetchone()[0]  # type: ignore[no-any-return]  # the column contains integers


def retain_backlog(owner: int, subscription: int) -> Statement:
    """Return the statement that makes an owner retain the unacknowledged messages of a subscription."""
    return (_RETAIN + "true", (owner, subscription))


def release(owner: int, before: int = _MAX_ID) -> list[Statement]:
    """Return the statements that end an owner's retention of the messages before an id.

    They delete the messages that are then neither in a backlog nor retained by another owner.
    """
    return [
        (_RELEASE, (before, owner)),
        ("DELETE FROM retained WHERE message < ?1 AND owner = ?2", (before, owner)),
    ]


def seek_to_time(subscription: int, filter_: str, topic: int, first: int, *, retain: bool) -> list[Statement]:
    """Return the statements of a seek to a time.

    They acknowledge the messages before the id ``first``, and unacknowledge the retained messages from that
    id on that match the filter. With ``retain``, the subscription retains the messages that the seek
    acknowledges.
    """
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
    """Return the statements of a seek to a snapshot.

    They unacknowledge the messages that the snapshot retains and that match the filter, and acknowledge all
    messages that the snapshot does not retain. With ``retain``, the subscription retains the messages that
    the seek acknowledges.
    """
    not_in_snapshot = "message NOT IN " + _IN_SNAPSHOT
    return [
        *_acknowledge(subscription, not_in_snapshot, (snapshot,), retain=retain),
        (_UNACKNOWLEDGE + "owner = ?", (subscription, filter_, snapshot)),
        DELETE_ORPHANS,
    ]


def _acknowledge(
    subscription: int, condition: str, values: tuple[int, ...], *, retain: bool
) -> list[Statement]:
    retained: list[Statement] = (
        [(_RETAIN + condition, (subscription, subscription, *values))] if retain else []
    )
    return [*retained, (_ACKNOWLEDGE + condition, (subscription, *values))]


_parsed = lru_cache(maxsize=64)(parse)


def _matches(record: bytes, text: str) -> bool:
    condition = _parsed(text)
    return condition is None or condition.matches(PubsubMessage.FromString(record).attributes)


def _ordering_key(record: bytes) -> int:
    return key_number(PubsubMessage.FromString(record).ordering_key)
