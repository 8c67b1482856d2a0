"""Tests of the attempts of a run over time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.ledger.ledger import Ledger
from console.ledger.run_overview import run_overview
from console.ledger.timeline_rows import STEPS, percentile, step_seconds, timeline
from tests.console.ledger.rows import job_row, outcome_row, record


def test_attempts_are_counted_by_interval_and_outcome(ledger: Ledger) -> None:
    """Each attempt counts once in the interval in which it ended, and a repeated row changes nothing."""
    rows = [outcome_row(f"job-{place}", place, total_seconds=2.0, waited_seconds=1.0) for place in range(100)]
    failed = [outcome_row("bad", 50, reason="timeout", total_seconds=9.0)]
    record(ledger, [*(job_row(f"job-{place}", 0) for place in range(100)), *rows, *rows[:7], *failed])
    overview = run_overview(ledger, "run-1")
    found = timeline(ledger, "run-1", overview.started_at, overview.ended_at)
    assert (found.seconds, list(found.outcomes)) == (1, ["succeeded", "retry"])
    assert {name: sum(counts) for name, counts in found.outcomes.items()} == {"succeeded": 100, "retry": 1}
    assert sum(found.attempts) == 101
    assert {value for value in found.p50 if value is not None} == {1.0}
    assert max(value for value in found.p95 if value is not None) == 9.0
    assert len(found.times) == len(found.p50) == len(found.p95) <= STEPS + 1


def test_run_without_attempts_has_no_intervals(ledger: Ledger) -> None:
    """A run that has only been dispatched has an empty timeline."""
    record(ledger, [job_row("a", 0)])
    overview = run_overview(ledger, "run-1")
    assert timeline(ledger, "run-1", overview.started_at, overview.ended_at).times == []


@given(st.floats(0, 10**9))
def test_number_of_intervals_is_bounded(span: float) -> None:
    """However long a run is, its number of intervals is bounded."""
    assert 0 <= span / step_seconds(span) <= STEPS


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [({}, 0.5, None), ({1.0: 1}, 0.95, 1.0), ({1.0: 94, 5.0: 6}, 0.95, 5.0), ({1.0: 50, 2.0: 50}, 0.5, 1.0)],
)
def test_percentile_is_the_value_at_its_share(
    counts: dict[float, int], share: float, expected: float | None
) -> None:
    """A percentile is a value that occurs; of no values there is none."""
    assert percentile(counts, share) == expected
