"""Tests when a job that waits for its host's slot may send its request, with a fake clock and no network."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from contract.attempt import AttemptFailed
from contract.job import Politeness
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from tests.servers.fake_resolver import FakeResolver
from tests.worker.fetching import NOON, FakeClock
from worker.budget import PageBudget
from worker.host_slots import TOLERANCE_SECONDS, HostSlots, Lane, LaneTimes
from worker.rate_limiter import RateLimiter

ONE_SECOND_APART = Politeness(delay_seconds=1, respect_robots=False)
HOST = "shop.example"
URL = f"http://{HOST}/"


def budget(clock: FakeClock) -> PageBudget:
    """Return the budget of a delivery that begins now."""
    return PageBudget(40, wait_seconds=520, clock=clock)


def make_rate_limiter(clock: FakeClock, sleep: Callable[[float], None] | None = None) -> RateLimiter:
    """Return a rate limiter that requests nothing."""
    client = HttpClient("scrapeq/test", Dialer(resolver=FakeResolver(["192.0.2.1"])))
    return RateLimiter(client, "scrapeq/test", clock=clock, now=clock.now, sleep=sleep or clock.sleep)


def lane_phase(lane: Lane, delay: float, seconds: float) -> float:
    """Return the seconds from NOON + `seconds` to the lane's next time."""
    return lane.times(HOST, delay, NOON.timestamp() + seconds).start


@pytest.mark.parametrize("number", range(3))
def test_job_of_a_lane_starts_at_the_times_of_its_lane(number: int) -> None:
    """Each request of a lane starts at one of the lane's own times, and in every period there is one."""
    clock, lane = FakeClock(), Lane(number, 3)
    limiter = make_rate_limiter(clock)
    started = list[float]()
    for _ in range(5):
        limiter.acquire(URL, ONE_SECOND_APART, budget(clock), lane=lane)
        started.append(clock())
        clock.sleep(0.3)  # the page is quick
    assert [later - earlier for earlier, later in pairwise(started)] == pytest.approx([3] * 4)
    phases = [lane_phase(lane, 1, start + 0.001) for start in started]
    assert phases == pytest.approx([3 - 0.001] * 5)


def test_lane_without_a_delay_does_not_wait() -> None:
    """A crawl that only limits the number of simultaneous requests has lanes, but no times."""
    clock = FakeClock()
    limiter = make_rate_limiter(clock)
    for _ in range(3):
        limiter.acquire(URL, Politeness(per_host=2, respect_robots=False), budget(clock), lane=Lane(1, 2))
    assert clock.slept == []


def test_lane_whose_period_exceeds_the_wait_makes_progress() -> None:
    """If each job of a lane may wait for less than the lane's period, one of them gets the lane's next time.

    The next job of the lane is delivered when the job before it is answered. If a job was held until the
    lane's time, the next one would always come just after that time.
    """
    clock, lane = FakeClock(), Lane(0, 4)
    clock.sleep(lane_phase(lane, 10, 0) + 0.001)  # the lane's time has just passed, and the next is in 40 s
    limiter, delay = make_rate_limiter(clock), Politeness(delay_seconds=10, per_host=4, respect_robots=False)
    crowded = PageBudget(40, wait_seconds=520, hold_seconds=30, clock=clock)
    with pytest.raises(AttemptFailed) as failure:
        limiter.acquire(URL, delay, crowded, lane=lane)
    if failure.value.retry_after is not None:
        clock.sleep(failure.value.retry_after)  # the lane is held for a Retry-After
    limiter.acquire(URL, delay, PageBudget(40, wait_seconds=520, hold_seconds=30, clock=clock), lane=lane)
    assert clock.slept[1:] == pytest.approx([30, 10], abs=0.01)


def test_late_wake_up_takes_another_slot() -> None:
    """If a job wakes up too late for its slot, it takes a further one instead of following the next job."""
    clock = FakeClock()
    late = iter([7.0, 0.0])

    def sleep(seconds: float) -> None:
        clock.sleep(seconds + next(late))

    limiter = make_rate_limiter(clock, sleep)
    limiter.acquire(URL, ONE_SECOND_APART, budget(clock))
    page_budget = budget(clock)
    limiter.acquire(URL, ONE_SECOND_APART, page_budget)
    # Then it found the host free at its second try, since nothing else was requested in the meantime
    assert (clock.slept, clock()) == ([8], 8)
    # And its request has a slot at the time at which it starts
    limiter.acquire(URL, ONE_SECOND_APART, budget(clock))
    assert clock() == 9


