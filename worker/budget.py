"""The time one page may take, all of it together."""

import time
from collections.abc import Callable

from contract.outcome import Reason
from worker.ending import Ended


class Budget:
    """Seconds that only become fewer.

    Args:
        seconds: from now on.
        clock: monotonic seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._until = clock() + seconds

    def left(self) -> float:
        """Return the seconds left, more than 0.

        Raises:
            Ended: `budget`, where there are none.
        """
        left = self._until - self._clock()
        if left <= 0:
            raise self.spent()
        return left

    def spent(self) -> Ended:
        """Return the ending of a page that took too long."""
        return Ended(Reason.BUDGET, f"the page took longer than {self.seconds:g} s (PAGE_BUDGET_SECONDS)")
