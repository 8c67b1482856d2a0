"""The retry policy of a subscription: the backoff before one message is redelivered."""

from dataclasses import dataclass
from typing import Final

#: Number of doublings after which the delay no longer grows: 2.0 ** 1024 overflows, and sixty doublings of
#: any delay exceed every maximum.
_MAX_DOUBLINGS: Final = 60


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff per message (proto: RetryPolicy)."""

    minimum: float  #: Backoff after the first failure, seconds, 0..600.
    maximum: float  #: Upper limit of the backoff, seconds, 0..600.

    def delay(self, failures: int) -> float:
        """Return the seconds before the next attempt, after ``failures`` (at least 1) failed attempts."""
        return min(self.maximum, self.minimum * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))
