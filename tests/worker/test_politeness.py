"""Politeness: a host is asked no sooner than it wishes, within the page's budget, whatever the crawl says."""

from datetime import UTC, datetime

import pytest

from contract.job import Politeness
from contract.outcome import Reason
from tests.servers.site import Site, http
from tests.worker.fetching import IGNORE_ROBOTS, NOON, RESPECT_ROBOTS, FakeClock, fetch_failure, make_fetcher
from worker.budget import PageBudget
from worker.host_slots import MAX_RETRY_AFTER_SECONDS, MEMORY_BYTES, HostSlots, parse_retry_after

PAGE = b"<h1>One</h1>"
A_SECOND_APART = Politeness(delay_seconds=1, respect_robots=False)


def test_turns_of_a_host_are_a_delay_apart() -> None:
    """Each caller gets a turn of its own, in order, however many come at once."""
    hosts = HostSlots()
    assert [hosts.take("a", 2, now=10, max_wait=100) for _ in range(4)] == [0, 2, 4, 6]
    assert hosts.take("b", 2, now=10, max_wait=100) == 0
    assert hosts.take("a", 2, now=30, max_wait=100) == 0


def test_a_turn_that_is_too_far_away_is_not_taken() -> None:
    """Whoever cannot wait leaves the turn to the next."""
    hosts = HostSlots()
    assert hosts.take("a", 5, now=0, max_wait=0) == 0
    assert hosts.take("a", 5, now=0, max_wait=4) == 5
    assert hosts.take("a", 5, now=0, max_wait=9) == 5


def test_a_host_that_asks_to_be_left_alone_is() -> None:
    """For as long as it said, and no other host; the longer of two wishes counts."""
    hosts = HostSlots()
    hosts.block("a", 60, now=0)
    hosts.block("a", 10, now=1)
    assert (
        hosts.blocked_seconds("a", 20),
        hosts.blocked_seconds("b", 20),
        hosts.blocked_seconds("a", 61),
    ) == (40, 0, 0)
    hosts.block("a", 10**9, now=100)
    assert hosts.blocked_seconds("a", 100) == MAX_RETRY_AFTER_SECONDS


def test_hosts_are_forgotten_when_they_are_many() -> None:
    """A crawl of the whole web fills no memory: the longest not asked go first."""
    hosts = HostSlots(bytearray(MEMORY_BYTES // 128))
    hosts.block("held.example", 10_000, now=0)
    for number in range(1000):
        hosts.take(f"{number}.example", 60, now=number, max_wait=100)
        hosts.take("always.example", 0, now=number, max_wait=100)
    assert hosts.take("always.example", 5, now=999, max_wait=100) == 5
    assert hosts.take("0.example", 2000, now=999, max_wait=2000) == 0
    assert hosts.blocked_seconds("held.example", 1000) == 9000


def test_who_shares_the_memory_shares_the_turns() -> None:
    """Processes of an instance ask a host as one does."""
    memory = bytearray(MEMORY_BYTES)
    one, other = HostSlots(memory), HostSlots(memory)
    assert [each.take("a", 2, now=10, max_wait=100) for each in (one, other, one)] == [0, 2, 4]
    one.block("a", 60, now=10)
    assert other.blocked_seconds("a", 20) == 50


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sunday, 22-Nov-26 12:01:00 GMT", 60),
        ("Sun Nov 22 12:01:00 2026", 60),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Sun, 99 Nov 2026 12:01:00 GMT", None),
        ("9" * 400, 999_999_999_999),
    ],
)
def test_retry_after_is_read_in_both_its_forms(field: str, seconds: float | None) -> None:
    """Seconds, and the three spellings of an HTTP date (RFC 9110 sections 5.6.7, 10.2.3); rubbish is none."""
    assert datetime(2026, 11, 22, 12, tzinfo=UTC) == NOON
    assert parse_retry_after(field, NOON) == seconds


