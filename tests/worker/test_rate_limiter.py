"""Tests the rate limit of each host: jobs wait for their host's turn, for as long as a delivery may wait."""

from collections.abc import Callable

import pytest

from contract.job import Politeness
from contract.outcome import Reason
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from guarded_http.request import PLAIN_GET, HttpRequest
from tests.servers.site import PendingRequest, Site, http, redirect
from tests.worker.fetching import (
    IGNORE_ROBOTS,
    RESPECT_ROBOTS,
    FakeClock,
    fetch,
    fetch_failure,
    make_fetcher,
)
from worker.budget import PageBudget
from worker.fetch import Stopwatch
from worker.host_slots import (
    MAX_RETRY_AFTER_SECONDS,
    Lane,
)
from worker.permit import ALWAYS_PERMITTED, Permit
from worker.rate_limiter import RateLimiter

PAGE = b"<h1>One</h1>"
ONE_SECOND_APART = Politeness(delay_seconds=1, respect_robots=False)
WAIT_SECONDS = 520.0


def budget(clock: FakeClock, wait_seconds: float = WAIT_SECONDS) -> PageBudget:
    """Return the budget of a delivery that begins now."""
    return PageBudget(40, wait_seconds=wait_seconds, clock=clock)


def test_delay_is_waited_between_requests(site: Site) -> None:
    """The first request to a host does not wait; each further request waits until the delay has passed."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    site.add("/", http(200, PAGE))
    for _ in range(3):
        fetch(fetcher, site.url("/"), politeness=ONE_SECOND_APART, budget=budget(clock))
    assert clock.slept == [1, 1]
    assert len(site.requests) == 3


def test_redirect_waits_for_a_slot(site: Site) -> None:
    """The request for a redirect's target waits for the host's delay, too."""
    clock = FakeClock()
    site.add("/1", redirect("/2"))
    site.add("/2", http(200, PAGE))
    fetch(make_fetcher(clock=clock), site.url("/1"), politeness=ONE_SECOND_APART, budget=budget(clock))
    assert clock.slept == [1]


def test_delay_beyond_the_wait_budget_is_waited_in_part_and_then_rate_limited(site: Site) -> None:
    """If the host's delay is longer than a job may wait, it waits for that time, and takes no slot."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    one_minute_apart = Politeness(delay_seconds=60, respect_robots=False)
    url = site.add("/", http(200, PAGE))
    fetch(fetcher, url, politeness=one_minute_apart, budget=budget(clock, 10))
    failure = fetch_failure(fetcher, url, politeness=one_minute_apart, budget=budget(clock, 10))
    assert (failure.reason, failure.retry_after) == (Reason.RATE_LIMITED, None)
    assert "can next be requested in 60.0 s (one request every 60 s)" in failure.detail
    assert (clock.slept, len(site.requests)) == ([10], 1)
    # And the slot is free for a job that may wait longer
    fetch(fetcher, url, politeness=one_minute_apart, budget=budget(clock, 60))
    assert clock.slept == [10, 50]


def test_longer_of_crawl_delay_and_delay_counts(site: Site) -> None:
    """The longer of Crawl-delay and delay_seconds applies, unless robots.txt is ignored."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    site.add("/robots.txt", http(200, b"User-agent: *\nCrawl-delay: 3\n"))
    site.add("/", http(200, PAGE))
    for politeness in (RESPECT_ROBOTS, RESPECT_ROBOTS, Politeness(delay_seconds=5), IGNORE_ROBOTS):
        fetch(fetcher, site.url("/"), politeness=politeness, budget=budget(clock))
    assert clock.slept == [3, 5]


@pytest.mark.parametrize(("status", "reason"), [(429, Reason.HTTP_429), (503, Reason.HTTP_5XX)])
@pytest.mark.parametrize("header", ["90", "Sun, 22 Nov 2026 12:01:30 GMT"])
def test_retry_after_is_waited_by_every_job_of_the_host(
    site: Site, status: int, reason: Reason, header: str
) -> None:
    """After a 429 or 503 with Retry-After, every job of the host is held until exactly that time."""
    # Given a site that sends Retry-After: 90 seconds
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    failure = fetch_failure(fetcher, site.add("/", http(status, b"", f"Retry-After: {header}")))
    assert (failure.reason, failure.http_status, failure.retry_after) == (reason, status, 90)
    assert f"Retry-After: {header}" in failure.detail
    # When another of its pages is fetched after 30 seconds, then it waits for the other 60 seconds
    clock.seconds = 30
    page_budget = budget(clock)
    site.add("/2", http(200, PAGE))
    assert fetch(fetcher, site.url("/2"), budget=page_budget).body == PAGE
    assert (clock.slept, page_budget.waited, page_budget.remaining()) == ([60], 60, 40)


@pytest.mark.parametrize("path", ["/", "/robots.txt"])
def test_retry_after_of_a_site_whose_clock_is_an_hour_off_is_waited_exactly(site: Site, path: str) -> None:
    """A date in Retry-After is read by the site's own clock, which the Date header shows."""
    # Given a site whose clock is an hour ahead, and that asks for 90 seconds
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    headers = "Date: Sun, 22 Nov 2026 13:00:00 GMT", "Retry-After: Sun, 22 Nov 2026 13:01:30 GMT"
    site.add(path, http(503, b"", *headers))
    # When its page is requested, then it must not be requested for 90 seconds
    failure = fetch_failure(fetcher, site.url("/"), politeness=RESPECT_ROBOTS, budget=budget(clock))
    assert failure.retry_after == 90


