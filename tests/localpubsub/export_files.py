"""What export subscriptions have written into tables and buckets."""

import sqlite3
from contextlib import closing
from pathlib import Path


def count(warehouse: Path, table: str) -> int:
    """Rows of a table, 0 when there is none."""
    if not warehouse.exists():
        return 0
    with closing(sqlite3.connect(f"file:{warehouse}?mode=ro", uri=True)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return 0
        query = f'SELECT count(*) FROM "{table}"'  # noqa: S608 - our own name
        return int(database.execute(query).fetchone()[0])


def files(bucket: Path) -> list[Path]:
    """The objects of a bucket."""
    return sorted(path for path in bucket.rglob("*") if path.is_file() and not path.name.startswith("."))
