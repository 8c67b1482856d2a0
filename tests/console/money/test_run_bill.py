"""Tests of the bill of a run, from the rows of the ledger."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.ledger.ledger import Ledger
from console.ledger.use_rows import RunUse, body_bytes, run_use
from console.money.prices import MEMORY, REQUEST, VCPU
from console.money.run_bill import run_bill, use_lines
from tests.console.command import Scrapeq
from tests.console.ledger.rows import dead_letter_row, job_row, outcome_row, record

SECOND = VCPU.dollars + MEMORY.dollars


@pytest.fixture
def recorded(ledger: Ledger) -> Ledger:
    """Return a ledger with a success, a failure, and a dead letter with deliveries without an outcome."""
    good = outcome_row("good", 65, attempt=2, items=[{"a": 1}], total_seconds=2.0, body_bytes=700, worker="w")
    record(
        ledger,
        [
            *(job_row(name) for name in ("good", "silent")),
            outcome_row("good", 2, reason="timeout", total_seconds=10.0, body_bytes=300, worker="w"),
            good,
            good,
            dead_letter_row("silent", 5, deliveries=3),
            job_row("other", run="other"),
            outcome_row("other", 5, run="other", total_seconds=1000, body_bytes=10**9),
        ],
    )
    return ledger


def test_use_counts_each_message_once(recorded: Ledger) -> None:
    """A repeated row counts once, other runs do not count, and deliveries without an outcome are pushes."""
    use = run_use(recorded, "run-1")
    assert (use.jobs, use.messages, use.attempts, use.failed, use.unrecorded, use.pushes) == (
        2,
        2,
        2,
        1,
        3,
        5,
    )
    assert (use.seconds, use.worker_minutes, use.body_bytes, use.items) == (12.0, 2, 1000, 1)
    assert use.message_bytes > 200
    assert body_bytes(recorded, "run-1") == 1000
    assert body_bytes(recorded, "no such run") == 0


def test_worker_is_between_shared_and_alone() -> None:
    """At least 80 attempts share an instance, and at most each has its own; requests are exact."""
    use = RunUse(100, 100, 100_000, 100, 0, 0, 100_000, 100, 800.0, 2, 10**6)
    worker = run_bill(use).parts["worker"]
    requests = 100 * REQUEST.dollars
    assert worker.low == pytest.approx(10 * SECOND + requests)
    assert worker.likely == pytest.approx(120 * SECOND + requests)
    assert worker.high == pytest.approx(800 * SECOND + requests)


@given(st.builds(RunUse, *[st.integers(0, 10**6)] * 8, st.floats(0, 10**8), st.integers(0, 10**5)))
def test_bill_of_any_use_has_an_order(use: RunUse) -> None:
    """Low ≤ likely ≤ high, and no part is negative."""
    total = run_bill(use).total
    assert 0 <= total.low <= total.likely <= total.high
    assert all(min(asdict(part).values()) >= 0 for part in run_bill(use).parts.values())
    assert list(use_lines(use))


def test_command_shows_use_bill_and_forecast(scrapeq: Scrapeq, recorded: Ledger) -> None:
    """`scrapeq bill` shows what was used, the parts and the forecast; --json has their numbers."""
    text = scrapeq("bill", "run-1", "--data", recorded.data).stdout
    assert "5 pushes, 3 without an outcome; 1 of the others did not succeed" in text
    assert "forecast for 2 jobs: low" in text
    assert "Not in it:" in text
    found = json.loads(scrapeq("bill", "run-1", "--json", "--data", recorded.data).stdout)
    assert found["use"]["pushes"] == 5
    sums = [sum(part["likely"] for part in found["parts"].values()), found["total"]["likely"]]
    assert sums[0] == pytest.approx(sums[1])
    assert found["forecast"]["high"] > 0


def test_run_without_a_job_costs_nothing() -> None:
    """A run that has used nothing has an empty bill."""
    assert run_bill(RunUse()).total.high == 0
