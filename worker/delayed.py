"""Lets a job wait in the worker until its `not_before`."""

from collections.abc import Callable
from datetime import datetime

from contract.attempt import AttemptFailed
from contract.job import Job
from contract.outcome import Reason
from worker.budget import PageBudget
from worker.host_slots import MAX_RETRY_AFTER_SECONDS

#: A `not_before` that is further ahead (seconds) is ignored, since no worker wrote it: the longest
#: Retry-After that is respected, and an hour for clocks that differ.
MAX_NOT_BEFORE_SECONDS = MAX_RETRY_AFTER_SECONDS + 3600.0


def wait_until_not_before(
    job: Job, budget: PageBudget, *, now: Callable[[], datetime], sleep: Callable[[float], None]
) -> None:
    """Wait until the job's `not_before`, if it has one.

    Args:
        job: the job.
        budget: limits how long the job may wait.
        now: returns the time, with a time zone.
        sleep: waits for a number of seconds.

    Raises:
        AttemptFailed: `not_before`, after the time for which the job may wait, if that was too short.
    """
    if job.not_before is None:
        return
    seconds = (job.not_before - now()).total_seconds()
    if not 0 < seconds <= MAX_NOT_BEFORE_SECONDS:
        return
    max_wait = budget.remaining_hold()
    with budget.waiting():
        sleep(min(seconds, max_wait))
    if seconds > max_wait:
        left = seconds - max_wait
        detail = f"the job must not run before {job.not_before:%Y-%m-%dT%H:%M:%SZ}, in {left:.0f} s"
        raise AttemptFailed(Reason.NOT_BEFORE, detail)
