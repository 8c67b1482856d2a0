"""Makes rows of the ledger as BigQuery subscriptions write them, and databases that contain them."""

import json
import random
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from console.ledger.ledger import Ledger
from console.ledger.sqlite_views import create, schema, table
from contract.crawl import Crawl, Limits
from contract.dispatch_report import DispatchReport
from contract.end_record import EndRecord
from contract.operator_act import Act
from contract.shard import Shard
from contract.topology import (
    COLUMN_TOPICS,
    DEAD_LETTER_TOPIC,
    DISPATCH_TOPIC,
    JOBS_TOPIC,
    LEDGER_TABLES,
    OPERATOR_TOPIC,
    OUTCOMES_TOPIC,
)
from extraction.selectors import CHECKS
from tests.contract.documents import CRAWL

START = datetime.now(UTC) - timedelta(hours=1)


@dataclass(frozen=True)
class Row:
    """One delivery of a message to a BigQuery subscription.

    Attributes:
        topic: short name of the topic, which decides the table.
        subscription_name: full name of the subscription.
        message_id: id of the message.
        publish_time: UTC with six decimals, for example `2026-11-22T06:00:03.120000Z`.
        attributes: attributes of the message.
        data: body of the message; an outcome is a JSON object.
    """

    topic: str
    subscription_name: str
    message_id: str
    publish_time: str
    attributes: Mapping[str, str]
    data: bytes


def publish_time(second: float) -> str:
    """Return the publish time that is `second` seconds after START, the start of the tests' runs."""
    return f"{START + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S.%fZ}"


def job_row(
    job: str,
    second: float = 0,
    *,
    run: str = "run-1",
    message: str = "",
    request: str = "",
    listing: str = "",
    page: int = 1,
    replaces: str = "",
) -> Row:
    """Return a job of a `request`; a further page has the job id of its `listing`, and its number.

    A job that replaces another one has the id of that job.
    """
    attributes = {"job_id": job, "run_id": run} | _listing_attributes(listing, page)
    attributes |= {"request_id": request} if request else {}
    attributes |= {"replaces": replaces} if replaces else {}
    return _row(JOBS_TOPIC, message or f"j-{job}-{second}", second, _job(job, run), attributes)


def _listing_attributes(listing: str, page: int) -> dict[str, str]:
    return {"listing": listing, "page": str(page)} if listing else {}


def outcome_row(
    job: str,
    second: float,
    *,
    run: str = "run-1",
    attempt: int = 1,
    reason: str = "ok",
    items: list[dict[str, object]] | None = None,
    detail: str = "",
    **fields: object,
) -> Row:
    """Return the outcome of an attempt: `succeeded` for the reason `ok`, else `retry`; `fields` are added.

    The outcome of the reason `cancelled` is `cancelled`.
    """
    document = _job(job, run) | {
        "recipe": "book",
        "attempt": attempt,
        "outcome": {"ok": "succeeded", "cancelled": "cancelled"}.get(reason, "retry"),
        "reason": reason,
        "items": json.dumps(items or []),
        "item_count": len(items or []),
        "detail": detail,
        **fields,
    }
    attributes = {"job_id": job, "run_id": run, "host": "shop.example"}
    return _row(OUTCOMES_TOPIC, f"o-{job}-{second}-{reason}", second, document, attributes)


def dead_letter_row(
    job: str,
    second: float,
    *,
    run: str = "run-1",
    deliveries: int = 5,
    published: float | None = None,
    listing: str = "",
    page: int = 1,
) -> Row:
    """Return a dead letter that Pub/Sub forwarded after `deliveries` attempts.

    Args:
        job: id of the job.
        second: when it was forwarded.
        run: id of the run.
        deliveries: number of deliveries.
        published: when the job's message was published; None to leave this attribute out.
        listing: job id of the first page, if the job is a further page of a listing.
        page: its number.
    """
    attributes = {
        "job_id": job,
        "run_id": run,
        "CloudPubSubDeadLetterSourceDeliveryCount": str(deliveries),
        **_listing_attributes(listing, page),
    }
    if published is not None:
        time = publish_time(published).replace("Z", "+00:00")
        attributes["CloudPubSubDeadLetterSourceTopicPublishTime"] = time
    return _row(DEAD_LETTER_TOPIC, f"d-{job}-{second}", second, _job(job, run), attributes)


def worker_dead_letter_row(job: str, second: float, reason: str = "http_404") -> Row:
    """Return a dead letter that a worker published itself, with ACK_POLICY=settled."""
    row = dead_letter_row(job, second)
    return replace(row, attributes={"job_id": job, "run_id": "run-1", "reason": reason})


