"""Runs greenlets and timers under a virtual clock; equal seeds give equal runs.

Only the scheduler moves the clock: from one event to the next, without waiting. The worker's code runs
unchanged in greenlets, because everything in it that waits is replaced (`simulation/virtual_gevent.py`).
"""

import heapq
import random
from collections.abc import Callable
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

START = 1_764_000_000.0  #: the virtual time at which every run starts, in seconds since the epoch
WOKEN, TIMED_OUT = object(), object()  # why a greenlet continues


class Timer:
    """An event that happens once, unless it is cancelled before."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], object] | None) -> None:
        self.call = call

    def cancel(self) -> None:
        """Prevent the event."""
        self.call = None


class Task(greenlet):  # type: ignore[misc]  # greenlet has no annotations
    """A greenlet whose hash is its number, so that a set of them has the same order in every run.

    Args:
        number: the number.
        function: what it runs.
        parent: the greenlet that continues when it ends.
    """

    def __init__(self, number: int, function: Callable[..., object], parent: greenlet) -> None:
        super().__init__(function, parent)
        self._number = number

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class Scheduler:
    """Runs events in the order of their times; events at the same time run in an order drawn from the seed.

    Attributes:
        now: the virtual time in seconds since the epoch; it is also the virtual monotonic clock.
        random: the source of all random choices of a run.
        events: number of events so far.
    """

    def __init__(self, seed: int) -> None:
        self.now = START
        self.random = random.Random(seed)  # noqa: S311 - a reproducible run, not a secret
        self.events = 0
        self._heap: list[tuple[float, float, int, Timer]] = []
        self._count = 0
        self._main = getcurrent()
        self.failure: BaseException | None = None

    def after(self, seconds: float, call: Callable[[], object]) -> Timer:
        """Call `call` in `seconds`; it must not wait."""
        return self.at(self.now + max(0.0, seconds), call)

    def at(self, when: float, call: Callable[[], object]) -> Timer:
        """Call `call` at `when`, or immediately if that time has passed; it must not wait."""
        timer = Timer(call)
        self._count += 1
        heapq.heappush(self._heap, (max(when, self.now), self.random.random(), self._count, timer))
        return timer

    def spawn(self, function: Callable[..., object], *arguments: object, delay: float = 0.0) -> greenlet:
        """Run `function` in a greenlet of its own, in which it may wait."""
        self._count += 1
        task = Task(self._count, self._guarded, self._main)
        self.after(delay, lambda: task.dead or task.switch(function, *arguments))
        return task

    def kill(self, task: greenlet) -> None:
        """End a greenlet; call it from an event."""
        if not task.dead:
            task.throw(GreenletExit)

    def sleep(self, seconds: float) -> None:
        """Let the calling greenlet wait."""
        timer = self.after(seconds, getcurrent().switch)
        try:
            self._main.switch()
        finally:
            timer.cancel()

    def wait(
        self,
        waiters: list[Callable[[], object]],
        timeout: float | None,
        undo: Callable[[], object] = lambda: None,
    ) -> bool:
        """Let the calling greenlet wait until it is woken up or `timeout` seconds have passed.

        Args:
            waiters: gets a function that wakes the greenlet up, for as long as it waits.
            timeout: seconds; None to wait without a limit.
            undo: called if the greenlet was woken up, but gets an exception before it runs.

        Returns:
            Whether the greenlet was woken up before the timeout.
        """
        resume = getcurrent().switch
        timers: list[Timer] = []

        def wake() -> None:
            for timer in timers:
                timer.cancel()
            timers.append(self.after(0.0, lambda: resume(WOKEN)))

        waiters.append(wake)
        if timeout is not None:
            timers.append(self.after(timeout, lambda: resume(TIMED_OUT)))
        try:
            return bool(self._main.switch() is WOKEN)
        except BaseException:
            if wake not in waiters:
                undo()
            raise
        finally:
            for timer in timers:
                timer.cancel()
            if wake in waiters:
                waiters.remove(wake)

    def run(self, until: float, done: Callable[[], bool]) -> bool:
        """Run events until `done()` or the time `until`; return whether it is done.

        Raises:
            BaseException: what an event or a greenlet raised and did not handle.
        """
        heap = self._heap
        while heap:
            if done():
                return True
            when, _, _, timer = heapq.heappop(heap)
            call = timer.call
            if call is None:
                continue
            if when > until:
                return False
            self.now = when
            self.events += 1
            call()
            if self.failure is not None:
                raise self.failure
        return done()

    def _guarded(self, function: Callable[..., object], *arguments: Any) -> None:  # noqa: ANN401 - the arguments of any function
        try:
            function(*arguments)
        except GreenletExit:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised again by `run`
            self.failure = error
