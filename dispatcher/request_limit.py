"""Decides when a request of the dispatcher stops reading, so that a further request continues."""

import time
from collections.abc import Callable


class RequestLimit:
    """The work of one request.

    A request stops only after it has advanced, so that a dispatch cannot continue without an end.

    Args:
        max_urls: number of URLs after which the request stops.
        seconds: seconds after which it stops.
        continues: whether a further request can continue. If not, the request never stops.
        clock: returns monotonic seconds.

    Attributes:
        has_advanced: whether a further request would begin later in the sources than this one did.
    """

    def __init__(
        self,
        max_urls: int = 0,
        seconds: float = 0.0,
        *,
        continues: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.has_advanced = False
        self._max_urls = max_urls
        self._continues = continues
        self._clock = clock
        self._ends_at = clock() + seconds
        self._is_spent: Callable[[], bool] = lambda: False

    def watch(self, is_spent: Callable[[], bool]) -> None:
        """Set the function that returns whether the time for reading is spent."""
        self._is_spent = is_spent

    def is_reached(self, urls: int) -> bool:
        """Return whether the request stops at this checkpoint.

        Args:
            urls: number of URLs that the request has read.
        """
        if not self.can_stop:
            return False
        return urls >= self._max_urls or self._clock() >= self._ends_at or self._is_spent()

    @property
    def can_stop(self) -> bool:
        """Whether a further request can continue at the last checkpoint."""
        return self._continues and self.has_advanced

    @property
    def stops_reading(self) -> bool:
        """Whether the time for reading is spent, and a further request continues at the last checkpoint."""
        return self.can_stop and self._is_spent()
