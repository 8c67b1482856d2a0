"""Calculates what pages cost: `python -m benchmarks.cost` prints the tables of docs/how-to/cost.md.

The sizes of messages, rows and log lines are measured from the demo's crawl (benchmarks/message_sizes.py).
The prices are those of benchmarks/prices.py.
"""

import math
from dataclasses import dataclass, field
from typing import Final

from benchmarks.message_sizes import REQUEST_LOG_BYTES, Sizes, measure
from benchmarks.prices import (
    ADDRESS,
    BUILDING,
    CONDITION,
    EGRESS,
    EXPORT,
    GIB,
    IDLE_MEMORY,
    IDLE_VCPU,
    IMAGE_SCAN,
    IMAGE_STORAGE,
    KEPT,
    LOGS,
    MEMORY,
    MILLION,
    NAT_BYTES,
    NAT_HOUR,
    POINT,
    REQUEST,
    ROWS,
    SCAN,
    SCHEDULED_JOB,
    THROUGHPUT,
    VCPU,
    price_table,
)
from benchmarks.query_bytes import view_bytes
from console.ledger.sqlite_views import views

PAGES: Final = MILLION
MONTH_DAYS = 30
MONTH_SECONDS = MONTH_DAYS * 24 * 3600
#: Days for which the topics keep their messages: terraform/locals.tf and terraform/outcomes.tf.
JOBS_KEPT_DAYS, OUTCOMES_KEPT_DAYS = 7, 1
#: Conditions of alerts that read metrics, and the metrics that they read; tests/terraform compares them.
ALERT_CONDITIONS, ALERT_METRICS = 12, 15
#: Seconds between two evaluations of a condition, as in Google's examples:
#: https://cloud.google.com/stackdriver/observability-pricing-examples
EVALUATION_SECONDS = 30
BUILD_MINUTES = 30  #: duration of cloudbuild.yaml, estimated
IMAGE_GIB = 0.3  #: size of both images of one release, estimated


@dataclass(frozen=True)
class Crawling:
    """Properties of a crawl and settings of the worker.

    Attributes:
        latency_seconds: time from the request of a page to its last byte.
        concurrency: average number of pages that an instance processes at the same time.
        vcpus, memory_gib: size of one instance.
        processor_seconds: processor time per page; measured under load as 84 jobs/s per process.
        overhead_seconds: time of a delivery besides its page: token, parsing, confirmation of the outcome.
        attempts: deliveries per page; all but the last fail.
        sent_bytes: bytes sent to the site per delivery, including TLS and TCP; estimated.
        sizes: sizes of messages, rows and log lines.
    """

    latency_seconds: float
    concurrency: int
    vcpus: float = 1
    memory_gib: float = 1
    processor_seconds: float = 0.012
    overhead_seconds: float = 0.05
    attempts: float = 1
    sent_bytes: int = 2_000
    sizes: Sizes = field(default_factory=measure)


def instance_seconds(crawling: Crawling) -> float:
    """Return the instance-seconds that are billed for one delivery.

    Deliveries that are processed at the same time share the cost of the instance. Cloud Run rounds the time
    up to 100 ms. The result is at least the processor time, because a busy processor delays other deliveries.
    """
    open_seconds = math.ceil(round((crawling.latency_seconds + crawling.overhead_seconds) * 10, 6)) / 10
    return max(open_seconds / crawling.concurrency, crawling.processor_seconds / crawling.vcpus)


def throughput_bytes(size: int) -> int:
    """Return the bytes that Pub/Sub bills for a request of `size` bytes: at least 1,000."""
    return max(1_000, size)


def bill(crawling: Crawling, pages: int = PAGES) -> dict[str, float]:
    """Return the dollars for `pages` pages, by service."""
    sizes = crawling.sizes
    deliveries = pages * crawling.attempts
    seconds = deliveries * instance_seconds(crawling)
    pushed = deliveries * throughput_bytes(sizes.job)
    outcomes = deliveries * throughput_bytes(sizes.outcome)
    # Jobs are published in batches, so the minimum per request does not matter.
    jobs = pages * sizes.job
    kept = (jobs * JOBS_KEPT_DAYS + deliveries * sizes.outcome * OUTCOMES_KEPT_DAYS) / MONTH_DAYS
    rows = pages * sum(sizes.job_columns.values()) + deliveries * sum(sizes.outcome_columns.values())
    logged = (deliveries - pages) * (sizes.log_line + REQUEST_LOG_BYTES)
    return {
        "worker": seconds * (crawling.vcpus * VCPU.dollars + crawling.memory_gib * MEMORY.dollars)
        + deliveries * REQUEST.dollars,
        "Pub/Sub": (jobs + pushed + outcomes) * THROUGHPUT.dollars,
        "kept messages": kept * KEPT.dollars,
        "ledger": (jobs + deliveries * sizes.outcome) * EXPORT.dollars + rows * ROWS.dollars,
        "logs": logged * LOGS.dollars,
        "egress": deliveries * crawling.sent_bytes * EGRESS.dollars,
    }


