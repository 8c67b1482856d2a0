"""Tests how a revision of the gate gives its slots to requests, under a virtual clock."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.cloud_run_gate.revision import Revision, Scaling


class _NoWait(selectors.DefaultSelector):
    """Adds the time that select() should wait to a clock, instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "every task waits for another one"
        self.now += timeout
        found: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        return found


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer."""

    def __init__(self) -> None:
        self._clock = _NoWait()
        super().__init__(self._clock)

    def time(self) -> float:
        """Return the virtual time in seconds, 0 at the start."""
        return self._clock.now


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine under a virtual clock."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(work)


def now() -> float:
    """Return the virtual time, in seconds, rounded to milliseconds."""
    return round(asyncio.get_running_loop().time(), 3)


async def request(revision: Revision, scaling: Scaling, seconds: float, log: list[str], name: str) -> None:
    """Send a request that runs for some seconds; log when it starts and how it ends."""
    try:
        taken = await revision.take_slot(asyncio.get_running_loop().time() + scaling.longest_wait)
    except TimeoutError:
        log.append(f"{now():g} {name} rejected")
        return
    if not taken:
        log.append(f"{now():g} {name} moved")
        return
    log.append(f"{now():g} {name} starts")
    try:
        async with revision.running():
            await asyncio.sleep(seconds)
    except TimeoutError:
        log.append(f"{now():g} {name} cut")


def test_requests_wait_for_slots_in_the_order_of_their_arrival() -> None:
    """A request starts when an earlier one ends; one that has waited for queue_seconds is rejected."""
    log: list[str] = []

    async def scenario() -> None:
        scaling = Scaling(concurrency=1, max_instances=2, queue_seconds=10)
        revision = Revision(scaling)
        seconds = {"a": 4, "b": 30, "c": 5, "d": 30, "e": 1}
        await asyncio.gather(*(request(revision, scaling, each, log, name) for name, each in seconds.items()))

    run(scenario())
    assert log == ["0 a starts", "0 b starts", "4 c starts", "9 d starts", "10 e rejected"]


def test_instances_start_one_after_another_while_requests_wait() -> None:
    """The first request waits for a start, and each further instance adds its slots after the one before."""
    log: list[str] = []

    async def scenario() -> None:
        scaling = Scaling(concurrency=2, max_instances=3, start_up_seconds=4)
        revision = Revision(scaling)
        await asyncio.gather(*(request(revision, scaling, 100, log, name) for name in "abcdefg"))

    run(scenario())
    assert log == [
        "4 a starts", "4 b starts", "8 c starts", "8 d starts", "12 e starts", "12 f starts", "14 g rejected",
    ]  # fmt: skip


def test_no_instance_is_started_without_waiting_requests() -> None:
    """With min_instances the first requests do not wait, and a second instance starts only for a third."""
    log: list[str] = []

    async def scenario() -> None:
        scaling = Scaling(concurrency=2, min_instances=1, max_instances=3, start_up_seconds=4)
        revision = Revision(scaling)
        await asyncio.gather(*(request(revision, scaling, 1, log, name) for name in "ab"))
        await asyncio.sleep(100)
        await asyncio.gather(*(request(revision, scaling, 50, log, name) for name in "cde"))

    run(scenario())
    assert log == ["0 a starts", "0 b starts", "101 c starts", "101 d starts", "105 e starts"]


def test_replaced_revision_cuts_its_requests_after_the_grace_time() -> None:
    """Waiting requests are moved at once; running ones end normally within the grace time, or are cut."""
    log: list[str] = []

    async def scenario() -> None:
        scaling = Scaling(concurrency=1, max_instances=2)
        revision = Revision(scaling)
        seconds = {"a": 5, "b": 50, "c": 1}
        requests = asyncio.gather(
            *(request(revision, scaling, each, log, name) for name, each in seconds.items())
        )
        await asyncio.sleep(2)
        revision.replace(grace=10)
        await requests

    run(scenario())
    assert log == ["0 a starts", "0 b starts", "2 c moved", "12 b cut"]


async def full_revision_with_waiting_request(
    scaling: Scaling, log: list[str]
) -> tuple[Revision, asyncio.Task[None]]:
    """Return a revision whose only slot was just given to a request that waited and has not run since."""
    revision = Revision(scaling)
    assert await revision.take_slot(0)
    waiting = asyncio.create_task(request(revision, scaling, 100, log, "waiting"))
    await asyncio.sleep(0)
    async with revision.running():
        pass
    return revision, waiting


def test_slot_given_to_a_closed_request_is_given_back() -> None:
    """If a caller closes its connection in the moment in which it gets a slot, the next request gets it."""
    log: list[str] = []

    async def scenario() -> None:
        scaling = Scaling(concurrency=1)
        revision, waiting = await full_revision_with_waiting_request(scaling, log)
        waiting.cancel()
        await request(revision, scaling, 1, log, "next")

    run(scenario())
    assert log == ["0 next starts"]


def test_request_that_gets_a_slot_of_a_replaced_revision_is_cut() -> None:
    """If the revision is replaced in the moment in which a request gets a slot, the grace time counts."""
    log: list[str] = []

    async def scenario() -> None:
        revision, waiting = await full_revision_with_waiting_request(Scaling(concurrency=1), log)
        revision.replace(grace=10)
        await waiting

    run(scenario())
    assert log == ["0 waiting starts", "10 waiting cut"]


@pytest.mark.parametrize(("start_up_seconds", "longest"), [(0, 10), (2, 10), (8, 28)])
def test_longest_wait_is_ten_seconds_or_three_and_a_half_start_ups(
    start_up_seconds: float, longest: float
) -> None:
    """As documented, the longer of the two times counts."""
    assert Scaling(start_up_seconds=start_up_seconds).longest_wait == longest


REQUESTS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 3.0]), st.sampled_from([0.0, 1.0, 7.0, 40.0]), st.booleans()),
    max_size=25,
)


@given(REQUESTS, st.integers(1, 3), st.integers(0, 2), st.sampled_from([0.0, 1.0, 5.0]))
def test_no_slot_is_lost_or_given_twice(
    requests: list[tuple[float, float, bool]], concurrency: int, min_instances: int, start_up_seconds: float
) -> None:
    """At most all slots are used, and all are free at the end, even if callers close their connections."""
    scaling = Scaling(
        concurrency=concurrency,
        min_instances=min_instances,
        max_instances=2,
        start_up_seconds=start_up_seconds,
        queue_seconds=3,
    )
    slots = concurrency * 2

    async def scenario() -> None:
        revision = Revision(scaling)
        log: list[str] = []
        open_requests = 0
        most = 0

        async def counted(seconds: float) -> None:
            nonlocal open_requests, most
            if await revision.take_slot(asyncio.get_running_loop().time() + scaling.longest_wait):
                async with revision.running():
                    open_requests += 1
                    most = max(most, open_requests)
                    try:
                        await asyncio.sleep(seconds)
                    finally:
                        open_requests -= 1

        tasks = []
        for gap, seconds, closed in requests:
            await asyncio.sleep(gap)
            tasks.append(asyncio.create_task(counted(seconds)))
            if closed:
                asyncio.get_running_loop().call_later(3, tasks[-1].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert most <= slots
        # Fill the revision: exactly its slots are free, or become free by the start of instances.
        fill = [request(revision, scaling, 1000, log, f"r{number}") for number in range(slots + 1)]
        await asyncio.gather(*fill)
        assert sum("starts" in line for line in log) == slots

    run(scenario())
