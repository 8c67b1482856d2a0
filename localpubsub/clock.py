"""Provides the server's clock, from which the broker takes every time."""

import time


class Clock:
    """A clock that counts seconds since the epoch and never runs backwards while the process runs.

    It reads the wall clock only once, when it is created, and then adds the progress of the monotonic clock.
    So a correction of the wall clock (NTP) neither expires leases nor causes two messages with the same id.

    With a ``scale`` of 60 the server's time starts at the current time and passes 60 times as fast: every
    deadline, backoff and retention ends 60 times sooner, in the same order.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale  #: Seconds of the server's time per real second.
        self._origin = time.time()
        self._started = time.monotonic()

    def now(self) -> float:
        """Return the server's time in seconds since the epoch."""
        return self._origin + (time.monotonic() - self._started) * self.scale

    def wall_time(self) -> float:
        """Return the unscaled time in seconds since the epoch.

        Push tokens use it, because their verifier compares them with an unscaled clock.
        """
        return self._origin + time.monotonic() - self._started

    def real_seconds_until(self, when: float) -> float:
        """Return the real seconds, at least 0, after which ``now()`` reaches ``when``."""
        return max(0.0, when - self.now()) / self.scale