def bill_table() -> str:
    """Return dollars per million pages, by latency and concurrency, as Markdown."""
    parts = list(bill(Crawling(1, 1)))
    lines = [
        "| page | concurrent pages | instance-hours | " + " | ".join(parts) + " | **total** |",
        "|---|---|---|" + "---|" * (len(parts) + 1),
    ]
    for latency in (0.2, 1, 5):
        for concurrency in (1, 10, 80):
            crawling = Crawling(latency, concurrency)
            costs = bill(crawling)
            hours = PAGES * instance_seconds(crawling) / 3600
            numbers = " | ".join(f"{costs[part]:.2f}" for part in parts)
            total = sum(costs.values())
            lines.append(f"| {latency:g} s | {concurrency} | {hours:,.1f} | {numbers} | **{total:.2f}** |")
    return "\n".join(lines)


def failure_table() -> str:
    """Return dollars per million deliveries that do not succeed, as Markdown."""
    once, twice = bill(Crawling(1, 80)), bill(Crawling(1, 80, attempts=2))
    failed = {part: twice[part] - once[part] for part in once}
    sizes = measure()
    refused = {
        "worker": MILLION * REQUEST.dollars,
        "Pub/Sub": MILLION * throughput_bytes(sizes.job) * THROUGHPUT.dollars,
        "logs": MILLION * REQUEST_LOG_BYTES * LOGS.dollars,
    }
    lines = ["| a million deliveries that | " + " | ".join(failed) + " | **total** |"]
    lines.append("|---|" + "---|" * (len(failed) + 1))
    for name, costs in {
        "fail at the site (1 s, 80 at a time)": failed,
        "Cloud Run refuses with 429": refused,
    }.items():
        numbers = " | ".join(f"{costs.get(part, 0):.2f}" for part in failed)
        lines.append(f"| {name} | {numbers} | **{sum(costs.values()):.2f}** |")
    return "\n".join(lines)


def query_table() -> str:
    """Return what one query of each view costs if the ledger has a million pages, as Markdown."""
    lines = ["| view | read per million pages | dollars |", "|---|---|---|"]
    for view in sorted(views()):
        size = MILLION * view_bytes(view, measure())
        lines.append(f"| `{view}` | {size / GIB:.2f} GiB | {size * SCAN.dollars:.4f} |")
    return "\n".join(lines)


def fixed_table() -> str:
    """Return what is paid without a page, as Markdown."""
    points = MONTH_SECONDS / EVALUATION_SECONDS * ALERT_METRICS
    rows = {
        f"alerts: {ALERT_METRICS} metrics in {ALERT_CONDITIONS} conditions, a month": ALERT_METRICS
        * CONDITION.dollars
        + points * POINT.dollars,
        "an idle minimum instance of 1 vCPU and 1 GiB, a month": MONTH_SECONDS
        * (IDLE_VCPU.dollars + IDLE_MEMORY.dollars),
        "a scheduled crawl, a month (three are free)": SCHEDULED_JOB.dollars,
        f"the images of a release ({IMAGE_GIB:g} GiB), a month": IMAGE_GIB * IMAGE_STORAGE.dollars,
        f"a roll-out: {BUILD_MINUTES} minutes of building, and the scans of two images": BUILD_MINUTES
        * BUILDING.dollars
        + 2 * IMAGE_SCAN.dollars,
        "Cloud NAT: an address, a month": MONTH_SECONDS / 3600 * ADDRESS.dollars,
        "Cloud NAT: ten instances, an hour": 10 * NAT_HOUR.dollars,
        "Cloud NAT: a million pages of 50 KB": MILLION * 52_000 * NAT_BYTES.dollars,
    }
    return "\n".join(
        [
            "| what | dollars |",
            "|---|---|",
            *(f"| {name} | {dollars:.2f} |" for name, dollars in rows.items()),
        ]
    )


def size_table() -> str:
    """Return the measured sizes, as Markdown."""
    sizes = measure()
    rows = {
        "a job: body, attributes, id and timestamp": sizes.job,
        "an outcome: the same": sizes.outcome,
        "the rows of a job and its outcome in BigQuery": round(sizes.rows),
        "the worker's log line of a delivery that failed": sizes.log_line,
    }
    return "\n".join(
        ["| what | bytes |", "|---|---|", *(f"| {name} | {size:,} |" for name, size in rows.items())]
    )


TABLES: Final = {
    "bill": bill_table,
    "failures": failure_table,
    "fixed": fixed_table,
    "queries": query_table,
    "prices": price_table,
    "sizes": size_table,
}


def main() -> None:
    """Print all tables of the page, each between its markers."""
    for name, table in TABLES.items():
        print(f"<!-- {name} -->\n{table()}\n<!-- /{name} -->\n")


if __name__ == "__main__":
    main()
