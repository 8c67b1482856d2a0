"""The one clock: every time the core is told comes from here."""

import time


class Clock:
    """Seconds since the epoch that never run backwards while the process lives.

    The wall clock gives the origin and the monotonic clock the progress, so an NTP step neither expires
    leases nor lets two messages take the same id.

    With a ``scale`` of 60 the server's time begins at the wall clock's and then passes 60 times as fast:
    every deadline, backoff and retention comes 60 times sooner, in the same order.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale  #: seconds of the server for each second of the world
        self._origin = time.time()
        self._started = time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch, as the server counts them."""
        return self._origin + (time.monotonic() - self._started) * self.scale

    def wall(self) -> float:
        """Seconds since the epoch, as the rest of the world counts them: for what others compare with theirs.

        Push tokens: whoever verifies one looks at a clock of their own.
        """
        return self._origin + time.monotonic() - self._started

    def wait_until(self, when: float) -> float:
        """How many real seconds a timer must sleep so that ``now()`` has reached ``when``; at least 0."""
        return max(0.0, when - self.now()) / self.scale
