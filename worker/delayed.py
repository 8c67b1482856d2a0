"""Lets a job wait in the worker until its `not_before`, within the job's budget and a number of slots."""

import time
from collections.abc import Callable
from datetime import datetime

from contract.attempt import AttemptFailed
from contract.job import Job
from contract.outcome import Reason
from worker.budget import PageBudget
from worker.rate_limiter import MAX_WAIT_FRACTION

#: The longest Retry-After (seconds) for which a job is deferred. A `not_before` that is further ahead is
#: ignored, since no worker wrote it.
MAX_DEFERRAL_SECONDS = 3600.0
#: Seconds that a job waits when all slots for delayed jobs are taken. Without this wait, the job would be
#: delivered again and again in a tight loop.
SHORT_WAIT_SECONDS = 1.0


class DelayedJobs:
    """Lets jobs wait until their `not_before`. All jobs of a process share one instance.

    Args:
        slots: how many jobs may wait at the same time; each further job waits `SHORT_WAIT_SECONDS` at most.
        requeues: whether the ack policy publishes a job again if its `not_before` is too far away. If so, the
            job first waits as long as it may; else it fails immediately.
        now: returns the time, with a time zone.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        *,
        slots: int,
        requeues: bool,
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._slots = slots
        self._requeues = requeues
        self._now = now
        self._sleep = sleep
        self._waiting = 0

    def wait_until_not_before(self, job: Job, budget: PageBudget) -> None:
        """Wait until the job's `not_before`, if it has one.

        Raises:
            AttemptFailed: `not_before`, if the time is further away than the job may wait.
        """
        if job.not_before is None:
            return
        seconds = (job.not_before - self._now()).total_seconds()
        if not 0 < seconds <= MAX_DEFERRAL_SECONDS:
            return
        max_wait = budget.remaining() * MAX_WAIT_FRACTION
        if seconds > max_wait and not self._requeues:
            raise _not_before(job, seconds)
        if self._waiting >= self._slots:
            max_wait = min(max_wait, SHORT_WAIT_SECONDS)
        self._waiting += 1
        try:
            self._sleep(min(seconds, max_wait))
        finally:
            self._waiting -= 1
        if seconds > max_wait:
            raise _not_before(job, seconds - max_wait)


def _not_before(job: Job, seconds: float) -> AttemptFailed:
    detail = (
        f"the job must not run before {job.not_before:%Y-%m-%dT%H:%M:%SZ}, in {seconds:.0f} s (Retry-After)"
    )
    return AttemptFailed(Reason.NOT_BEFORE, detail)
