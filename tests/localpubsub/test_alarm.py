"""Tests the timers on the server's clock: waiting for an event until a time, and alarms."""

import asyncio

from localpubsub.alarm import Alarm, wait
from localpubsub.clock import Clock
from localpubsub.event_loop import new_event_loop
from tests.localpubsub.set_clock import START, SetClock
from tests.servers.waiting import MAX_WAIT_SECONDS


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


def test_wait_and_alarm_end_when_the_clock_jumps() -> None:
    """A wait and an alarm of an hour end at once if the clock jumps beyond it, and not if it jumps less."""

    async def jumped() -> None:
        clock, called = SetClock(), asyncio.Event()
        alarm = Alarm(clock, called.set)
        alarm.set(START + 3600)
        waiting = asyncio.create_task(wait(asyncio.Event(), clock, START + 3600))
        await asyncio.sleep(0)
        clock.advance(1800)
        await asyncio.sleep(0.01)
        assert not called.is_set()
        assert not waiting.done()
        clock.suspend(1800)
        clock.now()
        await asyncio.gather(waiting, called.wait())

    asyncio.run(asyncio.wait_for(jumped(), MAX_WAIT_SECONDS))


def test_alarm_notices_a_suspension_by_itself() -> None:
    """An alarm reads the clock again within seconds, although the event loop's timers stood still."""

    async def suspended() -> None:
        clock, called = SetClock(), asyncio.Event()
        alarm = Alarm(clock, called.set)
        alarm.set(START + 3600)
        clock.suspend(7200)
        await called.wait()

    asyncio.run(asyncio.wait_for(suspended(), MAX_WAIT_SECONDS))
