"""The one clock: every time the core is told comes from here."""

import time


class Clock:
    """Seconds since the epoch that never run backwards while the process lives.

    The wall clock gives the origin and the monotonic clock the progress, so an NTP step neither expires
    leases nor lets two messages take the same id.
    """

    def __init__(self) -> None:
        self._origin = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._origin + time.monotonic()

    def wait_until(self, when: float) -> float:
        """How many real seconds a timer must sleep so that ``now()`` has reached ``when``; at least 0."""
        return max(0.0, when - self.now())
