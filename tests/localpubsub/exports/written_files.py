"""Reads the tables and buckets that export subscriptions write."""

import sqlite3
from contextlib import closing
from pathlib import Path


def count(tables: Path, table: str) -> int:
    """Return the number of rows of a table, or 0 if the table does not exist."""
    if not tables.exists():
        return 0
    with closing(sqlite3.connect(f"file:{tables}?mode=ro", uri=True)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return 0
        query = f'SELECT count(*) FROM "{table}"'  # noqa: S608 - tests choose the table's name
        return int(database.execute(query).fetchone()[0])


def files(bucket: Path) -> list[Path]:
    """Return the objects of a bucket, without hidden files."""
    return sorted(path for path in bucket.rglob("*") if path.is_file() and not path.name.startswith("."))
