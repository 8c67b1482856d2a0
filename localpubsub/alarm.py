"""One timer for everything that is due: deadlines, redeliveries, the end of pauses."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from localpubsub.clock import Clock

#: Real seconds between two rings at least, so that a thousand events a millisecond apart are no thousand
#: rings.
_SPACING: Final = 0.002


async def wait(event: asyncio.Event, clock: Clock, until: float | None) -> None:
    """Return once ``event`` is set, or the clock has reached ``until`` (None: never), and not before."""
    while until is None or clock.now() < until:
        pause = None if until is None else clock.wait_until(until)
        with suppress(TimeoutError):  # which uvloop's timers, of whole milliseconds, may raise early
            async with asyncio.timeout(pause):
                await event.wait()
                return


class Alarm:
    """Calls ``ring`` once the clock has reached the earliest time it was set to."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._when = float("inf")
        self._timer: asyncio.TimerHandle | None = None

    def set(self, when: float | None) -> None:
        """Ring at ``when``, seconds since the epoch, unless it rings earlier anyway; None changes nothing."""
        if when is None or when >= self._when:
            return
        self.stop()
        self._when = when
        pause = max(_SPACING, self._clock.wait_until(when))
        self._timer = asyncio.get_running_loop().call_later(pause, self._rung)

    def stop(self) -> None:
        """Forget what it was set to."""
        self._when = float("inf")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rung(self) -> None:
        when = self._when
        self.stop()
        if self._clock.now() < when:
            self.set(when)  # uvloop's timers count whole milliseconds, and may ring one early
        else:
            self._ring()
