"""Calculates what pages cost: `python -m benchmarks.cost` prints the tables of docs/how-to/cost.md.

The sizes of messages, rows and log lines are measured from the demo's crawl (benchmarks/message_sizes.py).
The prices and the model are those of `scrapeq plan`: console/money.
"""

from typing import Final

from benchmarks.message_sizes import measure
from benchmarks.query_bytes import view_bytes
from console.ledger.sqlite_views import views
from console.money.model import (
    MONTH_DAYS,
    REQUEST_LOG_BYTES,
    Crawling,
    bill,
    instance_seconds,
    throughput_bytes,
)
from console.money.prices import (
    ADDRESS,
    BUILDING,
    CONDITION,
    GIB,
    IDLE_MEMORY,
    IDLE_VCPU,
    IMAGE_SCAN,
    IMAGE_STORAGE,
    LOGS,
    MILLION,
    NAT_BYTES,
    NAT_HOUR,
    POINT,
    PRICES,
    REQUEST,
    SCAN,
    SCHEDULED_JOB,
    THROUGHPUT,
)

PAGES: Final = MILLION
MONTH_SECONDS = MONTH_DAYS * 24 * 3600
#: Conditions of alerts that read metrics, and the metrics that they read; tests/terraform compares them.
ALERT_CONDITIONS, ALERT_METRICS = 12, 15
#: Seconds between two evaluations of a condition, as in Google's examples:
#: https://cloud.google.com/stackdriver/observability-pricing-examples
EVALUATION_SECONDS = 30
BUILD_MINUTES = 30  #: duration of cloudbuild.yaml, estimated
IMAGE_GIB = 0.3  #: size of both images of one release, estimated


def crawling(latency_seconds: float, concurrency: int, attempts: float = 1) -> Crawling:
    """Return a crawl with the sizes that are measured."""
    return Crawling(latency_seconds, concurrency, attempts=attempts, sizes=measure())


def bill_table() -> str:
    """Return dollars per million pages, by latency and concurrency, as Markdown."""
    parts = list(bill(Crawling(1, 1)))
    lines = [
        "| page | concurrent pages | instance-hours | " + " | ".join(parts) + " | **total** |",
        "|---|---|---|" + "---|" * (len(parts) + 1),
    ]
    for latency in (0.2, 1, 5):
        for concurrency in (1, 10, 80):
            pages = crawling(latency, concurrency)
            costs = bill(pages)
            hours = PAGES * instance_seconds(pages) / 3600
            numbers = " | ".join(f"{costs[part]:.2f}" for part in parts)
            total = sum(costs.values())
            lines.append(f"| {latency:g} s | {concurrency} | {hours:,.1f} | {numbers} | **{total:.2f}** |")
    return "\n".join(lines)


def failure_table() -> str:
    """Return dollars per million deliveries that do not succeed, as Markdown."""
    once, twice = bill(crawling(1, 80)), bill(crawling(1, 80, attempts=2))
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


def price_table() -> str:
    """Return the prices, as Markdown."""
    lines = ["| what | price | free each month | from | read |", "|---|---|---|---|---|"]
    for price in PRICES:
        amount = f"${_plain(price.published)} / {price.unit}"
        read = f"{price.read}, quoted" if price.quoted else price.read
        lines.append(f"| {price.what} | {amount} | {price.free} | {price.source} | {read} |")
    return "\n".join(lines)


def _plain(dollars: float) -> str:
    """Return an amount without an exponent and with at least two decimals."""
    text = f"{dollars:.8f}".rstrip("0")
    return text + "0" * max(0, 2 - len(text.partition(".")[2]))


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
