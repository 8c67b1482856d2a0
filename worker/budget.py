"""Limits the time for the pages of one job, counted from when the worker received the job."""

import time
from collections.abc import Callable

from contract.attempt import AttemptFailed
from contract.outcome import Reason

#: The part of the budget that must remain when a job is started, so that there is time to fetch a page.
MIN_REMAINING_FRACTION = 0.25


class PageBudget:
    """The remaining seconds of one job.

    Args:
        seconds: the whole budget.
        received_at: when the worker received the job, by `clock`; None for now.
        clock: returns monotonic seconds.

    Attributes:
        seconds: the whole budget.
    """

    def __init__(
        self, seconds: float, *, received_at: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._received_at = clock() if received_at is None else received_at

    def start(self) -> None:
        """Check that enough time remains to start the job.

        Raises:
            AttemptFailed: `queued_too_long`; the job is then redelivered and gets a new budget.
        """
        waited = self._clock() - self._received_at
        if self.seconds - waited < self.seconds * MIN_REMAINING_FRACTION:
            detail = f"the push waited {waited:.1f} s for this worker; the page was not requested"
            raise AttemptFailed(Reason.QUEUED_TOO_LONG, f"{detail} (PAGE_BUDGET_SECONDS is {self.seconds:g})")

    def remaining(self) -> float:
        """Return the remaining seconds, more than 0.

        Raises:
            AttemptFailed: `page_budget_exceeded`, if no time remains.
        """
        seconds = self._received_at + self.seconds - self._clock()
        if seconds <= 0:
            raise self.exceeded()
        return seconds

    def exceeded(self) -> AttemptFailed:
        """Return the exception that ends a job that took too long."""
        detail = f"the page took longer than {self.seconds:g} s (PAGE_BUDGET_SECONDS)"
        return AttemptFailed(Reason.PAGE_BUDGET_EXCEEDED, detail)
