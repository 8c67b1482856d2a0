"""The time one page may take, all of it together, from the arrival of its push."""

import time
from collections.abc import Callable

from contract.attempt import AttemptFailed
from contract.outcome import Reason

MIN_REMAINING_FRACTION = (
    0.25  #: part of the budget, for a page to be begun; as much as a wait for its host's turn leaves
)


class Budget:
    """Seconds that only become fewer.

    Args:
        seconds: from the arrival on.
        arrived: when that was, by the clock; None for now.
        clock: monotonic seconds.
    """

    def __init__(
        self, seconds: float, *, arrived: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._arrived = clock() if arrived is None else arrived

    def begin(self) -> None:
        """Return where enough is left for a page.

        Raises:
            AttemptFailed: `queued_too_long`: given back now, the job has its whole budget elsewhere.
        """
        waited = self._clock() - self._arrived
        if self.seconds - waited < self.seconds * MIN_REMAINING_FRACTION:
            told = f"the push waited {waited:.1f} s for this worker; the page was not asked for"
            raise AttemptFailed(
                Reason.QUEUED_TOO_LONG, f"{told} ({self.seconds:g} s are PAGE_BUDGET_SECONDS)"
            )

    def left(self) -> float:
        """Return the seconds left, more than 0.

        Raises:
            AttemptFailed: `page_budget_exceeded`, where there are none.
        """
        left = self._arrived + self.seconds - self._clock()
        if left <= 0:
            raise self.spent()
        return left

    def spent(self) -> AttemptFailed:
        """Return the ending of a page that took too long."""
        return AttemptFailed(
            Reason.PAGE_BUDGET_EXCEEDED, f"the page took longer than {self.seconds:g} s (PAGE_BUDGET_SECONDS)"
        )