def act_row(
    act: Act,
    second: float,
    *,
    job: str | None = None,
    run: str | None = "run-1",
    host: str = "",
    detail: str = "",
) -> Row:
    """Return an act of an operator, which concerns a run, one of its jobs, a host, or everything."""
    told = {"act_id": "0" * 32, "acted_at": publish_time(second), "operator": "ada@desk", "act": act}
    # The jobs of these tests have short names instead of job ids, so the act is not validated.
    document = {**told, "version": 1, "host": host, "detail": detail}
    named = {name: value for name, value in (("run_id", run), ("job_id", job)) if value is not None}
    attributes = {"act": act.value, "act_id": "0" * 32} | named
    return _row(OPERATOR_TOPIC, f"a-{act}-{job}-{host}-{second}", second, document | named, attributes)


def shard_row(
    number: int, second: float, report: DispatchReport, *, run: str = "run-1", dispatch: str = "d"
) -> Row:
    """Return a shard: the request `number` continues after requests with this report."""
    shard = Shard(
        crawl=Crawl.from_document(CRAWL | {"run_id": run}, CHECKS),
        number=number,
        source="sources.urls_file",
        started_at=START,
        dispatch_id=dispatch,
        report=report,
    )
    return _dispatch_row(f"s-{dispatch}-{number}-{second}", second, shard)


def end_row(
    requests: int,
    second: float,
    report: DispatchReport,
    *,
    run: str = "run-1",
    dispatch: str = "d",
    limits: Limits | None = None,
) -> Row:
    """Return the end record of a dispatch with this number of requests."""
    record = EndRecord(
        run_id=run,
        crawl="books",
        dispatch_id=dispatch,
        requests=requests,
        report=report,
        limits=limits or Limits(),
    )
    return _dispatch_row(f"e-{dispatch}-{requests}-{second}", second, record)


def _dispatch_row(message_id: str, second: float, message: Shard | EndRecord) -> Row:
    subscription = f"projects/p/subscriptions/{DISPATCH_TOPIC}-ledger"
    time = publish_time(second)
    return Row(DISPATCH_TOPIC, subscription, message_id, time, message.attributes(""), message.encode())


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
    subscription = f"projects/p/subscriptions/{topic}-ledger"
    return Row(topic, subscription, message_id, publish_time(second), attributes, data)


def record(ledger: Ledger, rows: Iterable[Row]) -> None:
    """Add rows to a ledger in one transaction."""
    with closing(sqlite3.connect(ledger.path)) as connection, connection:
        insert(connection, rows)


def insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Add rows as the BigQuery subscription of their topic would.

    `test_rows_of_these_tests_are_those_of_localpubsub` compares these rows with localpubsub's rows.
    """
    for row in rows:
        name = LEDGER_TABLES[row.topic]
        values = _values(row, name)
        names, placeholders = ", ".join(values), ", ".join("?" * len(values))
        connection.execute(
            f"INSERT INTO {table(name)} ({names}) VALUES ({placeholders})",  # noqa: S608 - the names are constants
            list(values.values()),
        )


def _values(row: Row, name: str) -> dict[str, object]:
    metadata: dict[str, object] = {
        "subscription_name": row.subscription_name,
        "message_id": row.message_id,
        "publish_time": row.publish_time,
        "attributes": json.dumps(dict(row.attributes), ensure_ascii=False, separators=(",", ":")),
    }
    if row.topic not in COLUMN_TOPICS:
        return {"data": row.data, **metadata}
    types = {column["name"]: column["type"] for column in schema(name)}
    document = {column: value for column, value in json.loads(row.data).items() if column in types}
    return {column: _value(value, types[column]) for column, value in document.items()} | metadata


def _value(value: object, type_: str) -> object:
    if type_ == "TIMESTAMP":
        return f"{datetime.fromisoformat(str(value)).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    return value


@contextmanager
def database_with(rows: Iterable[Row]) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a ledger's database that contains `rows`."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "warehouse.db"
        create(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            insert(connection, rows)
            yield connection


def query_view(connection: sqlite3.Connection, view: str) -> list[dict[str, Any]]:
    """Return all rows of a view, sorted by their text."""
    rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table(view)}")]  # noqa: S608 - the name is a constant
    return sorted(rows, key=repr)


def repeated_and_shuffled(rows: list[Row], shuffler: random.Random, data: st.DataObject) -> list[Row]:
    """Return rows in another order, each up to three times, as BigQuery subscriptions may write them."""
    repeats = data.draw(st.lists(st.integers(1, 3), min_size=len(rows), max_size=len(rows)))
    shuffled = [row for row, count in zip(rows, repeats, strict=True) for _ in range(count)]
    shuffler.shuffle(shuffled)
    return shuffled
