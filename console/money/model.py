"""Calculates what pages cost on Google Cloud, by service, from sizes and times. Pure."""

import math
from dataclasses import dataclass
from typing import Final

from console.money.prices import EGRESS, EXPORT, KEPT, LOGS, MEMORY, REQUEST, ROWS, THROUGHPUT, VCPU

MONTH_DAYS = 30
#: Days for which the topics keep their messages: terraform/locals.tf and terraform/outcomes.tf.
JOBS_KEPT_DAYS, OUTCOMES_KEPT_DAYS = 7, 1
#: Size of Cloud Run's own log entry for a request, estimated from the fields of its example:
#: https://cloud.google.com/run/docs/logging#request-logs
REQUEST_LOG_BYTES = 1_000


@dataclass(frozen=True)
class Sizes:
    """Mean sizes in bytes of the messages, rows and log lines of a crawl.

    Attributes:
        job, outcome: a message as Pub/Sub counts it: body, attributes, id and timestamp.
        job_columns, outcome_columns: the columns of a row, as BigQuery counts them, by name.
        log_line: the worker's log line of a delivery that failed.
    """

    job: int
    outcome: int
    job_columns: dict[str, float]
    outcome_columns: dict[str, float]
    log_line: int

    @property
    def rows(self) -> float:
        """Bytes of a job's row and its outcome's row."""
        return sum(self.job_columns.values()) + sum(self.outcome_columns.values())


#: Sizes of the demo's crawl, which `python -m benchmarks.cost` measures; a test compares them.
DEMO_SIZES: Final = Sizes(1_275, 1_398, {"row": 1_381}, {"row": 1_169}, 776)


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
    sizes: Sizes = DEMO_SIZES


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


def bill(crawling: Crawling, pages: float = 1_000_000) -> dict[str, float]:
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
