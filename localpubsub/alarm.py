"""Provides timers on the server's clock: ``wait`` waits for an event, ``Alarm`` calls a function."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from localpubsub.clock import Clock

#: Minimum real seconds from setting an alarm to its call, so that a thousand events within a few milliseconds
#: do not cause a thousand calls.
_MIN_DELAY: Final = 0.002
#: Maximum real seconds between two looks at the clock while an alarm is set, so that the end of a suspension
#: of the machine is noticed soon. The event loop's timers do not count the time of the suspension.
_MAX_DELAY: Final = 5.0
#: Seconds of the server's time after which the callback is called again if it raised an exception.
_RETRY_DELAY: Final = 1.0

_log = logging.getLogger("localpubsub.alarm")


async def wait(event: asyncio.Event, clock: Clock, until: float | None) -> None:
    """Return once ``event`` is set or the clock has reached ``until``, in seconds since the epoch."""
    while until is None or clock.now() < until:
        timeout = None if until is None else clock.real_seconds_until(until)
        with suppress(TimeoutError):  # the loop waits again, because uvloop's timers may end 1 ms too early
            async with asyncio.timeout(timeout) as limit:
                end = partial(end_now, limit)
                clock.on_jump(end)
                try:
                    await event.wait()
                finally:
                    clock.forget(end)
                return


def end_now(limit: asyncio.Timeout) -> None:
    """Let a time limit end now, unless it has ended already."""
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time())


class Alarm:
    """Calls ``callback`` once the clock has reached the earliest time that was set."""

    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._callback = callback
        self._when = float("inf")
        self._timer: asyncio.TimerHandle | None = None

    def set(self, when: float | None) -> None:
        """Call the callback at ``when`` (seconds since the epoch), unless an earlier call is already set.

        None has no effect.
        """
        if when is None or when >= self._when:
            return
        self.cancel()
        self._when = when
        self._set_timer()

    def _set_timer(self) -> None:
        delay = min(max(_MIN_DELAY, self._clock.real_seconds_until(self._when)), _MAX_DELAY)
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)
        self._clock.on_jump(self._on_jump)

    def _on_jump(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._set_timer()

    def cancel(self) -> None:
        """Cancel the call that was set, if any."""
        self._when = float("inf")
        self._clock.forget(self._on_jump)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        when = self._when
        self.cancel()
        if self._clock.now() < when:
            self.set(when)  # uvloop's timers may end 1 ms too early
            return
        try:
            self._callback()
        except Exception:  # noqa: BLE001 - without a further call, no lease would ever expire again
            _log.exception("internal_error")
            self.set(self._clock.now() + _RETRY_DELAY)
