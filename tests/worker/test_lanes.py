"""Tests that the delay between two requests holds for the lanes of a host, over instances that share nothing.

Pub/Sub delivers one job of a lane at a time, to any instance. The clocks of the instances differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.host_slots import TOLERANCE_SECONDS, HostSlots, Lane, LaneTimes

MAX_CLOCK_OFFSET = TOLERANCE_SECONDS / 2
START = 1_795_348_800.0  # seconds since the epoch


@dataclass
class Instance:
    """An instance with its own slots and its own clock of the wall.

    Attributes:
        offset: seconds by which its clock is ahead of the true time.
        slots: its slots.
    """

    offset: float
    slots: HostSlots = field(default_factory=HostSlots)

    def start(self, host: str, delay: float, lane: Lane, now: float) -> float:
        """Return the true time at which a job that asks at the true time `now` requests its host."""
        times = lane.times(host, delay, now + self.offset)
        return now + self.slots.take(host, delay, now, max_wait=1e9, lane=times)


@dataclass(frozen=True)
class Request:
    """What hypothesis chooses for the request of a job.

    Attributes:
        instance: number of the instance to which the job is delivered.
        lane: number of its lane.
        seconds: how long the page takes, and the next job of the lane until it is delivered.
    """

    instance: int
    lane: int
    seconds: float


requests = st.builds(
    Request, st.integers(0, 2), st.integers(0, 3), st.sampled_from([0.0, 0.01, 0.05]) | st.floats(0, 30)
)


@given(
    host=st.sampled_from(["a.example", "b.example", "c.example:8080", "münchen.example"]),
    delay=st.floats(0.01, 60),
    lanes=st.integers(1, 4),
    offsets=st.lists(st.floats(-MAX_CLOCK_OFFSET, MAX_CLOCK_OFFSET), min_size=3, max_size=3),
    chosen=st.lists(requests, min_size=2, max_size=40),
)
def test_two_requests_are_never_closer_than_the_delay(
    host: str,
    delay: float,
    lanes: int,
    offsets: Sequence[float],
    chosen: Sequence[Request],
) -> None:
    """Over all lanes and instances, requests are a delay apart, less what clocks and tolerance make up."""
    instances = [Instance(offset) for offset in offsets]
    free_at = [START] * lanes  # when the next job of each lane is delivered
    requested_at = list[float]()
    for request in chosen:
        # The lane whose next job is delivered first is the next one that asks for its slot.
        number = request.lane % lanes
        now = free_at[number]
        if now > min(free_at):
            number = free_at.index(min(free_at))
            now = free_at[number]
        started = instances[request.instance].start(host, delay, Lane(number, lanes), now)
        requested_at.append(started)
        free_at[number] = started + request.seconds
    for earlier, later in pairwise(sorted(requested_at)):
        assert later - earlier >= delay - 2 * TOLERANCE_SECONDS - 1e-5


@given(
    host=st.sampled_from(["a.example", "b.example"]),
    delay=st.floats(0.5, 60),
    lanes=st.integers(1, 100),
    seconds=st.floats(0, 0.5),
)
def test_a_lane_requests_once_in_a_period_if_its_pages_are_quick(
    host: str, delay: float, lanes: int, seconds: float
) -> None:
    """A lane wastes none of its times: quick pages follow each other exactly a period apart."""
    instance, lane = Instance(0), Lane(lanes - 1, lanes)
    now, requested_at = START, list[float]()
    for _ in range(5):
        requested_at.append(instance.start(host, delay, lane, now))
        now = requested_at[-1] + min(seconds, delay * lanes - 2 * TOLERANCE_SECONDS)
    assert [later - earlier for earlier, later in pairwise(requested_at)] == pytest.approx(
        [delay * lanes] * 4, abs=1e-5
    )


@given(delay=st.floats(0.01, 60), lanes=st.integers(1, 100), now=st.floats(0, 1e4))
def test_lanes_of_a_host_start_a_delay_apart(delay: float, lanes: int, now: float) -> None:
    """The times of all lanes together are exactly a delay apart, at whatever time they are computed."""
    each = [Lane(number, lanes).times("a.example", delay, START + now) for number in range(lanes)]
    starts = sorted(times.start for times in each)
    assert all(0 <= start < delay * lanes for start in starts)
    circle = [*starts, starts[0] + delay * lanes]
    assert [later - earlier for earlier, later in pairwise(circle)] == pytest.approx(
        [delay] * lanes, abs=1e-5
    )


def test_hosts_start_at_different_times() -> None:
    """The hosts' times are spread, so that the jobs of many hosts do not all start at the same moment."""
    starts = [Lane(0, 1).times(f"{n}.example", 10, START).start for n in range(100)]
    assert {int(start) for start in starts} == set(range(10))


@pytest.mark.parametrize(
    ("start", "seconds", "first"),
    [
        (3.0, 0.0, 3.0),
        (3.0, 3.0, 3.0),
        (3.0, 3.04, 3.0),  # another clock measured these seconds
        (3.0, 3.06, 13.0),
        (3.0, 24.0, 33.0),
        (0.06, 0.0, 0.06),
        (0.04, 0.0, 10.04),  # another instance, whose clock is ahead, may have used this time
        (0.0, 0.0, 10.0),
    ],
)
def test_first_time_of_a_lane(start: float, seconds: float, first: float) -> None:
    """The first time after some seconds may be a little earlier than these, but not just now."""
    assert LaneTimes(start, 10.0).first_after(seconds) == pytest.approx(first)


@given(start=st.floats(0, 1), period=st.floats(0.001, 6000), seconds=st.floats(0, 1e5))
def test_first_time_is_one_of_the_lane_and_the_next_that_is_allowed(
    start: float, period: float, seconds: float
) -> None:
    """The result is one of the lane's times, and the one before it would be too early."""
    times = LaneTimes(start * period * 0.999, period)
    first = times.first_after(seconds)
    number = (first - times.start) / period
    assert number == pytest.approx(round(number), abs=1e-6)
    assert first >= seconds - TOLERANCE_SECONDS - 1e-6
    assert first >= min(TOLERANCE_SECONDS, period / 3) - 1e-6
    assert first - period < max(seconds - TOLERANCE_SECONDS, min(TOLERANCE_SECONDS, period / 3)) + 1e-6
