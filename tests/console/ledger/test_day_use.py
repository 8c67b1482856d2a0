"""Tests of what all runs have used on a day."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from console.ledger import day_use as module
from console.ledger.day_use import day_use
from console.ledger.ledger import SUMMARY_FILE, Ledger
from console.money.forecast import dollars
from console.money.run_bill import run_bill
from console.web.cost_today import cost_today
from tests.console.ledger.rows import START, Row, dead_letter_row, job_row, outcome_row, record

NOW = datetime.now(UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


def rows_at(begin: datetime, count: int, name: str) -> list[Row]:
    """Return jobs, each with a failure and a success, one each minute from a time on."""
    found = list[Row]()
    for number in range(count):
        second = (begin - START).total_seconds() + 60 * number
        job = f"{name}-{number}"
        found += [
            job_row(job, second),
            outcome_row(job, second + 1, reason="timeout", total_seconds=3.0, body_bytes=10, worker="w"),
            outcome_row(job, second + 2, items=[{"a": 1}], total_seconds=2.0, body_bytes=700, worker="v"),
        ]
    return found


def test_only_the_rows_of_the_day_count_in_any_order(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows before 00:00 UTC do not count; the summary has the numbers of the tables, updated in parts."""
    rows = [*rows_at(TODAY, 6, "today"), *rows_at(TODAY - timedelta(minutes=5), 4, "yesterday")]
    rows += [dead_letter_row("today-1", (TODAY - START).total_seconds() + 90, deliveries=4)]
    random.Random(1).shuffle(rows)
    record(ledger, rows[:7])
    day_use(ledger, NOW)
    record(ledger, rows[7:])
    use = day_use(ledger, NOW)
    assert (use.messages, use.attempts, use.failed, use.items) == (6, 12, 6, 6)
    assert (use.seconds, use.body_bytes, use.worker_minutes) == (30.0, 4260, 12)
    assert use.message_bytes > 600
    assert (ledger.data / SUMMARY_FILE).is_file()
    monkeypatch.setattr(module, "DAY_USE", "missing")
    assert day_use(ledger, NOW) == use


def test_a_day_without_new_jobs_costs_what_its_pushes_cost(ledger: Ledger) -> None:
    """Attempts of jobs that were published yesterday are in the cost of today."""
    begin = (TODAY - START).total_seconds()
    record(ledger, [job_row("a", begin - 60), outcome_row("a", begin + 1, total_seconds=100.0, worker="w")])
    bill = run_bill(day_use(ledger, NOW)).total
    assert 0 < bill.low < bill.high


def test_cost_of_a_local_stack_is_nothing_and_says_what_the_cloud_would_cost(ledger: Ledger) -> None:
    """The value is $0; the note has the bill of the same use."""
    record(ledger, rows_at(TODAY, 50, "today"))
    cost = cost_today(ledger, NOW)
    bill = run_bill(day_use(ledger, NOW)).total
    assert cost.value == "$0"
    assert f"on Google Cloud {dollars(bill.low)} to {dollars(bill.high)}" in cost.note
    assert "since 00:00 UTC" in cost.note
