"""Tests that a site's robots.txt is fetched before a page, respected, and cached (RFC 9309)."""

from threading import Event, Thread

import pytest

from contract.attempt import AttemptFailed
from contract.outcome import Outcome, Reason
from contract.reason_meanings import REASON_MEANINGS
from contract.urls import check_url
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from guarded_http.robots import MAX_ROBOTS_BYTES
from tests.servers.fake_resolver import FakeResolver
from tests.servers.site import PendingRequest, Response, Site, http, redirect
from tests.worker.fetching import (
    RESPECT_ROBOTS,
    FakeClock,
    RecordedActivity,
    fetch,
    fetch_failure,
    make_fetcher,
)
from worker.budget import PageBudget
from worker.fetch import Fetcher
from worker.rate_limiter import RateLimiter
from worker.robots_cache import CACHE_SECONDS, FAILURE_CACHE_SECONDS, MAX_CACHE_BYTES, RobotsCache

PAGE = b"<h1>One</h1>"


def robots_txt(text: str) -> bytes:
    """Return the response of a site whose robots.txt is `text`."""
    return http(200, text.encode(), content_type="text/plain")


def disallowed_detail(site: Site, robots: Response, path: str) -> str:
    """Fetch `path` from a site with this robots.txt; return the detail if it is disallowed, or else `""`."""
    site.add("/robots.txt", robots)
    url = site.add(path, http(200, PAGE))
    try:
        fetch(make_fetcher(user_agent="scrapeq/0.1 (+https://x.example)"), url, politeness=RESPECT_ROBOTS)
    except AttemptFailed as error:
        failure = error
    else:
        return ""
    assert failure.reason is Reason.ROBOTS_DISALLOWED
    assert site.requests_for(path) == []
    return failure.detail


def test_disallowed_page_names_robots_txt_path_and_agent(site: Site) -> None:
    """The detail contains the URL of robots.txt, the disallowed path and the product token."""
    detail = disallowed_detail(site, robots_txt("User-agent: *\nDisallow: /a"), "/a/b?c=1")
    assert detail == f"127.0.0.1:{site.port}/robots.txt disallows /a/b?c=1 for scrapeq"


@pytest.mark.parametrize(
    "path", ["/public/../secret", "/public/%2e%2E/secret", "/./secret", "/a/b/../../secret", "/../secret/.."]
)
def test_dot_segments_do_not_bypass_robots_txt(site: Site, path: str) -> None:
    """Dot segments are removed from the path of a job's URL before it is matched and requested."""
    site.add("/robots.txt", robots_txt("User-agent: *\nDisallow: /secret\nDisallow: /$"))
    failure = fetch_failure(make_fetcher(), check_url(site.url(path)), politeness=RESPECT_ROBOTS)
    assert failure.reason is Reason.ROBOTS_DISALLOWED
    assert "." not in failure.final_url.removeprefix(site.url())


def test_robots_txt_itself_is_allowed(site: Site) -> None:
    """The file robots.txt may be scraped even if it disallows everything (RFC 9309 section 2.2.2)."""
    site.add("/robots.txt", robots_txt("User-agent: *\nDisallow: /"))
    assert fetch(make_fetcher(), site.url("/robots.txt"), politeness=RESPECT_ROBOTS).http_status == 200


def test_redirect_target_is_checked_too(site: Site) -> None:
    """If an allowed page redirects to a disallowed one, the disallowed page is not requested."""
    site.add("/robots.txt", robots_txt("User-agent: *\nDisallow: /private"))
    site.add("/", redirect("/private/1"))
    site.add("/private/1", http(200, PAGE))
    failure = fetch_failure(make_fetcher(), site.url("/"), politeness=RESPECT_ROBOTS)
    assert (failure.reason, failure.final_url) == (Reason.ROBOTS_DISALLOWED, site.url("/private/1"))
    assert site.requests_for("/private/1") == []


def test_robots_txt_is_not_requested_if_the_crawl_ignores_it(site: Site) -> None:
    """With `respect_robots: false` robots.txt is not requested."""
    site.add("/robots.txt", robots_txt("User-agent: *\nDisallow: /"))
    fetch(make_fetcher(), site.add("/", http(200, PAGE)))
    assert site.requests_for("/robots.txt") == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451])
def test_missing_robots_txt_allows_everything(site: Site, status: int) -> None:
    """If robots.txt has a 4xx status other than 429, every page is allowed (RFC 9309 section 2.3.1.3)."""
    assert disallowed_detail(site, http(status, b"User-agent: *\nDisallow: /"), "/a") == ""


def close_within_body(request: PendingRequest) -> None:
    """Close the connection within the body."""
    request.send(http(200, b"User-agent: *\n", length=1000))


