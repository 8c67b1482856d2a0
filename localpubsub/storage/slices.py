"""Copies and removes rows in slices, so that no other transaction waits long for the store.

A message is kept as long as it is in a backlog or retained by an *owner* in the table ``retained``. An owner
is the number of a topic (message_retention_duration), of a subscription (retain_acked_messages), or of a
snapshot. Each subscription has one backlog, whose number is in its row.

No operation on many rows is one transaction. A seek copies the rows that remain into a backlog with a new
number, one slice after another, and then gives the subscription this number, in one small transaction. The
rows of numbers that belong to no resource are removed afterwards, also one slice after another. If the
process ends in between, they are removed after the restart. So at any moment the file contains either the
state before an operation or the state after it.

https://cloud.google.com/pubsub/docs/replay-overview
"""

import json
import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

from localpubsub.backlog.ordering_keys import key_number
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.resources.filter_parser import parse

#: The tables whose rows belong to a number.
Table: TypeAlias = Literal["backlog", "retained"]

MAX_ID: Final = 2**63 - 1  #: Higher than all message ids.

_NUMBERS: Final = """
WITH RECURSIVE found (number) AS (
    SELECT min(number) FROM {table}
    UNION ALL SELECT (SELECT min(number) FROM {table} AS rows WHERE rows.number > found.number) FROM found
    WHERE found.number IS NOT NULL
) SELECT number FROM found WHERE number IS NOT NULL
"""
_REMOVE: Final = """
DELETE FROM message WHERE id IN (SELECT message FROM {table} WHERE number = ?1 AND message <= ?2)
AND NOT EXISTS (SELECT 1 FROM {table} WHERE message = id AND number != ?1)
AND NOT EXISTS (SELECT 1 FROM {other} WHERE message = id)
"""
_CANDIDATES: Final = """
SELECT message FROM (
    SELECT message FROM {table} WHERE number = ? AND message > ? AND message < ? ORDER BY message LIMIT ?
)
"""
_KNOWN: Final = """
SELECT json_group_array(json_array(message, attempts, key)) FROM backlog
WHERE number = ? AND message > ? AND message <= ?
"""
_RECORDS: Final = """
SELECT json_group_array(json_array(id, hex(record))) FROM message
WHERE id IN (SELECT value FROM json_each(?))
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """The messages that a subscription has after a seek."""

    backlog: int  #: Number of the subscription's backlog before the seek.
    keeps_backlog: bool  #: Whether messages of that backlog remain, if their id is in the range below.
    owners: tuple[int, ...]  #: The owners whose retained messages are unacknowledged.
    first: int  #: The lowest id.
    end: int  #: All ids are below this one.
    filter: str  #: The subscription's filter.
    ordered: bool  #: Whether the messages need the numbers of their ordering keys.


@dataclass(frozen=True, slots=True)
class Slice:
    """The result of one slice."""

    message_ids: Sequence[int]  #: Ids of the messages, oldest first; each takes eight bytes.
    keys: Sequence[int]  #: The numbers of their ordering keys; 0 without one.
    last: int  #: The highest id that was examined; the next slice begins after it.
    complete: bool  #: Whether no messages are left.


def numbers(connection: sqlite3.Connection, table: Table) -> list[int]:
    """Return the numbers that have rows in a table. The time is linear in their count."""
    return [number for (number,) in connection.execute(_NUMBERS.format(table=table))]


def oldest(connection: sqlite3.Connection, number: int) -> int | None:
    """Return the id of the oldest message of a backlog, or None if it is empty."""
    found = connection.execute("SELECT min(message) FROM backlog WHERE number = ?", (number,))
    return found.fetchone()[0]  # type: ignore[no-any-return]  # the column contains integers


def remove(connection: sqlite3.Connection, rows: int, table: Table, number: int, before: int) -> bool:
    """Remove up to ``rows`` rows of a number, with message ids below ``before``, the oldest ones first.

    Messages that are then neither in a backlog nor retained are deleted.

    Returns:
        Whether no such rows are left.
    """
    last, count = connection.execute(
        f"SELECT max(message), count(*) FROM ({_CANDIDATES.format(table=table)})",  # noqa: S608 - the table's name is a constant
        (number, -1, before, rows),
    ).fetchone()
    if count:
        other = "retained" if table == "backlog" else "backlog"
        connection.execute(_REMOVE.format(table=table, other=other), (number, last))
        connection.execute(f"DELETE FROM {table} WHERE number = ? AND message <= ?", (number, last))  # noqa: S608 - as above
    return int(count) < rows


def retain(
    connection: sqlite3.Connection, rows: int, owner: int, selection: Selection, after: int
) -> tuple[int, bool]:
    """Let an owner retain up to ``rows`` messages of a backlog.

    These are the messages of ``selection.backlog`` before ``selection.end`` that ``selection.owners`` do not
    retain.

    Returns:
        The highest id that was examined, and whether no messages are left.
    """
    part = _CANDIDATES.format(table="backlog")
    last, count = connection.execute(
        f"SELECT max(message), count(*) FROM ({part})",  # noqa: S608 - the table's name is a constant
        (selection.backlog, after, selection.end, rows),
    ).fetchone()
    if count:
        connection.execute(
            "INSERT OR IGNORE INTO retained (number, message) SELECT ?1, message FROM backlog "
            "WHERE number = ?2 AND message > ?3 AND message <= ?4 "
            "AND NOT EXISTS (SELECT 1 FROM retained AS kept WHERE kept.message = backlog.message "
            "AND kept.number IN (SELECT value FROM json_each(?5)))",
            (owner, selection.backlog, after, last, json.dumps(selection.owners)),
        )
    return last or after, int(count) < rows


def copy(connection: sqlite3.Connection, rows: int, selection: Selection, target: int, after: int) -> Slice:
    """Copy up to ``rows`` selected messages, with ids above ``after``, to the backlog ``target``."""
    sources: list[tuple[Table, int]] = [("retained", owner) for owner in selection.owners]
    if selection.keeps_backlog:
        sources.append(("backlog", selection.backlog))
    if not sources:
        return Slice(array("Q"), array("Q"), after, complete=True)
    union = " UNION ".join(_CANDIDATES.format(table=table) for table, _ in sources)
    values = [value for _, number in sources for value in (number, after, selection.end, rows)]
    message_ids = _json(
        connection,
        f"SELECT json_group_array(message) FROM (SELECT message FROM ({union}) ORDER BY message LIMIT ?)",  # noqa: S608 - the tables' names are constants
        (*values, rows),
    )
    last = max(message_ids, default=after)
    known = {
        message_id: (message_id, attempts, key)
        for message_id, attempts, key in _json(connection, _KNOWN, (selection.backlog, after, last))
    }
    copied = [known[each] for each in message_ids if each in known]
    copied += _unknown(connection, selection, [each for each in message_ids if each not in known])
    copied.sort()
    connection.execute(
        "INSERT INTO backlog (number, message, attempts, key) "
        "SELECT ?, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)",
        (target, json.dumps(copied)),
    )
    return Slice(
        array("Q", (row[0] for row in copied)),
        array("Q", (row[2] for row in copied)),
        last,
        complete=len(message_ids) < rows,
    )


def _unknown(
    connection: sqlite3.Connection, selection: Selection, message_ids: list[int]
) -> Iterable[tuple[int, int, int]]:
    """Return (message id, 0 attempts, key number) of those retained messages that match the filter."""
    if not message_ids:
        return []
    if not selection.filter and not selection.ordered:
        return [(message_id, 0, 0) for message_id in message_ids]
    condition = _parsed(selection.filter)
    found = []
    for message_id, record in _json(connection, _RECORDS, (json.dumps(message_ids),)):
        message = PubsubMessage.FromString(bytes.fromhex(record))
        if condition is None or condition.matches(message.attributes):
            found.append((message_id, 0, key_number(message.ordering_key) if selection.ordered else 0))
    return found


def _json(connection: sqlite3.Connection, query: str, values: Sequence[object]) -> Any:  # noqa: ANN401 - a list of what the query selects
    """Return all rows of a query that makes one JSON array of them (see ``_ROWS`` in store.py)."""
    return json.loads(connection.execute(query, values).fetchone()[0])


_parsed = lru_cache(maxsize=64)(parse)
