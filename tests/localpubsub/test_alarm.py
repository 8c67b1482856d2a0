"""Tests waiting for an event until a time of the server's clock."""

import asyncio

from localpubsub.alarm import wait
from localpubsub.clock import Clock
from localpubsub.event_loop import new_event_loop


def test_wait_does_not_return_before_its_time() -> None:
    """A wait with a time limit never ends early, although uvloop's timers may end 1 ms too early."""
    clock = Clock()

    async def early_returns() -> list[float]:
        too_early = []
        for _ in range(200):
            until = clock.now() + 0.0015
            await wait(asyncio.Event(), clock, until)
            too_early.append(until - clock.now())
        return [seconds for seconds in too_early if seconds > 0]

    loop = new_event_loop()
    assert loop.run_until_complete(early_returns()) == []
    loop.close()


def test_wait_returns_when_the_event_is_set() -> None:
    """A wait ends when its event is set, with and without a time limit."""

    async def waited() -> None:
        event = asyncio.Event()
        event.set()
        await wait(event, Clock(), None)
        await wait(event, Clock(), Clock().now() + 3600)

    asyncio.run(asyncio.wait_for(waited(), 20))
