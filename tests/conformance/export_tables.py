"""The tables that BigQuery subscriptions write into."""

import sqlite3
import time
from contextlib import closing
from typing import Any

from tests.servers.pubsub_client import PubsubClient


def rows(pubsub: PubsubClient, table: str, count: int = 1) -> list[dict[str, Any]]:
    """The rows of a table, once there are ``count``."""
    assert pubsub.server.warehouse, "nothing stands for BigQuery"
    found: list[dict[str, Any]] = []
    until = time.monotonic() + pubsub.timeout
    while len(found) < count and time.monotonic() < until:
        time.sleep(0.02)  # another process' file tells nobody when it changes
        if pubsub.server.warehouse.exists():
            with closing(sqlite3.connect(f"file:{pubsub.server.warehouse}?mode=ro", uri=True)) as database:
                database.row_factory = sqlite3.Row
                if database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                    found = [dict(row) for row in database.execute(f'SELECT * FROM "{table}"')]  # noqa: S608 - our own name
    assert len(found) == count, f"{len(found)} rows instead of {count}"
    return found


def table_of(pubsub: PubsubClient) -> str:
    """``dataset.table`` that nobody has used."""
    return "dataset." + pubsub.name("tables").rpartition("/")[2].replace("-", "_")
