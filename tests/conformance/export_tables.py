"""Read the tables that BigQuery subscriptions write."""

import sqlite3
import time
from contextlib import closing
from typing import Any

from tests.servers.pubsub_client import PubsubClient


def rows(pubsub: PubsubClient, table: str, count: int = 1) -> list[dict[str, Any]]:
    """Return the rows of a table once it has ``count`` rows."""
    assert pubsub.server.warehouse, "this server has no stand-in for BigQuery"
    found: list[dict[str, Any]] = []
    until = time.monotonic() + pubsub.timeout
    while len(found) < count and time.monotonic() < until:
        time.sleep(0.02)  # No event announces a change of the file.
        if pubsub.server.warehouse.exists():
            with closing(sqlite3.connect(f"file:{pubsub.server.warehouse}?mode=ro", uri=True)) as database:
                database.row_factory = sqlite3.Row
                if database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                    found = [dict(row) for row in database.execute(f'SELECT * FROM "{table}"')]  # noqa: S608 - the test chose the name
    assert len(found) == count, f"{len(found)} rows instead of {count}"
    return found


def table_of(pubsub: PubsubClient) -> str:
    """Return an unused name ``dataset.table``."""
    return "dataset." + pubsub.name("tables").rpartition("/")[2].replace("-", "_")
