"""Creates the ledger's tables and views in SQLite, from the same files as in BigQuery (contract/ledger/).

localpubsub's BigQuery subscriptions write the rows (localpubsub/README.md).
"""

import json
import sqlite3
import zlib
from contextlib import closing
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from console.private_files import make_private_directory, make_private_file
from contract.topology import (
    DEAD_LETTER_TOPIC,
    LEDGER_DATASET,
    LEDGER_SUBSCRIPTIONS,
    LEDGER_TABLES,
    REJECTED_TABLE,
)

BUSY_TIMEOUT_SECONDS = 10.0  #: seconds to wait for another connection's lock
#: Maps expressions of BigQuery to expressions of SQLite, which replace them in this order.
SQLITE_EXPRESSIONS = {
    "${ledger}": LEDGER_DATASET,
    # The bytes as text if they are valid JSON, else NULL.
    "SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data))": (
        "iif(json_valid(CAST(data AS TEXT)), CAST(data AS TEXT), NULL)"
    ),
    # Without a suffix, the text is less than each text of the same time or a later one.
    "SAFE_CAST(JSON_VALUE(attributes, '$.CloudPubSubDeadLetterSourceTopicPublishTime') AS TIMESTAMP)": (
        "replace(json_extract(attributes, '$.CloudPubSubDeadLetterSourceTopicPublishTime'), '+00:00', '')"
    ),
    # The items of a result, and the fields of an item; an item that is no object has none.
    "UNNEST(JSON_QUERY_ARRAY(result.items)) AS item": (
        "json_each(iif(json_valid(result.items), result.items, '[]')) AS item"
    ),
    "UNNEST(JSON_KEYS(item, 1)) AS name": (
        "json_each(iif(item.type = 'object', item.value, '{}')) AS field_of_item"
    ),
    "TO_JSON_STRING(item[TRIM(name, '\"')])": (
        "CASE field_of_item.type WHEN 'null' THEN 'null' WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
        "WHEN 'text' THEN json_quote(field_of_item.value) ELSE CAST(field_of_item.value AS TEXT) END"
    ),
    "TRIM(name, '\"')": "field_of_item.key",
    "JSON_VALUE(": "json_extract(",
    "JSON_QUERY(": "json_extract(",  # returns an array or an object as text
    "SAFE_CAST(": "CAST(",  # CAST never fails in SQLite
    " AS INT64)": " AS INTEGER)",
    "CAST(? AS TIMESTAMP)": "?",  # times are texts in SQLite
    # LIKE ignores case, and needs two thirds of the time of instr(lower(url), ?).
    "STRPOS(LOWER(url), ?) > 0": (
        r"url LIKE '%' || replace(replace(replace(?, '\', '\\'), '%', '\%'), '_', '\_') || '%' ESCAPE '\'"
    ),
    "LENGTH(TO_JSON_STRING(attributes))": "length(attributes)",
    "LENGTH(TO_JSON_STRING(items))": "length(items)",
    "DIV(UNIX_SECONDS(ended_at), ?)": "(CAST(strftime('%s', ended_at) AS INTEGER) / ?)",
    "UNIX_SECONDS(ended_at)": "CAST(strftime('%s', ended_at) AS INTEGER)",
    "TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY)": "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-7 days')",
}
#: Maps column types of BigQuery to column types of SQLite. SQLite treats STRING as a numeric type
#: and changes 007 to 7:
#: https://www.sqlite.org/datatype3.html#determination_of_column_affinity
SQLITE_TYPES = {"STRING": "TEXT", "BYTES": "BLOB"}
#: The indexes, by name: their tables, and what follows the table. In BigQuery, outcomes is clustered by the
#: columns of the first one. The others have only the pages of listings, so that other jobs cost nothing.
INDEXES = {
    "outcomes_index": ("outcomes", "(run_id, job_id)"),
    "outcomes_of_listings": ("outcomes", "(run_id, listing) WHERE listing <> ''"),
    "dead_letters_of_listings": (
        "dead_letters",
        "(json_extract(attributes, '$.run_id')) WHERE json_extract(attributes, '$.listing') IS NOT NULL",
    ),
}
#: The unique indexes, by name, in the same form: one for each table. A broker may deliver a message again,
#: and `scrapeq ledger` then skips it. It writes the short names of its subscriptions; localpubsub writes
#: full ones, and may repeat rows, as BigQuery subscriptions do.
UNIQUE_INDEXES = {
    **{
        f"{LEDGER_TABLES[topic]}_once": (
            LEDGER_TABLES[topic],
            f"(message_id) WHERE subscription_name = '{subscription}'",
        )
        for topic, subscription in LEDGER_SUBSCRIPTIONS.items()
    },
    f"{REJECTED_TABLE}_once": (REJECTED_TABLE, "(subscription_name, message_id)"),
}
_FILES = resources.files("contract") / "ledger"