class ScarcePageSlots:
    """An activity that waits for a page slot for 5 s each time.

    Args:
        sleep: waits for a number of seconds.
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._is_kept = False

    def begin(self, budget: PageBudget) -> None:
        """Wait for a page slot, unless one was kept."""
        assert budget.remaining() > 0
        if not self._is_kept:
            self._sleep(5)
        self._is_kept = False

    def begin_large(self, budget: PageBudget) -> None:
        """Do nothing."""

    def leave_slot(self) -> None:
        """Do nothing."""

    def pause(self) -> None:
        """Keep the page slot."""
        self._is_kept = True

    def end(self) -> None:
        """Give the page slot back."""


@pytest.mark.parametrize("lane", [None, Lane(0, 1), Lane(2, 3)])
def test_job_gets_its_hosts_slot_although_page_slots_are_scarce(lane: Lane | None) -> None:
    """A job that got its page slot only after its host's slot asks for it earlier at its next try.

    Otherwise it would miss each of its slots, until the time for which it may wait is over.
    """
    clock = FakeClock()
    slots = HostSlots()

    def sleep(seconds: float) -> None:
        while slots.take(HOST, 1, clock(), 10) <= 10:
            pass  # meanwhile other jobs take the host's next slots
        clock.sleep(seconds)

    client = HttpClient("scrapeq/test", Dialer(resolver=FakeResolver(["192.0.2.1"])))
    limiter = RateLimiter(client, "scrapeq/test", slots=slots, clock=clock, now=clock.now, sleep=sleep)
    page_budget = budget(clock)
    with page_budget.active(ScarcePageSlots(sleep)):
        limiter.acquire(URL, ONE_SECOND_APART, page_budget, lane=lane)
    assert clock() < 60
    assert page_budget.remaining() == 40


def test_slightly_late_wake_up_keeps_its_slot() -> None:
    """A job that wakes up some milliseconds late starts at once."""
    clock = FakeClock()
    limiter = make_rate_limiter(clock, lambda seconds: clock.sleep(seconds + TOLERANCE_SECONDS / 2))
    for _ in range(2):
        limiter.acquire(URL, ONE_SECOND_APART, budget(clock))
    assert clock.slept == [1 + TOLERANCE_SECONDS / 2]


def test_host_that_is_blocked_while_a_job_waits_for_its_slot_is_not_requested() -> None:
    """If another job gets Retry-After while a job waits for its slot, this job waits for that, too."""
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept) == 1:
            limiter.note_retry_after(URL, "30", "")

    limiter = make_rate_limiter(clock, sleep)
    limiter.acquire(URL, ONE_SECOND_APART, budget(clock))
    limiter.acquire(URL, ONE_SECOND_APART, budget(clock))
    assert (clock.slept, clock()) == ([1, 30], 31)
    assert limiter.blocked_seconds(URL) == 0


class BlockedMeanwhile(HostSlots):
    """Slots of a host that sends a Retry-After to another job while this job waits for robots.txt."""

    def take(
        self, host: str, delay: float, now: float, max_wait: float, lane: LaneTimes | None = None
    ) -> float:
        """Take a slot; before the first one, block the host for 10 s."""
        if not self.blocked_seconds(host, now) and now < 10:
            self.block(host, 10, now)
        return super().take(host, delay, now, max_wait, lane)


def test_retry_after_that_came_while_the_job_waited_is_respected() -> None:
    """A job that passed the first check before another job got a 429 does not request the host either."""
    clock = FakeClock()
    client = HttpClient("bot", Dialer(resolver=FakeResolver(["192.0.2.1"])))
    limiter = RateLimiter(
        client, "bot", slots=BlockedMeanwhile(), clock=clock, now=lambda: NOON, sleep=clock.sleep
    )
    limiter.acquire(URL, Politeness(respect_robots=False), budget(clock))
    assert clock.slept == [10]
