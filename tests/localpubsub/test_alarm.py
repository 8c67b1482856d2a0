"""Waiting for a time of the clock's."""

import asyncio

from localpubsub.alarm import wait
from localpubsub.clock import Clock
from localpubsub.event_loop import new_event_loop


def test_nobody_wakes_before_the_time() -> None:
    """Uvloop's timers count whole milliseconds: whoever woke early would find nothing to do, and sleep on."""
    clock = Clock()

    async def early() -> list[float]:
        missed = []
        for _ in range(200):
            until = clock.now() + 0.0015
            await wait(asyncio.Event(), clock, until)
            missed.append(until - clock.now())
        return [seconds for seconds in missed if seconds > 0]

    loop = new_event_loop()
    assert loop.run_until_complete(early()) == []
    loop.close()


def test_an_event_ends_the_wait() -> None:
    """With a time as without one."""

    async def waited() -> None:
        event = asyncio.Event()
        event.set()
        await wait(event, Clock(), None)
        await wait(event, Clock(), Clock().now() + 3600)

    asyncio.run(asyncio.wait_for(waited(), 20))