def table(name: str) -> str:
    """Return the quoted SQLite name of a table or view of the ledger."""
    return f"`{LEDGER_DATASET}.{name}`"


def schema(name: str) -> list[dict[str, str]]:
    """Return the columns of a table, as BigQuery's schema file describes them.

    The table of rejected messages, which BigQuery does not have, stores bytes, as that of dead letters does.
    """
    name = LEDGER_TABLES[DEAD_LETTER_TOPIC] if name == REJECTED_TABLE else name
    columns: list[dict[str, str]] = json.loads((_FILES / f"{name}.schema.json").read_text("utf-8"))
    return columns


def views() -> dict[str, str]:
    """Return the query of each view by the view's name, in BigQuery's SQL."""
    return dict(_read_views())


@cache
def _read_views() -> dict[str, str]:
    """Read the files once: each opening of the summary needs them."""
    files = sorted(
        (file for file in _FILES.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return {file.name.removesuffix(".sql"): file.read_text("utf-8") for file in files}


@cache
def layout() -> int:
    """Return a number that identifies this version's tables and views: the user_version of the file."""
    texts = [json.dumps(schema(name)) for name in LEDGER_TABLES.values()]
    texts += [to_sqlite(query) for query in views().values()]
    texts += [str(INDEXES), str(UNIQUE_INDEXES)]
    return zlib.crc32("".join(texts).encode()) >> 1  # SQLite's user_version has a sign


@cache
def to_sqlite(query: str) -> str:
    """Translate a query from BigQuery's SQL to SQLite's."""
    for bigquery, sqlite in SQLITE_EXPRESSIONS.items():
        query = query.replace(bigquery, sqlite)
    return query


def run(
    connection: sqlite3.Connection,
    statement: str,
    parameters: Any = (),  # noqa: ANN401 - as in sqlite3
    **texts: str,
) -> sqlite3.Cursor:
    """Run a statement in the SQL of the views, in which `{name}` is replaced by the text of that name."""
    for name, text in texts.items():
        statement = statement.replace(f"{{{name}}}", text)
    return connection.execute(to_sqlite(statement), parameters)


def create(path: Path) -> None:
    """Create the file, and missing tables and columns; recreate every view."""
    make_private_directory(path.parent)
    make_private_file(path)
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # readers and writers do not block each other
        connection.execute("BEGIN IMMEDIATE")
        for name in (*LEDGER_TABLES.values(), REJECTED_TABLE):
            _create_table(connection, name)
        for kind, indexes in (("INDEX", INDEXES), ("UNIQUE INDEX", UNIQUE_INDEXES)):
            for name, (indexed, definition) in indexes.items():
                connection.execute(
                    f"CREATE {kind} IF NOT EXISTS {table(name)} ON {table(indexed)} {definition}"
                )
        for name, query in views().items():
            connection.execute(f"DROP VIEW IF EXISTS {table(name)}")
            connection.execute(f"CREATE VIEW {table(name)} AS {to_sqlite(query)}")
        connection.execute(f"PRAGMA user_version = {layout()}")
        connection.execute("COMMIT")


def _create_table(connection: sqlite3.Connection, name: str) -> None:
    columns = {column["name"]: SQLITE_TYPES.get(column["type"], column["type"]) for column in schema(name)}
    declarations = ", ".join(f"{column} {type_}" for column, type_ in columns.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table(name)} ({declarations})")
    existing = {column for _, column, *_ in connection.execute(f"PRAGMA table_info({table(name)})")}
    for column, type_ in columns.items():
        if column not in existing:  # an earlier version created the file
            connection.execute(f"ALTER TABLE {table(name)} ADD COLUMN {column} {type_}")
