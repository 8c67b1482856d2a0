"""Creates the tables of the store, and changes a file of an earlier format to the current format.

SQLite's ``user_version`` contains the number of a file's format. Version 0.1 of localpubsub wrote format 2.
"""

import sqlite3
from typing import Final

#: Number of the format that this version writes. Format 2 added ordering keys, retained messages, snapshots
#: and policies. Format 3 gave each backlog its own number, and put the rows of a number next to each other.
SCHEMA_VERSION: Final = 3

#: Every table of the current format; ``resource``, ``record`` and ``policy`` are encoded protobuf messages.
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS last_id (one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS id_range (first_id INTEGER PRIMARY KEY, publish_time INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS topic (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, resource BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS subscription (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, resource BLOB NOT NULL,
    backlog INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS schema_revision (
    number INTEGER PRIMARY KEY, schema TEXT NOT NULL, resource BLOB NOT NULL, compiled BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS backlog (
    number INTEGER NOT NULL, message INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    key INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (number, message)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS backlog_message ON backlog (message);
CREATE TABLE IF NOT EXISTS retained (
    number INTEGER NOT NULL, message INTEGER NOT NULL, PRIMARY KEY (number, message)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS retained_message ON retained (message);
CREATE TABLE IF NOT EXISTS snapshot (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, resource BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS policy (number INTEGER PRIMARY KEY, policy BLOB NOT NULL);
"""

#: Format → the statements that prepare a file of this format, before missing tables are created.
_BEFORE: Final = {
    1: """
        ALTER TABLE backlog ADD COLUMN key INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE retained (message INTEGER NOT NULL, owner INTEGER NOT NULL)
    """,
    2: """
        ALTER TABLE backlog RENAME TO backlog_2;
        ALTER TABLE retained RENAME TO retained_2;
        ALTER TABLE subscription ADD COLUMN backlog INTEGER NOT NULL DEFAULT 0
    """,
}
#: Format → the statements that then change it to the next format.
_AFTER: Final = {
    2: """
        UPDATE subscription SET backlog = number;
        INSERT INTO backlog (number, message, attempts, key)
        SELECT subscription, message, attempts, key FROM backlog_2 ORDER BY subscription, message;
        INSERT INTO retained (number, message) SELECT owner, message FROM retained_2 ORDER BY owner, message;
        DROP TABLE backlog_2;
        DROP TABLE retained_2
    """,
}


def file_version(connection: sqlite3.Connection) -> int:
    """Return the format of the open file; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Create the missing tables and change the file to the current format, in one transaction."""
    version = file_version(connection)
    # The tables of a new file already have the current format.
    earlier = range(version, SCHEMA_VERSION) if version else range(0)
    before = [_BEFORE[each] for each in earlier if each in _BEFORE]
    after = [_AFTER[each] for each in earlier if each in _AFTER]
    connection.execute("BEGIN")
    for script in (*before, _TABLES, *after):
        for statement in script.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
