"""Timers on the server's clock: one for a callback, and one for waiting on an event."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from localpubsub.clock import Clock

#: Real seconds at least between two calls of an alarm, so that a thousand events within a few milliseconds
#: do not cause a thousand calls.
_MIN_INTERVAL: Final = 0.002


async def wait(event: asyncio.Event, clock: Clock, until: float | None) -> None:
    """Return once ``event`` is set or the clock has reached ``until``, in seconds since the epoch."""
    while until is None or clock.now() < until:
        timeout = None if until is None else clock.real_seconds_until(until)
        with suppress(TimeoutError):  # uvloop's timers count whole milliseconds and may end early
            async with asyncio.timeout(timeout):
                await event.wait()
                return


class Alarm:
    """Calls ``callback`` once the clock has reached the earliest time that was set."""

    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._callback = callback
        self._when = float("inf")
        self._timer: asyncio.TimerHandle | None = None

    def set(self, when: float | None) -> None:
        """Call at ``when`` (seconds since the epoch) unless an earlier time is set; None changes nothing."""
        if when is None or when >= self._when:
            return
        self.cancel()
        self._when = when
        delay = max(_MIN_INTERVAL, self._clock.real_seconds_until(when))
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def cancel(self) -> None:
        """Drop the time that was set."""
        self._when = float("inf")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        when = self._when
        self.cancel()
        if self._clock.now() < when:
            self.set(when)  # uvloop's timers count whole milliseconds and may end one early
        else:
            self._callback()