def test_a_delay_is_waited_within_the_budget(site: Site) -> None:
    """The pause between two pages of a host; the first waits for nothing."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    site.add("/", http(200, PAGE))
    for _ in range(3):
        fetcher.fetch(site.url("/"), A_SECOND_APART, PageBudget(30))
    assert clock.slept == [1, 1]
    assert len(site.requests) == 3


def test_a_redirect_waits_for_its_turn_too(site: Site) -> None:
    """It is a request like any other."""
    clock = FakeClock()
    site.add("/1", http(302, b"", "Location: /2"))
    site.add("/2", http(200, PAGE))
    make_fetcher(clock=clock).fetch(site.url("/1"), A_SECOND_APART, PageBudget(30))
    assert clock.slept == [1]


def test_a_turn_beyond_the_budget_ends_the_attempt_early(site: Site) -> None:
    """`rate_limited`, at once: waiting for what cannot be reached would hold a place for nothing."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    slowly = Politeness(delay_seconds=60, respect_robots=False)
    fetcher.fetch(site.add("/", http(200, PAGE)), slowly, PageBudget(10))
    end = fetch_failure(fetcher, site.url("/"), politeness=slowly)
    assert end.reason is Reason.RATE_LIMITED
    assert "the next slot of 127.0.0.1" in end.detail
    assert (clock.slept, len(site.requests)) == ([], 1)


def test_crawl_delay_counts_where_it_is_longer(site: Site) -> None:
    """The larger of the site's wish and the crawl's; none of the site's where robots.txt is not respected."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    site.add("/robots.txt", http(200, b"User-agent: *\nCrawl-delay: 3\n"))
    site.add("/", http(200, PAGE))
    for politeness in (RESPECT_ROBOTS, RESPECT_ROBOTS, Politeness(delay_seconds=5), IGNORE_ROBOTS):
        fetcher.fetch(site.url("/"), politeness, PageBudget(30))
    assert clock.slept == [3, 5]


@pytest.mark.parametrize(("status", "reason"), [(429, Reason.HTTP_429), (503, Reason.HTTP_5XX)])
@pytest.mark.parametrize("field", ["90", "Sun, 22 Nov 2026 12:01:30 GMT"])
def test_a_retry_after_is_heeded_by_every_job_of_the_host(
    site: Site, status: int, reason: Reason, field: str
) -> None:
    """The page keeps its own reason; until then the host's other jobs end early, unasked, and say why."""
    # Given a site that asks to be left alone for 90 seconds
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    end = fetch_failure(fetcher, site.add("/", http(status, b"", f"Retry-After: {field}")))
    assert (end.reason, end.http_status, end.retry_after) == (reason, status, 90)
    assert f"Retry-After: {field}" in end.detail
    # When another page of it is due
    site.add("/2", http(200, PAGE))
    clock.seconds = 30
    # Then it is not asked for
    other = fetch_failure(fetcher, site.url("/2"))
    assert (other.reason, len(site.requests)) == (Reason.RATE_LIMITED, 1)
    assert "for another 60 s (Retry-After)" in other.detail
    assert other.retry_after == 60
    # Until the time has come
    clock.seconds = 91
    assert fetcher.fetch(site.url("/2"), IGNORE_ROBOTS, PageBudget(10)).body == PAGE


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_retry_after_of_another_answer_holds_nobody(site: Site, status: int) -> None:
    """It is about 429 and 503; and rubbish in it is nothing."""
    fetcher = make_fetcher()
    site.add("/", http(status, PAGE, "Retry-After: 90"))
    site.add("/2", http(429, PAGE, "Retry-After: soon"))
    if status != 200:
        fetch_failure(fetcher, site.url("/"))
    fetch_failure(fetcher, site.url("/2"))
    again = fetch_failure(fetcher, site.url("/2"))
    assert (again.reason, again.retry_after) == (Reason.HTTP_429, None)
