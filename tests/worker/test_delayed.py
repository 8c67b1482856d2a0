"""Tests how long a job with `not_before` waits in the worker, with a fake clock."""

from datetime import timedelta

import pytest

from contract.attempt import AttemptFailed
from contract.job import Job
from contract.outcome import Reason
from tests.servers.pushes import job
from tests.worker.fetching import NOON, FakeClock
from worker.budget import PageBudget
from worker.delayed import MAX_NOT_BEFORE_SECONDS, wait_until_not_before

PAGE_SECONDS, WAIT_SECONDS = 40.0, 520.0


def job_not_before(seconds: float) -> Job:
    """Return a job whose `not_before` is `seconds` after noon."""
    return Job.decode(job(not_before=(NOON + timedelta(seconds=seconds)).isoformat(), defers=1))


def make_budget(clock: FakeClock) -> PageBudget:
    """Return a budget of which nothing is spent."""
    return PageBudget(PAGE_SECONDS, wait_seconds=WAIT_SECONDS, clock=clock)


@pytest.mark.parametrize("seconds", [0.25, 20, PAGE_SECONDS + 1, WAIT_SECONDS])
def test_job_waits_until_its_not_before(seconds: float) -> None:
    """A job waits for exactly as long as its `not_before` requires, and this costs no page time."""
    clock = FakeClock()
    budget = make_budget(clock)
    wait_until_not_before(job_not_before(seconds), budget, now=clock.now, sleep=clock.sleep)
    assert clock.slept == [seconds]
    assert (budget.remaining(), budget.waited) == (PAGE_SECONDS, seconds)


@pytest.mark.parametrize("seconds", [-3600, 0, MAX_NOT_BEFORE_SECONDS + 1, 10 * 365 * 86400])
def test_past_or_distant_not_before_is_ignored(seconds: float) -> None:
    """A `not_before` in the past, or further ahead than any that a worker writes, is ignored."""
    clock = FakeClock()
    for delayed in (job_not_before(seconds), Job.decode(job())):
        wait_until_not_before(delayed, make_budget(clock), now=clock.now, sleep=clock.sleep)
    assert clock.slept == []


def test_job_with_a_far_not_before_waits_as_long_as_it_may() -> None:
    """A job whose `not_before` is too far waits for its whole time, and then fails with `not_before`."""
    clock = FakeClock()
    with pytest.raises(AttemptFailed, match="must not run before 2026-11-22T12:10:00Z, in 80 s") as failure:
        wait_until_not_before(job_not_before(600), make_budget(clock), now=clock.now, sleep=clock.sleep)
    assert failure.value.reason is Reason.NOT_BEFORE
    assert clock.slept == [WAIT_SECONDS]


def test_time_that_was_waited_before_is_not_waited_again() -> None:
    """All waits of a delivery share its time for waiting."""
    clock = FakeClock()
    budget = make_budget(clock)
    with budget.waiting():
        clock.seconds = 500
    with pytest.raises(AttemptFailed):
        wait_until_not_before(job_not_before(600), budget, now=clock.now, sleep=clock.sleep)
    assert clock.slept == [20]
