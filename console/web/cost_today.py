"""Calculates what today has cost so far, with the price model of `scrapeq bill`."""

import threading
import time
from datetime import datetime
from typing import Final, NamedTuple

from console.ledger.day_use import day_use
from console.ledger.ledger import Ledger
from console.money.forecast import dollars
from console.money.run_bill import run_bill

BILLED_SECONDS: Final = 600.0  #: how long a cost from BigQuery is kept, where queries are billed


class CostToday(NamedTuple):
    """What the screen shows.

    Attributes:
        value: the amount that is to be paid, as text.
        note: what it is made of.
    """

    value: str
    note: str


class CostReader:
    """Reads the cost of today. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[float, CostToday] | None = None

    def read(self, ledger: Ledger, now: datetime) -> CostToday:
        """Return the cost since 00:00 UTC; that of BigQuery may be 10 minutes old."""
        if ledger.is_local:
            return cost_today(ledger, now)
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > BILLED_SECONDS:
                self._kept = time.monotonic(), cost_today(ledger, now)
            return self._kept[1]


def cost_today(ledger: Ledger, now: datetime) -> CostToday:
    """Return the cost since 00:00 UTC of the day of `now`.

    A local stack costs nothing; it is told what the same work would have cost on Google Cloud.
    """
    cost = run_bill(day_use(ledger, now)).total
    bounds = f"{dollars(cost.low)} to {dollars(cost.high)}"
    if ledger.is_local:
        return CostToday("$0", f"here; on Google Cloud {bounds}, since 00:00 UTC")
    return CostToday(dollars(cost.likely), f"{bounds}, since 00:00 UTC, before the free tier")