@pytest.mark.parametrize("response", [http(500), http(503), http(599), http(429), close_within_body])
def test_unavailable_robots_txt_allows_nothing_for_now(site: Site, response: Response) -> None:
    """If robots.txt is unavailable, the page is not requested and the job is retried (RFC 9309, 2.3.1.4)."""
    site.add("/robots.txt", response)
    failure = fetch_failure(make_fetcher(), site.add("/", http(200, PAGE)), politeness=RESPECT_ROBOTS)
    assert failure.reason is Reason.ROBOTS_UNAVAILABLE
    assert REASON_MEANINGS[failure.reason].outcome is Outcome.RETRY
    assert "/robots.txt" in failure.detail
    assert site.requests_for("/") == []


def test_connection_error_of_robots_txt_keeps_its_own_reason(site: Site) -> None:
    """If the host cannot be reached, the reason is `dns` or `connect` and not `robots_unavailable`."""
    fetcher = make_fetcher()
    failure = fetch_failure(fetcher, "http://nowhere.invalid/", politeness=RESPECT_ROBOTS)
    assert failure.reason is Reason.DNS
    site.add("/robots.txt", lambda _: None)  # the site closes the connection without a response
    assert fetch_failure(fetcher, site.url("/"), politeness=RESPECT_ROBOTS).reason is Reason.CONNECT


@pytest.mark.parametrize(("redirects", "is_allowed"), [(1, False), (5, False), (6, True)])
def test_robots_txt_redirects_are_followed_five_times(site: Site, redirects: int, is_allowed: bool) -> None:
    """After more than five redirects robots.txt is treated as missing (RFC 9309 section 2.3.1.2)."""
    for number in range(1, redirects):
        site.add(f"/{number}", redirect(f"/{number + 1}"))
    site.add(f"/{redirects}", robots_txt("User-agent: *\nDisallow: /"))
    assert (disallowed_detail(site, redirect("/1"), "/page") == "") is is_allowed


@pytest.mark.parametrize(
    ("location", "path"),
    [("/rób.txt".encode(), "/r%C3%B3b.txt"), ("/rób.txt".encode("latin-1"), "/r%F3b.txt")],
    ids=["UTF-8", "Latin-1"],
)
def test_robots_txt_redirect_with_raw_bytes_is_followed(site: Site, location: bytes, path: str) -> None:
    """A redirect of robots.txt whose Location has bytes beyond ASCII is followed."""
    moved = b"HTTP/1.1 301 Moved\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    site.add(path, robots_txt("User-agent: *\nDisallow: /private"))
    assert "disallows /private/1" in disallowed_detail(site, moved, "/private/1")


def test_robots_txt_is_read_up_to_500_kib(site: Site) -> None:
    """Only the first 500 KiB of robots.txt are read, and their rules apply (RFC 9309 section 2.5)."""
    start = "User-agent: *\nDisallow: /a\n#".ljust(MAX_ROBOTS_BYTES, "x")

    def send_endless_file(request: PendingRequest) -> None:
        request.send(http(200, start.encode(), length=10**12))
        while True:
            request.send(b"\nDisallow: /b" * 1000)

    assert disallowed_detail(site, send_endless_file, "/a") != ""
    assert disallowed_detail(site, send_endless_file, "/b") == ""


def robots_requests(site: Site, fetcher: Fetcher, pages: int) -> int:
    """Fetch a page `pages` times; return the total number of requests for robots.txt so far."""
    url = site.add("/", http(200, PAGE))
    for _ in range(pages):
        fetch(fetcher, url, politeness=RESPECT_ROBOTS)
    return len(site.requests_for("/robots.txt"))


def test_robots_txt_is_cached_for_24_hours(site: Site) -> None:
    """The rules are requested again after 24 hours, the maximum of RFC 9309 section 2.4."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    site.add("/robots.txt", robots_txt(""))
    assert robots_requests(site, fetcher, 3) == 1
    clock.seconds = CACHE_SECONDS - 1
    assert robots_requests(site, fetcher, 3) == 1
    clock.seconds = CACHE_SECONDS
    assert robots_requests(site, fetcher, 3) == 2


def test_failure_of_robots_txt_is_cached_for_30_seconds(site: Site) -> None:
    """If robots.txt is unavailable, it is requested again only after 30 seconds."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    site.add("/robots.txt", http(500))
    url = site.add("/", http(200, PAGE))
    for _ in range(3):
        failure = fetch_failure(fetcher, url, politeness=RESPECT_ROBOTS)
        assert failure.reason is Reason.ROBOTS_UNAVAILABLE
    assert len(site.requests_for("/robots.txt")) == 1
    site.add("/robots.txt", robots_txt(""))
    clock.seconds = FAILURE_CACHE_SECONDS
    assert robots_requests(site, fetcher, 1) == 2


def test_next_attempt_of_a_job_requests_a_failed_robots_txt_again(site: Site) -> None:
    """A failure that is cached for the shortest backoff ends only one attempt of each job."""
    clock = FakeClock()
    client = HttpClient("scrapeq/test", Dialer(parse_networks("127.0.0.0/8")))
    limiter = RateLimiter(
        client, "scrapeq/test", clock=clock, now=clock.now, sleep=clock.sleep, failure_seconds=2
    )
    fetcher = Fetcher(client, limiter, max_bytes=10_000, max_redirects=5)
    site.add("/robots.txt", http(500))
    url = site.add("/", http(200, PAGE))
    assert fetch_failure(fetcher, url, politeness=RESPECT_ROBOTS).reason is Reason.ROBOTS_UNAVAILABLE
    site.add("/robots.txt", robots_txt(""))
    clock.seconds = 2
    assert fetch(fetcher, url, politeness=RESPECT_ROBOTS).body == PAGE


