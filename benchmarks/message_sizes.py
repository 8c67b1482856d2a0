"""Measures the messages, rows and log lines of the demo's crawl, from which the cost is calculated."""

import io
import json
import logging
from contextlib import redirect_stdout
from datetime import UTC, datetime
from functools import cache
from statistics import mean
from typing import Any

from console.demo.pages import Page, load_shop, site_pages
from console.demo.run import demo_crawl
from console.ledger.sqlite_views import schema
from console.money.model import Sizes
from contract.crawl import Crawl
from contract.job import Job
from contract.job_id import identify
from contract.outcome import Outcome, Reason
from contract.outcome_record import OutcomeRecord, items_json
from contract.trace import Trace
from extraction.extract import extract
from extraction.page import SavedPage
from runtime import log

SITE = "https://shop.example.com"
TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
NOW = datetime(2026, 11, 22, 6, 0, 3, 120456, UTC)
MESSAGE_ID = "12345678901234567"
#: Each message also has a timestamp of 20 bytes, and its id: https://cloud.google.com/pubsub/pricing
TIMESTAMP_BYTES = 20
WORKER = "scrapeq-worker-00042-abc/0069c7a9883a7d9dea4b3f4a5d6e7f80"
#: Bytes of a value by the type of its column; a text has its length in addition, and NULL has none:
#: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_sizes
VALUE_BYTES = {"INTEGER": 8, "FLOAT": 8, "TIMESTAMP": 8, "STRING": 2, "BYTES": 2, "JSON": 0}


@cache
def measure() -> Sizes:
    """Extract the demo's pages and return the sizes of what they would publish and store."""
    crawl = demo_crawl(SITE)
    run_id = crawl.run_id_at(NOW)
    pages = site_pages(load_shop(), SITE)
    pairs = []
    for path in sorted(pages):
        if path.startswith("/products/") and pages[path].status == 200:
            job = _job(crawl, run_id, SITE + path)
            pairs.append((job, _outcome(job, pages[path])))
    jobs = [(job.encode(), {**job.attributes(_traceparent()), "request_id": "0" * 32}) for job, _ in pairs]
    outcomes = [(outcome.encode(), outcome.attributes(_traceparent())) for _, outcome in pairs]
    return Sizes(
        job=_mean_message(jobs),
        outcome=_mean_message(outcomes),
        job_columns=_mean_columns("jobs", [({"data": data}, names) for data, names in jobs]),
        outcome_columns=_mean_columns("outcomes", [(json.loads(data), names) for data, names in outcomes]),
        log_line=_log_line(pairs[0][1]),
    )


def _traceparent() -> str:
    return TRACE.traceparent(TRACE.span_id)


def _job(crawl: Crawl, run_id: str, url: str) -> Job:
    return Job(
        job_id=identify(run_id, url, crawl.recipe),
        run_id=run_id,
        crawl=crawl.name,
        url=url,
        recipe=crawl.recipe,
        politeness=crawl.politeness,
        dispatched_at=NOW,
    )


def _outcome(job: Job, page: Page) -> OutcomeRecord:
    extracted = extract(job.recipe, SavedPage(job.url, page.content_type, page.body))
    return OutcomeRecord(
        **job.model_dump(include={"job_id", "run_id", "crawl", "url"}),
        recipe=job.recipe.name,
        attempt=1,
        outcome=Outcome.SUCCEEDED,
        reason=Reason.OK,
        final_url=job.url,
        http_status=200,
        fetched_at=NOW,
        fetch_seconds=0.412345,
        total_seconds=0.462345,
        body_bytes=len(page.body),
        body_sha256="0" * 64,
        items=items_json(extracted.items),
        item_count=len(extracted.items),
        worker=WORKER,
    )


def _mean_message(messages: list[tuple[bytes, dict[str, str]]]) -> int:
    fixed = TIMESTAMP_BYTES + len(MESSAGE_ID)
    return round(mean(len(data) + _size(attributes) + fixed for data, attributes in messages))


def _size(attributes: dict[str, str]) -> int:
    return sum(len(name) + len(value.encode()) for name, value in attributes.items())


def _mean_columns(name: str, rows: list[tuple[dict[str, Any], dict[str, str]]]) -> dict[str, float]:
    metadata = {
        "subscription_name": "projects/my-project/subscriptions/scrape-outcomes-ledger",
        "message_id": MESSAGE_ID,
        "publish_time": NOW,
    }
    full = [{**row, **metadata, "attributes": json.dumps(attributes)} for row, attributes in rows]
    return {
        column["name"]: mean(_value_bytes(row.get(column["name"]), column["type"]) for row in full)
        for column in schema(name)
    }


def _value_bytes(value: object, type_: str) -> int:
    if value is None:
        return 0
    if isinstance(value, str) and type_ in {"STRING", "JSON"}:
        value = value.encode()
    return VALUE_BYTES[type_] + (len(value) if isinstance(value, bytes) else 0)


def _log_line(outcome: OutcomeRecord) -> int:
    """Return the size of the line that the worker writes on Cloud Run for a page that answered 503."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    fields = {
        **outcome.model_dump(include={"job_id", "run_id", "crawl", "url"}),
        "outcome": "retry", "reason": "http_5xx", "status": 503, "message_id": MESSAGE_ID, "attempt": 1,
        "cause": "page", "last_attempt": False, "http_status": 503, "seconds": 0.462,
        "detail": "the site answered 503",
    }  # fmt: skip
    try:
        with redirect_stdout(io.StringIO()) as output:
            log.configure(on_cloud_run=True, project="my-project")
            log.event(log.WARNING, "delivery_finished", fields, trace=TRACE)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    return len(output.getvalue().encode())
