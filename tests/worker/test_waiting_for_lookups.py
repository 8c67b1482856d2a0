"""Tests how a job waits for the lookup of its host's name, with a fake clock and no network."""

import pytest

from contract.attempt import AttemptFailed
from contract.job import Politeness
from contract.outcome import Reason
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from guarded_http.dns_answers import DnsAnswer, failed, found
from guarded_http.dns_client import LOOKUP_SECONDS
from guarded_http.errors import FetchError, FetchErrorKind
from tests.worker.fetching import FakeClock, RecordedActivity
from worker.budget import PageBudget
from worker.rate_limiter import RateLimiter

URL = "http://shop.example/"
POLITENESS = Politeness(respect_robots=False)
FOUND = found(("192.0.2.1",), 60)


class SlowResolver:
    """A resolver whose lookup takes some seconds of a fake clock, and is then known.

    Attributes:
        waits: the seconds that each caller was willing to wait.
    """

    def __init__(self, clock: FakeClock, seconds: float, answer: DnsAnswer = FOUND) -> None:
        self.waits = list[float]()
        self._clock = clock
        self._seconds = seconds
        self._answer = answer
        self._known: DnsAnswer | None = None

    def known(self, host: str) -> DnsAnswer | None:
        """Return the answer of an earlier lookup."""
        assert host == "shop.example"
        return self._known

    def look_up(self, host: str, seconds: float) -> DnsAnswer | None:
        """Wait for the lookup."""
        assert host == "shop.example"
        self.waits.append(seconds)
        self._clock.sleep(min(seconds, self._seconds))
        self._known = self._answer if seconds >= self._seconds else None
        return self._known


def acquire(resolver: SlowResolver, clock: FakeClock, budget: PageBudget) -> RecordedActivity:
    """Wait for everything that a request waits for; return what the job occupied meanwhile."""
    client = HttpClient("scrapeq/test", Dialer(resolver=resolver))
    limiter = RateLimiter(client, "scrapeq/test", clock=clock, now=clock.now, sleep=clock.sleep)
    activity = RecordedActivity(clock)
    with budget.active(activity):
        limiter.acquire(URL, POLITENESS, budget)
    return activity


def test_lookup_costs_neither_page_slot_nor_page_time() -> None:
    """While the name is looked up, the job has no page slot, and its page time does not run."""
    clock = FakeClock()
    budget = PageBudget(40, wait_seconds=520, clock=clock)
    activity = acquire(SlowResolver(clock, 7), clock, budget)
    assert activity.events == [("begin", 0), ("end", 0), ("begin", 7), ("end", 7)]
    assert (budget.waited, budget.remaining()) == (7, 40)


def test_known_name_keeps_the_page_slot() -> None:
    """A job whose host's name is known does not give its page slot back."""
    clock = FakeClock()
    resolver = SlowResolver(clock, 7)
    acquire(resolver, clock, PageBudget(40, wait_seconds=520, clock=clock))
    activity = acquire(resolver, clock, PageBudget(40, wait_seconds=520, clock=clock))
    assert [event for event, _ in activity.events] == ["begin", "end"]
    assert len(resolver.waits) == 1


@pytest.mark.parametrize("is_known", [False, True])
def test_failed_lookup_fails_with_dns_without_another_page_slot(is_known: bool) -> None:
    """If the name cannot be resolved, the attempt fails at once; it waits for no page slot and host slot."""
    clock = FakeClock()
    resolver = SlowResolver(clock, 7, failed("SERVFAIL"))
    if is_known:
        resolver.look_up("shop.example", 7)
    budget = PageBudget(40, wait_seconds=520, clock=clock)
    with pytest.raises(FetchError, match=r"shop\.example: SERVFAIL") as failure:
        acquire(resolver, clock, budget)
    assert (failure.value.kind, failure.value.url) == (FetchErrorKind.DNS, URL)
    assert clock() == 7


def test_lookup_that_does_not_begin_in_time_ends_with_queued_too_long() -> None:
    """If too many lookups are under way, the job ends for a reason that is not its page's fault."""
    clock = FakeClock()
    with pytest.raises(AttemptFailed, match="too many are under way") as failure:
        acquire(SlowResolver(clock, 999), clock, PageBudget(40, wait_seconds=520, clock=clock))
    assert (failure.value.reason, failure.value.final_url) == (Reason.QUEUED_TOO_LONG, URL)
    assert clock() == 520


@pytest.mark.parametrize(("waited", "may_wait"), [(0, 30), (15, 15), (25, LOOKUP_SECONDS), (515, 5)])
def test_wait_in_a_crowded_worker_is_the_rest_of_its_hold_or_one_lookup(
    waited: float, may_wait: float
) -> None:
    """A crowded worker limits the wait; but a job that has waited for something else gets its lookup."""
    clock = FakeClock()
    budget = PageBudget(40, wait_seconds=520, hold_seconds=30, clock=clock)
    with budget.waiting():
        clock.sleep(waited)
    resolver = SlowResolver(clock, 1)
    acquire(resolver, clock, budget)
    assert resolver.waits == [may_wait]


def test_without_time_for_waiting_the_name_is_looked_up_by_the_request() -> None:
    """A job that may not wait, as in `scrapeq try`, does not wait for the lookup before its request."""
    clock = FakeClock()
    resolver = SlowResolver(clock, 7)
    acquire(resolver, clock, PageBudget(40, clock=clock))
    assert resolver.waits == []
