"""Gives the slots of one revision to requests, in the order of their arrival."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How many requests a revision serves at the same time, and how fast it can serve more."""

    concurrency: int = 80  #: Maximum number of concurrent requests of one instance; at least 1.
    min_instances: int = 0  #: Number of instances that exist from the start.
    max_instances: int = 1  #: Maximum number of instances; at least 1.
    start_up_seconds: float = 0.0  #: Start-up time of an instance; with 0 all instances exist at once.
    queue_seconds: float = 10.0  #: How long a request waits at least for a slot before it is rejected.

    @property
    def longest_wait(self) -> float:
        """Seconds for which a request may wait for a slot."""
        return max(self.queue_seconds, 3.5 * self.start_up_seconds)


class Revision:
    """One revision of the service; must be created while the event loop is running.

    Each instance has ``concurrency`` slots, and a request holds a slot while it is running. If requests wait,
    instances are started one after another.
    """

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._instances = scaling.min_instances if scaling.start_up_seconds else scaling.max_instances
        self._free = self._instances * scaling.concurrency
        self._waiting: OrderedDict[asyncio.Future[bool], None] = OrderedDict()
        self._running: set[asyncio.Timeout] = set()
        self._starting: asyncio.TimerHandle | None = None
        self._cut_at: float | None = None

    async def take_slot(self, deadline: float) -> bool:
        """Wait for a slot until ``deadline`` (the event loop's time).

        Returns:
            True when the caller has a slot, which it must give back by ``running``; False if the revision was
            replaced while the caller waited.

        Raises:
            TimeoutError: no slot became free.
        """
        if self._free:
            self._free -= 1
            return True
        slot: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[slot] = None
        self._start_instance()
        try:
            async with asyncio.timeout_at(deadline):
                return await slot
        except (TimeoutError, asyncio.CancelledError):
            if slot.done() and not slot.cancelled() and slot.result():
                self._give_back()  # the slot was given in the moment in which the wait ended
            raise
        finally:
            self._waiting.pop(slot, None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold the slot that ``take_slot`` gave until the block ends.

        Raises:
            TimeoutError: the request was cut, because the revision was replaced.
        """
        try:
            async with asyncio.timeout_at(self._cut_at) as limit:
                self._running.add(limit)
                try:
                    yield
                finally:
                    self._running.discard(limit)
        finally:
            self._give_back()

    def replace(self, grace: float) -> None:
        """Start no further request, and cut those that are still running after ``grace`` seconds."""
        if self._starting is not None:
            self._starting.cancel()
        for slot in self._waiting:
            if not slot.done():
                slot.set_result(False)
        self._cut_at = asyncio.get_running_loop().time() + grace
        for limit in self._running:
            limit.reschedule(self._cut_at)

    def _give_back(self) -> None:
        """Give a slot to the request that has waited longest, or keep it for the next one."""
        while self._waiting:
            slot, _ = self._waiting.popitem(last=False)
            if not slot.done():
                slot.set_result(True)
                return
        self._free += 1

    def _start_instance(self) -> None:
        """Start an instance, unless one is being started or there are as many as allowed."""
        if self._starting is None and self._instances < self._scaling.max_instances:
            loop = asyncio.get_running_loop()
            self._starting = loop.call_later(self._scaling.start_up_seconds, self._instance_started)

    def _instance_started(self) -> None:
        self._starting = None
        self._instances += 1
        for _ in range(self._scaling.concurrency):
            self._give_back()
        if self._waiting:
            self._start_instance()
