"""Tests the rate limit of each host, and that a job does not wait longer than its page budget allows."""

import pytest

from contract.job import Politeness
from contract.outcome import Reason
from tests.servers.site import Site, http, redirect
from tests.worker.fetching import (
    IGNORE_ROBOTS,
    RESPECT_ROBOTS,
    FakeClock,
    fetch,
    fetch_failure,
    make_fetcher,
)
from worker.budget import PageBudget

PAGE = b"<h1>One</h1>"
ONE_SECOND_APART = Politeness(delay_seconds=1, respect_robots=False)


def test_delay_is_waited_between_requests(site: Site) -> None:
    """The first request to a host does not wait; each further request waits until the delay has passed."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    site.add("/", http(200, PAGE))
    for _ in range(3):
        fetch(fetcher, site.url("/"), politeness=ONE_SECOND_APART)
    assert clock.slept == [1, 1]
    assert len(site.requests) == 3


def test_redirect_waits_for_a_slot(site: Site) -> None:
    """The request for a redirect's target waits for the host's delay, too."""
    clock = FakeClock()
    site.add("/1", redirect("/2"))
    site.add("/2", http(200, PAGE))
    fetch(make_fetcher(clock=clock), site.url("/1"), politeness=ONE_SECOND_APART)
    assert clock.slept == [1]


def test_wait_beyond_the_budget_fails_immediately_with_rate_limited(site: Site) -> None:
    """If the host's delay is longer than the page budget, the job fails immediately, without waiting."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    one_minute_apart = Politeness(delay_seconds=60, respect_robots=False)
    url = site.add("/", http(200, PAGE))
    fetcher.fetch(url, one_minute_apart, PageBudget(10))
    failure = fetch_failure(fetcher, url, politeness=one_minute_apart, budget=PageBudget(10))
    assert failure.reason is Reason.RATE_LIMITED
    assert "can next be requested in" in failure.detail
    assert (clock.slept, len(site.requests)) == ([], 1)


def test_longer_of_crawl_delay_and_delay_counts(site: Site) -> None:
    """The longer of Crawl-delay and delay_seconds applies, unless robots.txt is ignored."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    site.add("/robots.txt", http(200, b"User-agent: *\nCrawl-delay: 3\n"))
    site.add("/", http(200, PAGE))
    for politeness in (RESPECT_ROBOTS, RESPECT_ROBOTS, Politeness(delay_seconds=5), IGNORE_ROBOTS):
        fetch(fetcher, site.url("/"), politeness=politeness)
    assert clock.slept == [3, 5]


@pytest.mark.parametrize(("status", "reason"), [(429, Reason.HTTP_429), (503, Reason.HTTP_5XX)])
@pytest.mark.parametrize("header", ["90", "Sun, 22 Nov 2026 12:01:30 GMT"])
def test_retry_after_blocks_the_host_for_every_job(
    site: Site, status: int, reason: Reason, header: str
) -> None:
    """After a 429 or 503 with Retry-After, all jobs of the host are `rate_limited` until that time."""
    # Given a site that sends Retry-After: 90 seconds
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    failure = fetch_failure(fetcher, site.add("/", http(status, b"", f"Retry-After: {header}")))
    assert (failure.reason, failure.http_status, failure.retry_after) == (reason, status, 90)
    assert f"Retry-After: {header}" in failure.detail
    # When another of its pages is fetched after 30 seconds
    site.add("/2", http(200, PAGE))
    clock.seconds = 30
    # Then no request is sent
    other = fetch_failure(fetcher, site.url("/2"))
    assert (other.reason, len(site.requests)) == (Reason.RATE_LIMITED, 1)
    assert "for another 60 s (Retry-After)" in other.detail
    assert other.retry_after == 60
    # And once the time has passed, the page is fetched
    clock.seconds = 91
    assert fetch(fetcher, site.url("/2")).body == PAGE


@pytest.mark.parametrize("status", [200, 404, 500])
def test_retry_after_of_another_status_blocks_nothing(site: Site, status: int) -> None:
    """Retry-After is ignored if the status is not 429 or 503, or if its value is invalid."""
    fetcher = make_fetcher()
    url = site.add("/", http(status, PAGE, "Retry-After: 90"))
    site.add("/2", http(429, PAGE, "Retry-After: soon"))
    if status == 200:
        fetch(fetcher, url)
    else:
        fetch_failure(fetcher, url)
    fetch_failure(fetcher, site.url("/2"))
    repeated = fetch_failure(fetcher, site.url("/2"))
    assert (repeated.reason, repeated.retry_after) == (Reason.HTTP_429, None)
