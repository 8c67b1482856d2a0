"""Tests hostile recipes and pages with a worker process: each of them ends, and no other job suffers."""

import pytest

from contract.outcome import Reason
from tests.hostile.barrage import Barrage, run_barrage
from tests.hostile.pairs import PAIRS


def check(barrage: Barrage) -> None:
    """Assert that each hostile pair ended as it must, and that nothing else noticed it."""
    assert list(barrage.faults()) == []
    healthy = [outcome for job_id in barrage.healthy for outcome in barrage.outcomes[job_id]]
    assert [(outcome.reason, outcome.attempt) for outcome in healthy] == [(Reason.OK, 1)] * len(
        barrage.healthy
    )
    assert set(barrage.health) == {200}
    output = "".join(barrage.output)
    assert "WORKER TIMEOUT" not in output
    assert "Traceback" not in output
    assert output.count("Booting worker") == 1


def test_hostile_pages_end_and_no_other_job_suffers() -> None:
    """Every sixth pair, with pages of a megabyte: one outcome each, healthy jobs succeed at once."""
    check(run_barrage(PAIRS[::6], size=1_000_000, cpu_seconds=0.3))


@pytest.mark.long
def test_hostile_pages_of_the_largest_size_end_and_no_other_job_suffers() -> None:
    """All pairs, with pages of five megabytes and a limit of two seconds of CPU time."""
    check(run_barrage(PAIRS, size=5_000_000, cpu_seconds=2.0))
