"""Ledger rows as the three topics would give them, and warehouses that hold them."""

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from console.ledger.sqlite_views import Row, create, insert, table, timestamp
from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC, OUTCOMES_TOPIC

START = datetime.now(UTC) - timedelta(hours=1)


def at(second: float) -> str:
    """Return a publish time within the last hour."""
    return timestamp(START + timedelta(seconds=second))


def job_row(job: str, second: float = 0, *, run: str = "run-1", message: str = "") -> Row:
    """Return a job as it was published."""
    return _row(
        JOBS_TOPIC, message or f"j-{job}-{second}", second, _job(job, run), {"job_id": job, "run_id": run}
    )


def outcome_row(
    job: str,
    second: float,
    *,
    run: str = "run-1",
    attempt: int = 1,
    reason: str = "ok",
    items: list[dict[str, object]] | None = None,
    detail: str = "",
) -> Row:
    """Return the outcome of an attempt; whatever is not ok is a retry."""
    document = _job(job, run) | {
        "recipe": "book",
        "attempt": attempt,
        "outcome": "succeeded" if reason == "ok" else "retry",
        "reason": reason,
        "items": json.dumps(items or []),
        "item_count": len(items or []),
        "detail": detail,
    }
    attributes = {"job_id": job, "run_id": run, "host": "shop.example"}
    return _row(OUTCOMES_TOPIC, f"o-{job}-{second}-{reason}", second, document, attributes)


def dead_row(job: str, second: float, *, run: str = "run-1", deliveries: int = 5) -> Row:
    """Return a dead letter."""
    attributes = {
        "job_id": job,
        "run_id": run,
        "CloudPubSubDeadLetterSourceDeliveryCount": str(deliveries),
    }
    return _row(DEAD_LETTER_TOPIC, f"d-{job}-{second}", second, _job(job, run), attributes)


def _job(job: str, run: str) -> dict[str, object]:
    return {
        "version": 1,
        "job_id": job,
        "run_id": run,
        "crawl": "books",
        "url": f"https://shop.example/{job}",
    }


def _row(
    topic: str, message_id: str, second: float, document: dict[str, object], attributes: dict[str, str]
) -> Row:
    data = json.dumps(document).encode()
    return Row(topic, f"projects/p/subscriptions/{topic}-ledger", message_id, at(second), attributes, data)


@contextmanager
def warehouse(rows: Iterable[Row]) -> Iterator[sqlite3.Connection]:
    """Yield a warehouse with rows in it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "warehouse.db"
        create(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            insert(connection, rows)
            yield connection


def asked(connection: sqlite3.Connection, view: str) -> list[dict[str, Any]]:
    """Return all rows of a view, in an order of their own."""
    rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table(view)}")]  # noqa: S608 - our own name
    return sorted(rows, key=repr)
