"""The ledger's tables and views in SQLite, from the files that BigQuery's are made from (contract/ledger/).

localpubsub's BigQuery subscriptions write the rows (localpubsub/README.md). A Pub/Sub that has none, such as
the official emulator, leaves that to `collector.py`.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from contract.topology import LEDGER_DATASET, LEDGER_TABLES, OUTCOMES_TOPIC

BUSY_SECONDS = 10.0
#: What SQLite spells otherwise than BigQuery, in the order in which it is replaced.
IN_SQLITE = {
    "${ledger}": LEDGER_DATASET,
    # A text where the bytes hold JSON, and NULL where they do not.
    "SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data))": (
        "iif(json_valid(CAST(data AS TEXT)), CAST(data AS TEXT), NULL)"
    ),
    "JSON_VALUE(": "json_extract(",
    "SAFE_CAST(": "CAST(",  # which never fails
    "TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY)": "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-7 days')",
}
#: SQLite takes STRING for a number, and 007 for 7 (https://www.sqlite.org/datatype3.html#determination_of_column_affinity).
TYPES = {"STRING": "TEXT", "BYTES": "BLOB"}
INDEX = ("outcomes", "run_id, job_id")  #: as BigQuery's table is clustered; the others have no such columns
_FILES = resources.files("contract") / "ledger"


@dataclass(frozen=True)
class Row:
    """One delivery of a message.

    Attributes:
        topic: the short name, which decides the table.
        publish_time: as `timestamp` writes it.
        data: a job or a dead letter as it is; an outcome as a JSON object.
    """

    topic: str
    subscription_name: str
    message_id: str
    publish_time: str
    attributes: Mapping[str, str]
    data: bytes


def timestamp(moment: datetime) -> str:
    """Return a time as rows have it: UTC with six decimals, so that text order is time order."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def table(name: str) -> str:
    """Return what a table or view of the ledger is called, in quotes."""
    return f"`{LEDGER_DATASET}.{name}`"


def schema(name: str) -> list[dict[str, str]]:
    """Return a table's columns, as BigQuery describes them."""
    columns: list[dict[str, str]] = json.loads((_FILES / f"{name}.schema.json").read_text("utf-8"))
    return columns


def views() -> dict[str, str]:
    """Return every view's query in BigQuery's SQL, by name."""
    files = sorted(
        (file for file in _FILES.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return {file.name.removesuffix(".sql"): file.read_text("utf-8") for file in files}


def in_sqlite(query: str) -> str:
    """Return a query of `views` as SQLite takes it."""
    for theirs, ours in IN_SQLITE.items():
        query = query.replace(theirs, ours)
    return query


def create(path: Path) -> None:
    """Make the file, and tables and columns where they are missing; views are always made anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # readers and writers do not wait
        connection.execute("BEGIN IMMEDIATE")
        for name in LEDGER_TABLES.values():
            _create_table(connection, name)
        indexed, columns = INDEX
        connection.execute(
            f"CREATE INDEX IF NOT EXISTS {table(f'{indexed}_index')} ON {table(indexed)} ({columns})"
        )
        for name, query in views().items():
            connection.execute(f"DROP VIEW IF EXISTS {table(name)}")
            connection.execute(f"CREATE VIEW {table(name)} AS {in_sqlite(query)}")
        connection.execute("COMMIT")


def insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Add rows as a BigQuery subscription of their topic would; the transaction is the caller's."""
    for row in rows:
        name = LEDGER_TABLES[row.topic]
        values = _values(row, name)
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        # The names are our own schema's, never a message's.
        statement = f"INSERT INTO {table(name)} ({names}) VALUES ({marks})"  # noqa: S608 - see above
        connection.execute(statement, list(values.values()))


def _create_table(connection: sqlite3.Connection, name: str) -> None:
    columns = {column["name"]: TYPES.get(column["type"], column["type"]) for column in schema(name)}
    declared = ", ".join(f"{column} {type_}" for column, type_ in columns.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table(name)} ({declared})")
    there = {column for _, column, *_ in connection.execute(f"PRAGMA table_info({table(name)})")}
    for column, type_ in columns.items():
        if column not in there:  # the file is older than the column
            connection.execute(f"ALTER TABLE {table(name)} ADD COLUMN {column} {type_}")


def _values(row: Row, name: str) -> dict[str, object]:
    metadata: dict[str, object] = {
        "subscription_name": row.subscription_name,
        "message_id": row.message_id,
        "publish_time": row.publish_time,
        "attributes": json.dumps(dict(row.attributes), ensure_ascii=False, separators=(",", ":")),
    }
    if row.topic != OUTCOMES_TOPIC:
        return {"data": row.data, **metadata}
    types = {column["name"]: column["type"] for column in schema(name)}
    told = {column: value for column, value in _document(row.data).items() if column in types}
    return {column: _storable(value, types[column]) for column, value in told.items()} | metadata


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _storable(value: object, type_: str) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        if type_ == "TIMESTAMP":
            return _timestamp(value)
        return value.encode(errors="replace").decode()  # JSON may hold half a surrogate pair, SQLite may not
    return str(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def _timestamp(text: str) -> str | None:
    try:
        return timestamp(datetime.fromisoformat(text))
    except ValueError:
        return None
