"""Computes the backoff before a message is redelivered, from the retry policy of its subscription."""

from dataclasses import dataclass
from typing import Final

#: Maximum number of doublings, because 2.0 ** 1024 would overflow. Sixty doublings of 1 ns are already longer
#: than every maximum.
_MAX_DOUBLINGS: Final = 60


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff per message (proto: RetryPolicy)."""

    minimum: float  #: Backoff after the first failure, seconds, 0..600.
    maximum: float  #: Maximum backoff, seconds, 0..600.

    def delay(self, failures: int) -> float:
        """Return the seconds before the next attempt, after ``failures`` (at least 1) failed attempts."""
        return min(self.maximum, self.minimum * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))
