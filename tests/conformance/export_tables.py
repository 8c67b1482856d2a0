"""Reads the tables that BigQuery subscriptions write."""

import sqlite3
from contextlib import closing
from typing import Any

from tests.servers.pubsub_client import PubsubClient
from tests.servers.waiting import wait_for


def rows(pubsub: PubsubClient, table: str, count: int = 1) -> list[dict[str, Any]]:
    """Return the rows of a table once it has ``count`` rows."""
    warehouse = pubsub.server.warehouse
    assert warehouse, "this server writes no BigQuery tables"

    def read() -> list[dict[str, Any]]:
        if not warehouse.exists():
            return []
        with closing(sqlite3.connect(f"file:{warehouse}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                return []
            return [dict(row) for row in database.execute(f'SELECT * FROM "{table}"')]  # noqa: S608 - tests choose the table's name

    found = wait_for(read, lambda rows: len(rows) >= count, f"{table} has {count} rows", pubsub.timeout)
    assert len(found) == count
    return found


def table_of(pubsub: PubsubClient) -> str:
    """Return an unused name ``dataset.table``."""
    return "dataset." + pubsub.name("tables").rpartition("/")[2].replace("-", "_")