def test_retry_after_beyond_the_wait_budget_is_waited_in_part_and_then_rate_limited(site: Site) -> None:
    """If Retry-After is longer than a job may wait, no request is sent, and the rest is reported."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    fetch_failure(fetcher, site.add("/", http(429, b"", "Retry-After: 3600")))
    clock.seconds = 600
    failure = fetch_failure(fetcher, site.url("/"), budget=budget(clock))
    assert (failure.reason, failure.retry_after) == (Reason.RATE_LIMITED, 3000 - WAIT_SECONDS)
    assert "for another 3000 s (Retry-After); the job may wait 520 s (WAIT_BUDGET_SECONDS)" in failure.detail
    assert (clock.slept, len(site.requests)) == ([WAIT_SECONDS], 1)


def test_job_of_a_crowded_instance_waits_only_briefly(site: Site) -> None:
    """If the wait for a host is limited, all waits of the delivery before it are counted."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    fetch_failure(fetcher, site.add("/", http(429, b"", "Retry-After: 3600")))
    crowded = PageBudget(40, wait_seconds=WAIT_SECONDS, hold_seconds=30, clock=clock)
    with crowded.waiting():
        clock.sleep(10)
    failure = fetch_failure(fetcher, site.url("/"), budget=crowded)
    assert (failure.reason, failure.retry_after) == (Reason.RATE_LIMITED, 3570)
    assert "the job may wait 30 s (since the instance is crowded)" in failure.detail
    assert (clock.slept, crowded.remaining_wait()) == ([10, 20], WAIT_SECONDS - 30)


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


@pytest.mark.parametrize("header", ["9" * 400, "86401", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_retry_after_of_years_is_limited_to_a_day(site: Site, header: str) -> None:
    """However long the Retry-After of a site is, it counts as a day, for its host and for the job."""
    fetcher = make_fetcher()
    url = site.add("/", http(503, b"", f"Retry-After: {header}"))
    assert fetch_failure(fetcher, url).retry_after == MAX_RETRY_AFTER_SECONDS
    assert fetch_failure(fetcher, url).retry_after == MAX_RETRY_AFTER_SECONDS == 86400


def test_stopwatch_measures_each_request_and_no_wait(site: Site) -> None:
    """The time of a redirect and of its target is measured, and not the wait between them."""
    clock = FakeClock()

    def slow(response: bytes) -> Callable[[PendingRequest], None]:
        def respond(request: PendingRequest) -> None:
            clock.seconds += 5
            request.send(response)

        return respond

    site.add("/2", slow(http(200, PAGE)))
    url = site.add("/1", slow(redirect("/2")))
    stopwatch, far_apart = Stopwatch(clock), Politeness(delay_seconds=60, respect_robots=False)
    make_fetcher(clock=clock).fetch(url, far_apart, budget(clock), stopwatch=stopwatch)
    assert (stopwatch.seconds, clock.slept) == (10, [55])


class RecordingRateLimiter(RateLimiter):
    """A rate limiter that records the lane of each request."""

    lanes: list[tuple[str, Lane | None]]

    def acquire(
        self,
        url: str,
        politeness: Politeness,
        budget: PageBudget,
        *,
        lane: Lane | None = None,
        request: HttpRequest = PLAIN_GET,
        public_only: bool = False,
        permit: Permit = ALWAYS_PERMITTED,
    ) -> None:
        """Record the lane."""
        del politeness, budget, request, public_only, permit
        self.lanes.append((url, lane))


def test_lane_of_a_job_is_not_used_for_another_host(site: Site) -> None:
    """A redirect to another host waits for that host's slot, but not for the times of the job's own lane."""
    fetcher = make_fetcher()
    limiter = RecordingRateLimiter(HttpClient("t", Dialer(parse_networks(""))), "t")
    limiter.lanes = []
    fetcher._rate_limiter = limiter  # noqa: SLF001 - the requests are recorded instead of delayed
    other = site.url("/2").replace("127.0.0.1", "localhost")
    site.add("/1", redirect("/same"))
    site.add("/same", redirect(other))
    site.add("/2", http(200, PAGE))
    lane = Lane(1, 2)
    fetcher.fetch(site.url("/1"), IGNORE_ROBOTS, PageBudget(60), lane=lane)
    assert limiter.lanes == [(site.url("/1"), lane), (site.url("/same"), lane), (other, None)]
