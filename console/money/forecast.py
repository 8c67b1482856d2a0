"""Forecasts what a run costs: low, likely and high. Pure.

The numbers of jobs and their sizes are those of the crawl. How fast and how reliable its sites are is not
known before the run, so three sets of assumptions are calculated.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Final, NamedTuple

from console.money.model import DEMO_SIZES, Crawling, bill, instance_seconds
from console.money.prices import (
    EGRESS,
    EXPORT,
    KEPT,
    LOGS,
    MEMORY,
    REQUEST,
    ROWS,
    THROUGHPUT,
    VCPU,
    oldest_day,
)

#: The prices of a run.
RUN_PRICES: Final = (VCPU, MEMORY, REQUEST, THROUGHPUT, EXPORT, KEPT, ROWS, LOGS, EGRESS)
OLD_DAYS: Final = 90  #: prices that were read more days ago should be checked
NOT_INCLUDED = (
    "Not in it: the monthly free tier, which lowers it; Cloud NAT, alerts, idle minimum instances, queries "
    "of the ledger and taxes, which raise it. On this machine a run costs nothing."
)


class Assumptions(NamedTuple):
    """What is assumed about the sites and the workers of a run.

    Attributes:
        latency_seconds: time from the request of a page to its last byte.
        concurrency: average number of pages that an instance processes at the same time.
        attempts: deliveries per page.
        outcome_factor: how many times as large an outcome is as that of the demo, because of its items.
    """

    latency_seconds: float
    concurrency: int
    attempts: float
    outcome_factor: float

    def __str__(self) -> str:
        deliveries = "1 delivery" if self.attempts == 1 else f"{self.attempts:g} deliveries"
        return f"{self.latency_seconds:g} s and {deliveries} a page, {self.concurrency} pages at a time"


LOW: Final = Assumptions(0.2, 80, 1, 1)
LIKELY: Final = Assumptions(1, 10, 1.1, 1)
HIGH: Final = Assumptions(5, 2, 2, 5)


@dataclass(frozen=True)
class Forecast:
    """What something costs, in US dollars."""

    low: float
    likely: float
    high: float

    def __str__(self) -> str:
        return f"low {dollars(self.low)}, likely {dollars(self.likely)}, high {dollars(self.high)}"


def forecast(pages: int, job_bytes: int, seconds: float) -> Forecast:
    """Return what a run costs.

    Args:
        pages: number of jobs.
        job_bytes: mean size of the message of a job.
        seconds: minimum duration of the run because of the delays of its hosts. An instance is awake for as
            long, unless other runs share it, as the lowest forecast assumes.
    """
    return Forecast(*(_cost(each, pages, job_bytes, seconds) for each in (LOW, LIKELY, HIGH)))


def pushes(pages: int) -> tuple[int, int, int]:
    """Return the low, the likely and the high number of pushes of a run."""
    low, likely, high = (round(pages * each.attempts) for each in (LOW, LIKELY, HIGH))
    return low, likely, high


def _cost(assumed: Assumptions, pages: int, job_bytes: int, seconds: float) -> float:
    if not pages:
        return 0.0
    sizes = replace(
        DEMO_SIZES,
        job=job_bytes,
        job_columns={"row": job_bytes + 120},  # the row has the name of its subscription, too
        outcome=round(DEMO_SIZES.outcome * assumed.outcome_factor),
        outcome_columns={"row": DEMO_SIZES.outcome_columns["row"] * assumed.outcome_factor},
    )
    crawling = Crawling(assumed.latency_seconds, assumed.concurrency, attempts=assumed.attempts, sizes=sizes)
    awake = pages * crawling.attempts * instance_seconds(crawling)
    waiting = max(0.0, seconds - awake) if assumed is not LOW else 0.0
    return sum(bill(crawling, pages).values()) + waiting * instance_dollars(crawling)


def instance_dollars(crawling: Crawling) -> float:
    """Return what a second of an instance costs."""
    return crawling.vcpus * VCPU.dollars + crawling.memory_gib * MEMORY.dollars


def prices_line(today: date) -> str:
    """Return a sentence that says how old the prices are."""
    day = oldest_day(RUN_PRICES)
    age = max(0, (today - day).days)
    check = " Check them before you rely on the numbers." if age > OLD_DAYS else ""
    return f"The oldest of the prices was read on {day}, {age} days ago (docs/how-to/cost.md).{check}"


def dollars(amount: float) -> str:
    """Return an amount with cents, or with two digits if it is less than a dollar: `$1.40`, `$0.0051`."""
    if amount >= 1:
        return f"${amount:,.2f}"
    if amount <= 0:
        return "$0"
    if amount < 0.0001:
        return "less than $0.0001"
    places = next(places for places in range(2, 6) if amount * 10 ** (places - 1) >= 1 or places == 5)
    return f"${amount:.{places}f}"
