"""Tests what once ended healthy jobs, with the shipped defaults and both policies, under a virtual clock."""

import pytest

from simulation.storms import ROWS
from tests.simulation.command import simulation


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("row", [(row.__doc__ or "").rstrip(".") for row in ROWS])
def test_every_job_of_a_storm_succeeds(row: str) -> None:
    """Every page is scraped, and no invariant is violated, with each ACK_POLICY."""
    finished = simulation("storms", "--only", row)
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-2000:]


@pytest.mark.timeout(1800)
def test_no_job_dies_for_want_of_room_on_a_shipped_configuration() -> None:
    """2,000 pages of 2, 5, 10 and 30 s all succeed on each shipped Terraform configuration and policy."""
    finished = simulation("capacity", "--jobs", "2000")
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-2000:]
