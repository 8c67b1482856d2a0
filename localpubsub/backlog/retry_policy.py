"""How long one message waits before it is tried again: the retry policy of a subscription."""

from dataclasses import dataclass

#: 2.0 ** 1024 is no float; sixty doublings of any delay are beyond every maximum.
_MAX_DOUBLINGS = 60


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff per message (proto: RetryPolicy; 10 s and 600 s when a policy names neither)."""

    minimum: float  #: wait after the first failure, seconds, 0..600
    maximum: float  #: the longest wait, seconds, 0..600

    def delay(self, failures: int) -> float:
        """Seconds between the end of a failed attempt and the next, after ``failures`` (≥ 1) in a row."""
        return min(self.maximum, self.minimum * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))