def test_concurrent_jobs_of_one_host_share_one_robots_request(site: Site) -> None:
    """Twenty jobs that start at the same time send one request for robots.txt."""
    all_started = Event()

    def wait_for_all_jobs(request: PendingRequest) -> None:
        all_started.wait(120)
        request.send(robots_txt("User-agent: *\nDisallow: /b"))

    site.add("/robots.txt", wait_for_all_jobs)
    url = site.add("/", http(200, PAGE))
    fetcher = make_fetcher()
    bodies = list[bytes]()
    jobs = [
        Thread(target=lambda: bodies.append(fetch(fetcher, url, politeness=RESPECT_ROBOTS).body))
        for _ in range(20)
    ]
    for job in jobs:
        job.start()
    all_started.set()
    for job in jobs:
        job.join()
    assert bodies == [PAGE] * 20
    assert len(site.requests_for("/robots.txt")) == 1


def test_job_that_gives_up_leaves_the_robots_request_to_the_next(site: Site) -> None:
    """If a job's budget ends while it requests robots.txt, the next job sends the request again."""
    site.add("/robots.txt", PendingRequest.wait_until_closed)
    fetcher = make_fetcher()
    url = site.add("/", http(200, PAGE))
    failure = fetch_failure(fetcher, url, politeness=RESPECT_ROBOTS, budget=PageBudget(0.2))
    assert failure.reason is Reason.PAGE_BUDGET_EXCEEDED
    site.add("/robots.txt", robots_txt(""))
    assert fetch(fetcher, url, politeness=RESPECT_ROBOTS).body == PAGE


def test_cached_rules_need_no_wait(site: Site) -> None:
    """A job whose site's rules are cached does not give its page slot back, and has not waited."""
    clock = FakeClock()
    client = HttpClient("scrapeq/test", Dialer(parse_networks("127.0.0.0/8")))
    cache = RobotsCache(client, "scrapeq", note_retry_after=lambda *_: None, clock=clock)
    activity = RecordedActivity(clock)
    cache.rules(site.url(), PageBudget(60))
    budget = PageBudget(60, wait_seconds=60)
    with budget.active(activity):
        cache.rules(site.url("/2"), budget)
    assert [event for event, _ in activity.events] == ["begin", "end"]
    assert [request.path for request in site.requests] == ["/robots.txt"]


def test_least_recently_used_sites_are_evicted(site: Site) -> None:
    """A full cache drops the rules of the least recently used site, which are later requested again."""
    client = HttpClient("scrapeq/test", Dialer(parse_networks("127.0.0.0/8"), FakeResolver(["127.0.0.1"])))
    cache = RobotsCache(client, "scrapeq", note_retry_after=lambda *_: None, clock=FakeClock(), max_sites=3)
    site.add("/robots.txt", robots_txt("User-agent: *\nDisallow: /x"))
    for number in [*range(10), 9, 8, 0]:
        cache.rules(f"http://shop{number}.example:{site.port}/", PageBudget(60))
        assert len(cache) <= 3
    assert len(site.requests) == 11


def test_cached_rules_are_bounded_in_bytes(site: Site) -> None:
    """Sites with many rules are evicted earlier, so that all rules take at most 16 MiB."""
    client = HttpClient("scrapeq/test", Dialer(parse_networks("127.0.0.0/8"), FakeResolver(["127.0.0.1"])))
    cache = RobotsCache(client, "scrapeq", note_retry_after=lambda *_: None, clock=FakeClock())
    site.add("/robots.txt", robots_txt("User-agent: *\n" + "".join(f"Allow:/{n:x}\n" for n in range(40_000))))
    size = cache.rules(site.url(), PageBudget(60)).size
    for number in range(5):
        cache.rules(f"http://shop{number}.example:{site.port}/", PageBudget(60))
        assert len(cache) * size <= MAX_CACHE_BYTES
    assert len(cache) == MAX_CACHE_BYTES // size > 1


def test_retry_after_of_robots_txt_blocks_the_host(site: Site) -> None:
    """If robots.txt has the status 503 with Retry-After, the host is blocked for that time."""
    fetcher = make_fetcher()
    site.add("/robots.txt", http(503, b"", "Retry-After: 60"))
    url = site.add("/", http(200, PAGE))
    failure = fetch_failure(fetcher, url, politeness=RESPECT_ROBOTS)
    assert (failure.reason, failure.retry_after) == (Reason.ROBOTS_UNAVAILABLE, 60)
    assert fetch_failure(fetcher, url).reason is Reason.RATE_LIMITED
