"""When a deferred job may be tried: it waits in its place, but for no longer than that is cheap."""

import time
from collections.abc import Callable
from datetime import datetime

from contract.attempt import AttemptFailed
from contract.job import Job
from contract.outcome import Reason
from worker.budget import Budget
from worker.rate_limiter import MAX_WAIT_FRACTION

MAX_DEFERRAL_SECONDS = 3600.0  #: of what a site may ask for; and no worker wrote a time further away
SHORT_HOLD_SECONDS = 1.0  #: of those for whom there is no place to wait in: no job goes round without a pause


class DelayedJobs:
    """Holds jobs until they are due; one for all jobs of a process.

    Args:
        places: jobs that may wait for long at once.
        holds: whether a job that will not be due in time waits all the same, to be published again.
        now: the time, with a time zone.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        *,
        places: int,
        holds: bool,
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._places = places
        self._holds = holds
        self._now = now
        self._sleep = sleep
        self._waiting = 0

    def wait(self, job: Job, budget: Budget) -> None:
        """Return once the job is due.

        Raises:
            AttemptFailed: `not_before`, where it will not be so in time.
        """
        if job.not_before is None:
            return
        ahead = (job.not_before - self._now()).total_seconds()
        if not 0 < ahead <= MAX_DEFERRAL_SECONDS:
            return
        patience = budget.left() * MAX_WAIT_FRACTION
        if ahead > patience and not self._holds:
            raise _not_due(job, ahead)
        if self._waiting >= self._places:
            patience = min(patience, SHORT_HOLD_SECONDS)
        self._waiting += 1
        try:
            self._sleep(min(ahead, patience))
        finally:
            self._waiting -= 1
        if ahead > patience:
            raise _not_due(job, ahead - patience)


def _not_due(job: Job, ahead: float) -> AttemptFailed:
    detail = f"the site asked to be left alone until {job.not_before:%Y-%m-%dT%H:%M:%SZ}, {ahead:.0f} s more"
    return AttemptFailed(Reason.NOT_BEFORE, detail)
