"""Calculates what a run has cost on Google Cloud, from what it has used. Pure.

The ledger has each message and each attempt. How many attempts shared an instance it does not have, so the
worker's part has three values.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from console.ledger.use_rows import RunUse
from console.money.forecast import Forecast, dollars, instance_dollars
from console.money.model import DEMO_SIZES, REQUEST_LOG_BYTES, Crawling, bill
from console.money.prices import LOGS, REQUEST

FULL = 80  #: number of pages that an instance processes at the same time in the lowest estimate
MINUTE = 60.0
#: Bytes of a row besides those of the message: the name of the subscription, the message's id and time.
ROW_BYTES = 90


@dataclass(frozen=True)
class RunBill:
    """What a run has cost, in US dollars.

    Attributes:
        parts: the cost of each service; only that of the worker has three different values.
    """

    parts: dict[str, Forecast]

    @property
    def total(self) -> Forecast:
        """The sum of all parts."""
        parts = self.parts.values()
        return Forecast(
            sum(each.low for each in parts),
            sum(each.likely for each in parts),
            sum(each.high for each in parts),
        )


def run_bill(use: RunUse) -> RunBill:
    """Return what a run, or all runs of a day, have cost so far."""
    if not use.messages and not use.pushes:
        return RunBill({})
    # On a day without new jobs, those of earlier days may be pushed; their sizes are not known.
    messages = use.messages or 1e-6
    job = use.message_bytes / use.messages if use.messages else DEMO_SIZES.job
    outcome = use.outcome_bytes / max(1, use.attempts)
    sizes = replace(
        DEMO_SIZES,
        job=round(job),
        job_columns={"row": job + ROW_BYTES},
        outcome=round(outcome),
        outcome_columns={"row": outcome + ROW_BYTES},
    )
    crawling = Crawling(0, 1, attempts=use.pushes / messages, sizes=sizes)
    costs = bill(crawling, messages)
    costs["logs"] = (use.failed + use.unrecorded) * (sizes.log_line + REQUEST_LOG_BYTES) * LOGS.dollars
    parts = {name: Forecast(cost, cost, cost) for name, cost in costs.items()}
    return RunBill(parts | {"worker": _worker(use, crawling)})


def _worker(use: RunUse, crawling: Crawling) -> Forecast:
    """Return the cost of the instances.

    Low: 80 attempts at a time shared an instance. Likely: an instance was awake in each minute in which it
    ended an attempt. High: each attempt had an instance of its own.
    """
    high = use.seconds
    likely = min(high, use.worker_minutes * MINUTE)
    low = min(likely, max(use.seconds / FULL, use.attempts * crawling.processor_seconds))
    requests = use.pushes * REQUEST.dollars
    second = instance_dollars(crawling)
    return Forecast(low * second + requests, likely * second + requests, high * second + requests)


def use_lines(use: RunUse) -> Iterator[str]:
    """Yield lines that say what a run has used."""
    unrecorded = f", {use.unrecorded:,} without an outcome" if use.unrecorded else ""
    others = " of the others" if use.unrecorded else ""
    yield f"{use.jobs:,} jobs in {use.messages:,} messages of {use.message_bytes:,} bytes"
    yield f"{use.pushes:,} pushes{unrecorded}; {use.failed:,}{others} did not succeed"
    yield f"{use.seconds:,.0f} seconds of attempts, in {use.worker_minutes:,} minutes of instances"
    yield f"{use.body_bytes:,} bytes of pages, {use.items:,} items"
    yield f"{use.messages + use.attempts:,} rows in BigQuery"


def part_rows(found: RunBill) -> Iterator[tuple[str, str, str, str]]:
    """Yield the name and the low, likely and high cost of each part, and of their sum."""
    for name, cost in (*found.parts.items(), ("total", found.total)):
        yield name, dollars(cost.low), dollars(cost.likely), dollars(cost.high)
