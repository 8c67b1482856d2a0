"""Provides the server's clock, from which the broker takes every time."""

import logging
import time
from collections.abc import Callable
from typing import Final

#: Difference, in seconds, between the progress of the wall clock and that of the monotonic clock that counts
#: as a jump. It is larger than corrections of the wall clock by NTP, which are slow or small.
MIN_JUMP: Final = 1.0
#: Real seconds between two comparisons of the clocks. A comparison takes as long as ten readings.
_CHECK_INTERVAL: Final = 0.1
#: Maximum seconds in which both clocks must be read to be compared; a busy machine may interrupt the reading.
_MAX_READING: Final = 0.1

_log = logging.getLogger("localpubsub.clock")


class Clock:
    """A clock that counts seconds since the epoch and never runs backwards while the process runs.

    It starts at the time of the wall clock and then adds the progress of the monotonic clock. So corrections
    of the wall clock (NTP) do not expire leases. But the monotonic clock stands still while a laptop is
    suspended, and a wall clock may be set. So both are compared, and a jump is logged once:

    - If the wall clock has jumped forward, the clock jumps, too. Leases, backoffs and retention pass as if
      the time had been waited for. ``on_jump`` reports it to timers, which the event loop runs by the
      monotonic clock.
    - If the wall clock has jumped backward, the clock continues, because times and the order of messages must
      not change. A later jump forward counts only as far as it leads beyond this clock.

    With a ``scale`` of 60 the server's time starts at the current time and passes 60 times as fast: every
    deadline, backoff and retention ends 60 times sooner, in the same order.

    Args:
        scale: seconds of the server's time per real second.
        wall: reads the wall clock, in seconds since the epoch.
        monotonic: reads the monotonic clock, in seconds.
    """

    def __init__(
        self,
        scale: float = 1.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scale = scale  #: Seconds of the server's time per real second.
        self._wall = wall
        self._monotonic = monotonic
        self._origin = self._wall_at_check = wall()
        self._started = self._checked = self._compared = monotonic()
        self._ahead = 0.0  # real seconds by which the wall clock was set back in total
        self._timers: dict[Callable[[], None], None] = {}

    def now(self) -> float:
        """Return the server's time in seconds since the epoch."""
        monotonic = self._monotonic()
        if monotonic - self._compared >= _CHECK_INTERVAL:
            self._compare()
        return self._origin + (monotonic - self._started) * self.scale

    def wall_time(self) -> float:
        """Return the time of the wall clock, in seconds since the epoch.

        Push tokens use it, because their verifier compares them with its own wall clock.
        """
        return self._wall()

    def real_seconds_until(self, when: float) -> float:
        """Return the real seconds, at least 0, after which ``now()`` reaches ``when``."""
        return max(0.0, when - self.now()) / self.scale

    def advance(self, seconds: float) -> None:
        """Let this many seconds of the server's time pass at once; call this on the event loop.

        Leases, backoffs and retention that end within this time end as soon as the event loop runs, in their
        order.
        """
        if seconds < 0:
            raise ValueError(f"the clock cannot go back by {-seconds} s")
        self._origin += seconds
        timers, self._timers = self._timers, {}
        for timer in timers:
            timer()

    def on_jump(self, timer: Callable[[], None]) -> None:
        """Call ``timer`` after the next jump of the clock, unless ``forget`` is called before."""
        self._timers[timer] = None

    def forget(self, timer: Callable[[], None]) -> None:
        """Do not call ``timer`` any more; do nothing if it is not to be called."""
        self._timers.pop(timer, None)

    def _compare(self) -> None:
        """Compare the clocks, and take over a jump of the wall clock."""
        before, wall, after = self._monotonic(), self._wall(), self._monotonic()
        self._compared = after
        if after - before > _MAX_READING:
            return
        jump = wall - self._wall_at_check - (before - self._checked)
        if abs(jump) < MIN_JUMP:
            return
        self._wall_at_check, self._checked = wall, before
        if jump < 0:
            self._ahead -= jump
            _log.warning("clock_set_back seconds=%.0f: the server's time continues", -jump)
            return
        beyond = max(0.0, jump - self._ahead)
        self._ahead = max(0.0, self._ahead - jump)
        if beyond >= MIN_JUMP:
            _log.warning("clock_jumped seconds=%.0f: leases and retention move with it", beyond)
        self.advance(beyond * self.scale)
