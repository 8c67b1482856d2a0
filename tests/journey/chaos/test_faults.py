"""Runs the short form of each fault with real processes: `make chaos` runs the long form."""

from pathlib import Path

import pytest

from tests.journey.chaos.campaign import run_fault
from tests.journey.chaos.clock_files import compiler
from tests.journey.chaos.faults import FAULTS, SHORT_JOBS
from tests.servers.requirements import skip_or_fail

SEED = 7
#: Faults of the pages or of localpubsub itself, which no injection counts.
NOT_INJECTED = {"none", "duplicates", "hostile-pages", "short-deadline"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if fault.is_long else ()) for name, fault in FAULTS.items()],
)
def test_a_fault_breaks_no_promise(name: str, tmp_path: Path) -> None:
    """Under the fault no job is lost or counts twice, and everything that happened is explained."""
    if FAULTS[name].conditions.shifted_clocks and not compiler():
        skip_or_fail("there is no C compiler (on Debian: apt install gcc libc6-dev)")
    row = run_fault(name, SEED, SHORT_JOBS, tmp_path / "data")
    assert row.findings == []
    assert (row.jobs, row.lost, row.twice, row.unreasoned, row.healthy_dead) == (SHORT_JOBS, 0, 0, 0, 0)
    assert row.injected > 0 or name in NOT_INJECTED
    assert row.holds
