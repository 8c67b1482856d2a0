"""Creates the tables of the store, and changes a file of an earlier format to the current format.

SQLite's ``user_version`` contains the number of a file's format. Version 0.1 of localpubsub wrote format 2.
"""

import sqlite3
from typing import Final

#: Number of the format that this version writes. Format 2 added ordering keys, retained messages, snapshots
#: and policies.
SCHEMA_VERSION: Final = 2

#: Every table of the current format; ``resource``, ``record`` and ``policy`` are encoded protobuf messages.
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS last_id (one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS id_range (first_id INTEGER PRIMARY KEY, publish_time INTEGER NOT NULL);
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
CREATE TABLE IF NOT EXISTS retained (
    message INTEGER NOT NULL, owner INTEGER NOT NULL, PRIMARY KEY (message, owner)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS snapshot (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, resource BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS policy (number INTEGER PRIMARY KEY, policy BLOB NOT NULL);
"""

#: Format → the statement that changes a file of this format to the next format. Missing tables are created
#: first.
_CHANGES: Final = {1: "ALTER TABLE backlog ADD COLUMN key INTEGER NOT NULL DEFAULT 0"}


def file_version(connection: sqlite3.Connection) -> int:
    """Return the format of the open file; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Create the missing tables and change the file to the current format, in one transaction."""
    version = file_version(connection)
    connection.execute("BEGIN")
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    if version:  # the tables of a new file already have the current format
        for earlier in range(version, SCHEMA_VERSION):
            connection.execute(_CHANGES[earlier])
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
