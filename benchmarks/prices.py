"""The prices that docs/how-to/cost.md is calculated from, with the page and the day of each."""

from dataclasses import dataclass
from typing import Final

GIB, TIB = 2**30, 2**40
MILLION = 1_000_000

RUN = "https://cloud.google.com/run/pricing"
PUBSUB = "https://cloud.google.com/pubsub/pricing"
BIGQUERY = "https://cloud.google.com/bigquery/pricing"
OBSERVABILITY = "https://cloud.google.com/products/observability/pricing"
NETWORK = "https://cloud.google.com/vpc/network-pricing"
NAT = "https://cloud.google.com/nat/pricing"
BUILD = "https://cloud.google.com/build/pricing"
SCANS = "https://cloud.google.com/artifact-analysis/pricing"
IMAGES = "https://cloud.google.com/artifact-registry/pricing"
SCHEDULER = "https://cloud.google.com/scheduler/pricing"


@dataclass(frozen=True)
class Price:
    """A published price in US dollars, after the free tier is used up.

    Attributes:
        what: what is paid for.
        dollars: the price of one `unit`.
        unit: what the price is for, as the calculation uses it.
        free: what is free each month; the bill ignores it.
        source: address of the page.
        read: the day on which a stored copy of the page was read.
        shown: the unit of the page, and how many `unit`s it has.
    """

    what: str
    dollars: float
    unit: str
    free: str
    source: str
    read: str = "2026-11-22"
    shown: tuple[str, int] | None = None


def _per(count: int, name: str) -> tuple[str, int]:
    return name, count


VCPU = Price("Cloud Run, processor while a request is open", 0.000024, "vCPU-second", "180,000 s", RUN)
MEMORY = Price("Cloud Run, memory while a request is open", 0.0000025, "GiB-second", "360,000 s", RUN)
IDLE_VCPU = Price(
    "Cloud Run, processor of an idle minimum instance", 0.0000025, "vCPU-second", "none", RUN, "2026-11-30"
)
IDLE_MEMORY = Price(
    "Cloud Run, memory of an idle minimum instance", 0.0000025, "GiB-second", "none", RUN, "2026-11-30"
)
REQUEST = Price(
    "Cloud Run, requests", 0.40 / MILLION, "request", "2,000,000", RUN, shown=_per(MILLION, "million")
)
THROUGHPUT = Price(
    "Pub/Sub, publishing and pushing", 40 / TIB, "byte", "10 GiB", PUBSUB, "2026-09-20", _per(TIB, "TiB")
)
EXPORT = Price(
    "Pub/Sub, BigQuery subscriptions", 50 / TIB, "byte", "none", PUBSUB, "2026-09-20", _per(TIB, "TiB")
)
KEPT = Price(
    "Pub/Sub, messages that a topic keeps",
    0.27 / GIB,
    "byte-month",
    "none",
    PUBSUB,
    "2026-09-20",
    _per(GIB, "GiB-month"),
)
ROWS = Price("BigQuery, storage", 0.02 / GIB, "byte-month", "10 GiB", BIGQUERY, shown=_per(GIB, "GiB-month"))
SCAN = Price(
    "BigQuery, bytes that queries read", 6.25 / TIB, "byte", "1 TiB", BIGQUERY, shown=_per(TIB, "TiB")
)
LOGS = Price(
    "Cloud Logging, 30 days kept", 0.50 / GIB, "byte", "50 GiB", OBSERVABILITY, shown=_per(GIB, "GiB")
)
CONDITION = Price(
    "Cloud Monitoring, a metric in an alert condition", 0.10, "month", "none", OBSERVABILITY, "2026-11-30"
)
POINT = Price(
    "Cloud Monitoring, points that alert conditions read",
    0.35 / MILLION,
    "point",
    "none",
    OBSERVABILITY,
    "2026-11-30",
    _per(MILLION, "million"),
)
EGRESS = Price(
    "Data to the internet, premium tier", 0.12 / GIB, "byte", "1 GiB", NETWORK, shown=_per(GIB, "GiB")
)
NAT_BYTES = Price(
    "Cloud NAT, data in both directions", 0.045 / GIB, "byte", "none", NAT, shown=_per(GIB, "GiB")
)
BUILDING = Price("Cloud Build, E2_HIGHCPU_8", 0.016, "minute", "none", BUILD, "2026-11-30")
IMAGE_SCAN = Price("Container Scanning", 0.26, "image", "none", SCANS, "2026-11-30")
IMAGE_STORAGE = Price("Artifact Registry, storage", 0.10, "GiB-month", "0.5 GiB", IMAGES)
SCHEDULED_JOB = Price("Cloud Scheduler", 0.10, "job-month", "3 jobs", SCHEDULER)
PRICES: Final = (
    VCPU, MEMORY, IDLE_VCPU, IDLE_MEMORY, REQUEST, THROUGHPUT, EXPORT, KEPT, ROWS, SCAN, LOGS,
    CONDITION, POINT, EGRESS, NAT_BYTES, BUILDING, IMAGE_SCAN, IMAGE_STORAGE, SCHEDULED_JOB,
)  # fmt: skip


def price_table() -> str:
    """Return the prices, as Markdown."""
    lines = ["| what | price | free each month | from | read |", "|---|---|---|---|---|"]
    for price in PRICES:
        unit, count = price.shown or (price.unit, 1)
        amount = f"${_plain(price.dollars * count)} / {unit}"
        lines.append(f"| {price.what} | {amount} | {price.free} | {price.source} | {price.read} |")
    return "\n".join(lines)


def _plain(dollars: float) -> str:
    """Return an amount without an exponent and with at least two decimals."""
    text = f"{dollars:.8f}".rstrip("0")
    return text + "0" * max(0, 2 - len(text.partition(".")[2]))
