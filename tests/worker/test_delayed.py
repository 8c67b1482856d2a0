"""Delayed jobs: how long a job with `not_before` waits in the worker, by a fake clock."""

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
    """Return a job whose `not_before` is so many seconds after noon."""
    return Job.decode(job(not_before=(NOON + timedelta(seconds=seconds)).isoformat(), defers=1))


def noon() -> datetime:
    """Return the time, which stands still."""
    return NOON


def budget() -> PageBudget:
    """Return a page budget that is not spent while the test runs."""
    return PageBudget(BUDGET_SECONDS, received_at=0, clock=lambda: 0.0)


@pytest.mark.parametrize("requeues", [True, False])
def test_job_waits_until_its_not_before(requeues: bool) -> None:
    """If that is within the part of the budget that a job may wait."""
    slept = list[float]()
    jobs = DelayedJobs(slots=1, requeues=requeues, now=noon, sleep=slept.append)
    jobs.wait_until_not_before(job_not_before(20), budget())
    assert slept == [20]


@pytest.mark.parametrize("seconds", [-3600, 0, MAX_DEFERRAL_SECONDS + 1, 10 * 365 * 86400])
def test_past_or_distant_not_before_is_ignored(seconds: float) -> None:
    """No worker writes a time that is further ahead than `MAX_DEFERRAL_SECONDS`."""
    slept = list[float]()
    jobs = DelayedJobs(slots=1, requeues=True, now=noon, sleep=slept.append)
    jobs.wait_until_not_before(job_not_before(seconds), budget())
    jobs.wait_until_not_before(Job.decode(job()), budget())
    assert slept == []


def test_job_that_is_requeued_waits_first() -> None:
    """It waits as long as it may and then ends with `not_before`, so it is not requeued in a tight loop."""
    slept = list[float]()
    jobs = DelayedJobs(slots=1, requeues=True, now=noon, sleep=slept.append)
    with pytest.raises(AttemptFailed, match="no request before 2026-11-22T12:10:00Z, in 570 s") as failure:
        jobs.wait_until_not_before(job_not_before(600), budget())
    assert failure.value.reason is Reason.NOT_BEFORE
    assert slept == [MAX_WAIT]


def test_job_that_is_not_requeued_fails_without_waiting() -> None:
    """With ACK_POLICY=success Pub/Sub's backoff waits instead, which holds no concurrency slot."""
    slept = list[float]()
    jobs = DelayedJobs(slots=1, requeues=False, now=noon, sleep=slept.append)
    with pytest.raises(AttemptFailed) as failure:
        jobs.wait_until_not_before(job_not_before(600), budget())
    assert (failure.value.reason, slept) == (Reason.NOT_BEFORE, [])


def test_delayed_jobs_beyond_the_slots_wait_shortly() -> None:
    """The other concurrency slots stay free for jobs that may run now."""
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
    # And a slot is free again once a job has waited
    with pytest.raises(AttemptFailed):
        jobs.wait_until_not_before(job_not_before(600), budget())
    assert slept[-1] == MAX_WAIT
