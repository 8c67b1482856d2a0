"""Tests how long a job with `not_before` waits in the worker, with a fake clock."""

from datetime import datetime, timedelta

import pytest

from contract.attempt import AttemptFailed
from contract.job import Job
from contract.outcome import Reason
from tests.servers.pushes import job
from tests.worker.fetching import NOON
from worker.budget import PageBudget
from worker.delayed import MAX_DEFERRAL_SECONDS, SHORT_WAIT_SECONDS, DelayedJobs
from worker.rate_limiter import MAX_WAIT_FRACTION

BUDGET_SECONDS = 40.0
MAX_WAIT = BUDGET_SECONDS * MAX_WAIT_FRACTION


def job_not_before(seconds: float) -> Job:
    """Return a job whose `not_before` is `seconds` after noon."""
    return Job.decode(job(not_before=(NOON + timedelta(seconds=seconds)).isoformat(), defers=1))


def noon() -> datetime:
    """Return the time of a clock that does not advance."""
    return NOON


def budget() -> PageBudget:
    """Return a page budget that is not spent while the test runs."""
    return PageBudget(BUDGET_SECONDS, received_at=0, clock=lambda: 0.0)


@pytest.mark.parametrize("requeues", [True, False])
def test_job_waits_until_its_not_before(requeues: bool) -> None:
    """A job waits for its `not_before` if the page budget allows a wait of that length."""
    slept = list[float]()
    jobs = DelayedJobs(slots=1, requeues=requeues, now=noon, sleep=slept.append)
    jobs.wait_until_not_before(job_not_before(20), budget())
    assert slept == [20]


@pytest.mark.parametrize("seconds", [-3600, 0, MAX_DEFERRAL_SECONDS + 1, 10 * 365 * 86400])
def test_past_or_distant_not_before_is_ignored(seconds: float) -> None:
    """A `not_before` in the past, or more than `MAX_DEFERRAL_SECONDS` in the future, is ignored."""
    slept = list[float]()
    jobs = DelayedJobs(slots=1, requeues=True, now=noon, sleep=slept.append)
    jobs.wait_until_not_before(job_not_before(seconds), budget())
    jobs.wait_until_not_before(Job.decode(job()), budget())
    assert slept == []


def test_job_that_is_requeued_waits_first() -> None:
    """A job with a far `not_before` waits as long as it may, and then fails with the reason `not_before`."""
    slept = list[float]()
    jobs = DelayedJobs(slots=1, requeues=True, now=noon, sleep=slept.append)
    with pytest.raises(AttemptFailed, match="must not run before 2026-11-22T12:10:00Z, in 570 s") as failure:
        jobs.wait_until_not_before(job_not_before(600), budget())
    assert failure.value.reason is Reason.NOT_BEFORE
    assert slept == [MAX_WAIT]


def test_job_that_is_not_requeued_fails_without_waiting() -> None:
    """If the worker does not requeue jobs, a job with a far `not_before` fails immediately.

    Waiting would only occupy a concurrency slot.
    """
    slept = list[float]()
    jobs = DelayedJobs(slots=1, requeues=False, now=noon, sleep=slept.append)
    with pytest.raises(AttemptFailed) as failure:
        jobs.wait_until_not_before(job_not_before(600), budget())
    assert (failure.value.reason, slept) == (Reason.NOT_BEFORE, [])


def test_delayed_jobs_beyond_the_slots_wait_shortly() -> None:
    """If all places for delayed jobs are taken, a job waits only SHORT_WAIT_SECONDS.

    The remaining concurrency slots stay free for jobs without a delay.
    """
    slept = list[float]()

    def sleep_while_others_arrive(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) < 4:
            with pytest.raises(AttemptFailed):
                jobs.wait_until_not_before(job_not_before(600), budget())

    jobs = DelayedJobs(slots=2, requeues=True, now=noon, sleep=sleep_while_others_arrive)
    with pytest.raises(AttemptFailed):
        jobs.wait_until_not_before(job_not_before(600), budget())
    assert slept == [MAX_WAIT, MAX_WAIT, SHORT_WAIT_SECONDS, SHORT_WAIT_SECONDS]
    # And when the jobs have waited, a new job may wait for the maximum time again
    with pytest.raises(AttemptFailed):
        jobs.wait_until_not_before(job_not_before(600), budget())
    assert slept[-1] == MAX_WAIT
