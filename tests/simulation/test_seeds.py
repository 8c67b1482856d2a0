"""Tests 100 seeds of the simulation, seeds that once failed, and that a seed always gives the same run."""

import pytest

from tests.simulation.command import simulation

SEEDS = 100
CHUNK = 50


def check(*arguments: str) -> None:
    """Run seeds, and assert that no invariant was violated."""
    finished = simulation(*arguments)
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-2000:]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_seeds_violate_no_invariant(first: int) -> None:
    """No job is lost, doubled, dead without a fetch or impolite in these seeds, under several faults."""
    check("--first", str(first), "--seeds", str(CHUNK), "--processes", "1", "--quiet")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1335, 1658, 4962, 6464])
def test_retry_after_of_a_delivery_that_was_sent_twice_violates_no_invariant(seed: int) -> None:
    """If Pub/Sub sends a delivery twice, a lane may be opened by one push while the other waits."""
    check("--seed", str(seed))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [966, 2191, 4421, 6797])
def test_date_of_retry_after_is_no_longer_than_the_site_asked_for(seed: int) -> None:
    """No job waits through most of its deliveries because a clock is an hour off a date in Retry-After."""
    check("--seed", str(seed))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [5973, 6928, 8650])
def test_page_that_can_never_be_scraped_may_die_after_many_waits(seed: int) -> None:
    """With ACK_POLICY=success, waits and restarts may take most deliveries of a page that is missing."""
    check("--seed", str(seed))


def test_a_seed_gives_the_same_run_again() -> None:
    """Two runs of a seed have the same trace, so a failing seed can be examined."""
    first, second = (simulation("--seed", "7", "--trace").stdout for _ in range(2))
    assert first.count("\n") > 1000
    assert first == second
