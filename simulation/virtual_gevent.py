"""Replaces, under the virtual clock, the parts of gevent and threading with which the worker waits.

`install` puts this module in the place of gevent in the worker's modules, and `use` selects the scheduler of
the current run. A process runs one simulation at a time.
"""

from collections.abc import Callable

from greenlet import getcurrent, greenlet

from simulation.scheduler import Scheduler, Timer

Greenlet = greenlet
__all__ = ["Event", "Greenlet", "Semaphore", "get_hub", "getcurrent", "sleep", "spawn_later", "use"]

_running: list[Scheduler] = []


def use(scheduler: Scheduler) -> None:
    """Let everything in this module use `scheduler` from now on."""
    _running[:] = [scheduler]


def monotonic() -> float:
    """Return the virtual time in seconds."""
    return _running[0].now


def sleep(seconds: float = 0.0) -> None:
    """Let the calling greenlet wait."""
    _running[0].sleep(seconds)


def spawn_later(seconds: float, function: Callable[..., object], *arguments: object) -> greenlet:
    """Run `function` in a greenlet of its own after some seconds."""
    return _running[0].spawn(function, *arguments, delay=seconds)


class LoopTimer:
    """A timer of the event loop.

    Args:
        seconds: the seconds from its start to its call.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: Timer | None = None

    def start(self, callback: Callable[..., object], *arguments: object, update: bool) -> None:
        """Start it; it then calls the function once."""
        del update
        self._timer = _running[0].after(self._seconds, lambda: callback(*arguments))

    def close(self) -> None:
        """Stop it."""
        if self._timer is not None:
            self._timer.cancel()


class Loop:
    """The event loop."""

    def timer(self, seconds: float) -> LoopTimer:
        """Return a timer, which has not started."""
        return LoopTimer(seconds)

    def run_callback(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call a function soon, from the loop; it must not wait."""
        _running[0].after(0.0, lambda: callback(*arguments))


class Hub:
    """The greenlet of the event loop.

    Attributes:
        loop: the event loop.
    """

    loop = Loop()


def get_hub() -> Hub:
    """Return the greenlet of the event loop."""
    return Hub()


class Semaphore:
    """Counts free places; a greenlet waits for one in the order of the requests."""

    def __init__(self, value: int = 1) -> None:
        self._free = value
        self._waiters: list[Callable[[], object]] = []

    def acquire(self, timeout: float | None = None) -> bool:
        """Take a place, or wait for it; return whether it was taken within `timeout` seconds."""
        if self._free > 0:
            self._free -= 1
            return True
        if timeout is not None and timeout <= 0:
            return False
        return _running[0].wait(self._waiters, timeout, undo=self.release)

    def release(self) -> None:
        """Give a place back, to the first greenlet that waits for one."""
        if self._waiters:
            self._waiters.pop(0)()
        else:
            self._free += 1


class Event:
    """Lets greenlets wait until it is set, like `threading.Event`."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiters: list[Callable[[], object]] = []

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Wake up every greenlet that waits."""
        self._is_set = True
        waiters, self._waiters = self._waiters, []
        for wake in waiters:
            wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; return whether it is."""
        return self._is_set or _running[0].wait(self._waiters, timeout)
