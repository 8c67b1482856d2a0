"""Calculate the cost of a million pages: `python -m benchmarks.cost` prints the tables of cost.md.

The cost is calculated from published prices; docs/how-to/cost.md has the tables.
Values that were measured are marked as such.
"""

import math
from dataclasses import dataclass
from typing import Final

PAGES: Final = 1_000_000
GIB, TIB = 2**30, 2**40

READ_ON: Final = "2026-11-22"
RUN = "https://cloud.google.com/run/pricing"
PUBSUB = "https://cloud.google.com/pubsub/pricing"
BIGQUERY = "https://cloud.google.com/bigquery/pricing"
LOGGING = "https://cloud.google.com/stackdriver/pricing"
NETWORK = "https://cloud.google.com/vpc/network-pricing"


@dataclass(frozen=True)
class Price:
    """A published price in US dollars, after the free tier is used up."""

    what: str
    dollars: float
    unit: str
    free: str  #: amount that is free each month; the bill ignores it
    source: str


VCPU = Price("Cloud Run, processor while a request is open", 0.000024, "vCPU-second", "180,000 s", RUN)
MEMORY = Price("Cloud Run, memory while a request is open", 0.0000025, "GiB-second", "360,000 s", RUN)
REQUEST = Price("Cloud Run, requests", 0.40 / 1e6, "request", "2,000,000", RUN)
THROUGHPUT = Price("Pub/Sub, publishing and pushing", 40 / TIB, "byte", "10 GiB", PUBSUB)
EXPORT = Price("Pub/Sub, BigQuery subscriptions", 50 / TIB, "byte", "none", PUBSUB)
ROWS = Price("BigQuery, storage of a month", 0.02 / GIB, "byte", "10 GiB", BIGQUERY)
LOGS = Price("Cloud Logging, 30 days kept", 0.50 / GIB, "byte", "50 GiB", LOGGING)
EGRESS = Price("Data to the internet, premium tier", 0.12 / GIB, "byte", "1 GiB", NETWORK)
PRICES: Final = (VCPU, MEMORY, REQUEST, THROUGHPUT, EXPORT, ROWS, LOGS, EGRESS)
#: Maps a price per byte to the unit that the table shows: its number of bytes and its name.
SHOWN_UNITS: Final = {
    THROUGHPUT: (TIB, "TiB"),
    EXPORT: (TIB, "TiB"),
    ROWS: (GIB, "GiB-month"),
    LOGS: (GIB, "GiB"),
    EGRESS: (GIB, "GiB"),
}


@dataclass(frozen=True)
class Crawling:
    """Properties of a crawl and settings of the worker.

    Attributes:
        latency_seconds: time from the request of a page to its last byte.
        concurrency: average number of pages that an instance processes at the same time.
        vcpus, memory_gib: size of one instance.
        processor_seconds: processor time per page; measured under load as 84 jobs/s per process.
        overhead_seconds: time of a delivery besides its page: token, parsing, confirmation of the outcome.
        attempts: deliveries per page.
        job_bytes, outcome_bytes: size of a message with its attributes.
        log_bytes: total size of the two log lines of a delivery: Cloud Run's and the worker's.
        sent_bytes: bytes sent to the site per delivery, including TLS.
    """

    latency_seconds: float
    concurrency: int
    vcpus: float = 1
    memory_gib: float = 1
    processor_seconds: float = 0.012
    overhead_seconds: float = 0.05
    attempts: float = 1
    job_bytes: int = 1_200
    outcome_bytes: int = 1_500
    log_bytes: int = 2_000
    sent_bytes: int = 2_000


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
    deliveries = pages * crawling.attempts
    seconds = deliveries * instance_seconds(crawling)
    pushed = deliveries * throughput_bytes(crawling.job_bytes)
    outcomes = deliveries * throughput_bytes(crawling.outcome_bytes)
    # Jobs are published in batches, so the minimum per request does not matter.
    jobs = pages * crawling.job_bytes
    rows = jobs + deliveries * crawling.outcome_bytes
    return {
        "worker": seconds * (crawling.vcpus * VCPU.dollars + crawling.memory_gib * MEMORY.dollars)
        + deliveries * REQUEST.dollars,
        "Pub/Sub": (jobs + pushed + outcomes) * THROUGHPUT.dollars,
        "ledger": rows * (EXPORT.dollars + ROWS.dollars),
        "logs": deliveries * crawling.log_bytes * LOGS.dollars,
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


def price_table() -> str:
    """Return the prices, as Markdown."""
    lines = ["| what | price | free each month | from |", "|---|---|---|---|"]
    for price in PRICES:
        factor, unit = SHOWN_UNITS.get(price, (1, price.unit))
        if price is REQUEST:
            factor, unit = 1_000_000, "million"
        lines.append(
            f"| {price.what} | ${_plain(price.dollars * factor)} / {unit} | {price.free} | {price.source} |"
        )
    return "\n".join(lines)


def _plain(dollars: float) -> str:
    """Return an amount without an exponent and with at least two decimals."""
    text = f"{dollars:.8f}".rstrip("0")
    return text + "0" * max(0, 2 - len(text.partition(".")[2]))


def main() -> None:
    """Print both tables."""
    print(price_table())
    print()
    print(bill_table())


if __name__ == "__main__":
    main()
