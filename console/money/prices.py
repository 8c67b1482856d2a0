"""The prices that forecasts and bills are calculated from, with the page and the day of each. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
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
        published: the price of one `unit`.
        unit: what the price is for, as on the page.
        free: what is free each month; the bill ignores it.
        source: address of the page.
        read: the day on which the price was read.
        units: how many of the calculation's units (bytes, requests, points, seconds, …) one `unit` has.
        quoted: whether the price was read in another text that quotes the page, not in a copy of the page.
    """

    what: str
    published: float
    unit: str
    free: str
    source: str
    read: str = "2026-11-22"
    units: int = 1
    quoted: bool = False

    @property
    def dollars(self) -> float:
        """The price of one of the calculation's units."""
        return self.published / self.units


_READ = "2026-11-30"  # the day of most prices that were added to the first ones
VCPU = Price("Cloud Run, processor while a request is open", 0.000024, "vCPU-second", "180,000 s", RUN)
MEMORY = Price("Cloud Run, memory while a request is open", 0.0000025, "GiB-second", "360,000 s", RUN)
IDLE_VCPU = Price(
    "Cloud Run, processor of an idle minimum instance",
    0.0000025,
    "vCPU-second",
    "none",
    RUN,
    _READ,
    quoted=True,
)
IDLE_MEMORY = Price(
    "Cloud Run, memory of an idle minimum instance", 0.0000025, "GiB-second", "none", RUN, _READ, quoted=True
)
REQUEST = Price("Cloud Run, requests", 0.40, "million", "2,000,000", RUN, units=MILLION)
THROUGHPUT = Price(
    "Pub/Sub, publishing and pushing", 40, "TiB", "10 GiB", PUBSUB, "2026-09-20", TIB, quoted=True
)
EXPORT = Price("Pub/Sub, BigQuery subscriptions", 50, "TiB", "none", PUBSUB, "2026-09-20", TIB, quoted=True)
KEPT = Price(
    "Pub/Sub, messages that a topic keeps", 0.27, "GiB-month", "none", PUBSUB, "2026-09-20", GIB, quoted=True
)
ROWS = Price("BigQuery, storage", 0.02, "GiB-month", "10 GiB", BIGQUERY, units=GIB)
SCAN = Price("BigQuery, bytes that queries read", 6.25, "TiB", "1 TiB", BIGQUERY, _READ, TIB, quoted=True)
LOGS = Price("Cloud Logging, 30 days kept", 0.50, "GiB", "50 GiB", OBSERVABILITY, _READ, GIB)
CONDITION = Price(
    "Cloud Monitoring, a metric in an alert condition",
    0.10,
    "month",
    "none",
    OBSERVABILITY,
    _READ,
    quoted=True,
)
POINT = Price(
    "Cloud Monitoring, points that alerts read",
    0.35,
    "million",
    "none",
    OBSERVABILITY,
    _READ,
    MILLION,
    quoted=True,
)
EGRESS = Price("Data to the internet, premium tier", 0.12, "GiB", "1 GiB", NETWORK, units=GIB)
NAT_BYTES = Price("Cloud NAT, data in both directions", 0.045, "GiB", "none", NAT, _READ, GIB)
NAT_HOUR = Price("Cloud NAT, each instance up to 32", 0.0014, "instance-hour", "none", NAT, _READ)
ADDRESS = Price("Cloud NAT, each address", 0.005, "hour", "none", NAT, _READ)
BUILDING = Price("Cloud Build, E2_HIGHCPU_8", 0.016, "minute", "none", BUILD, _READ)
IMAGE_SCAN = Price("Container Scanning", 0.26, "image", "none", SCANS, _READ, quoted=True)
IMAGE_STORAGE = Price("Artifact Registry, storage", 0.10, "GiB-month", "0.5 GiB", IMAGES)
SCHEDULED_JOB = Price("Cloud Scheduler", 0.10, "job-month", "3 jobs", SCHEDULER)
PRICES: Final = (
    VCPU, MEMORY, IDLE_VCPU, IDLE_MEMORY, REQUEST, THROUGHPUT, EXPORT, KEPT, ROWS, SCAN, LOGS,
    CONDITION, POINT, EGRESS, NAT_BYTES, NAT_HOUR, ADDRESS,
    BUILDING, IMAGE_SCAN, IMAGE_STORAGE, SCHEDULED_JOB,
)  # fmt: skip


def oldest_day(prices: Iterable[Price]) -> date:
    """Return the day on which the oldest of the prices was read."""
    return min(date.fromisoformat(price.read) for price in prices)
