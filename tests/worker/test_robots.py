"""robots.txt (RFC 9309), through the worker's door: fetched, read, obeyed, kept."""

from threading import Event, Thread

import pytest

from contract.attempt import AttemptFailed
from contract.outcome import REASON_MEANINGS, Outcome, Reason
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from tests.servers.site import PendingRequest, Response, Site, http, redirect
from tests.worker.fetching import IGNORE_ROBOTS, RESPECT_ROBOTS, FakeClock, fetch_failure, make_fetcher
from worker.budget import PageBudget
from worker.fetch import Fetcher
from worker.robots import MAX_ROBOTS_BYTES, RobotRules, product_token
from worker.robots_cache import CACHE_SECONDS, FAILURE_CACHE_SECONDS, RobotsCache

PAGE = b"<h1>One</h1>"


def text(robots: str) -> bytes:
    """Return a robots.txt as a site serves it."""
    return http(200, robots.encode(), content_type="text/plain")


def verdict(
    site: Site, robots: str | Response, path: str, user_agent: str = "scrapeq/0.1 (+https://x.example)"
) -> str:
    """Fetch a page politely; return `allowed`, or the detail of its ending."""
    site.add("/robots.txt", text(robots) if isinstance(robots, str) else robots)
    url = site.add(path, http(200, PAGE))
    try:
        make_fetcher(user_agent=user_agent).fetch(url, RESPECT_ROBOTS, PageBudget(10))
    except AttemptFailed as end:
        told = end
    else:
        return "allowed"
    assert told.reason is Reason.ROBOTS_DISALLOWED
    assert site.requests_for(path) == []
    return told.detail


# RFC 9309 section 5.1, with its own names.
SIMPLE = """
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""
LONGEST = """
User-Agent: foobot
Allow: /example/page/
Disallow: /example/page/disallowed.gif
"""


@pytest.mark.parametrize(
    ("robots", "agent", "path", "is_allowed"),
    [
        (SIMPLE, "otherbot", "/page.html", True),
        (SIMPLE, "otherbot", "/a.gif", False),
        (SIMPLE, "otherbot", "/a.gif?x", True),
        (SIMPLE, "otherbot", "/example/x", False),
        (SIMPLE, "otherbot", "/publications/x", True),
        (SIMPLE, "foobot", "/", False),
        (SIMPLE, "FooBot", "/publications/x", False),
        (SIMPLE, "foobot", "/example/page.html", True),
        (SIMPLE, "foobot", "/example/allowed.gif", True),
        (SIMPLE, "barbot", "/example/page.html", False),
        (SIMPLE, "bazbot", "/example/page.html", False),
        (SIMPLE, "bazbot", "/example/other.html", True),
        (SIMPLE, "quxbot", "/example/page.html", True),
        (LONGEST, "foobot", "/example/page/allowed.gif", True),
        (LONGEST, "foobot", "/example/page/disallowed.gif", False),
    ],
)
def test_the_examples_of_rfc_9309_come_out_as_it_says(
    site: Site, robots: str, agent: str, path: str, is_allowed: bool
) -> None:
    """Section 5, whole: groups, case, the longest match, empty groups."""
    assert (verdict(site, robots, path, f"{agent}/1.0") == "allowed") is is_allowed


@pytest.mark.parametrize(
    ("rules", "path", "is_allowed"),
    [
        ("Disallow: /foo/bar?baz=quz", "/foo/bar?baz=quz", False),
        ("Disallow: /foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", False),
        ("Disallow: /foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar", False),
        ("Disallow: /foo/bar/ツ", "/foo/bar/%E3%83%84", False),
        ("Disallow: /foo/bar/%E3%83%84", "/foo/bar/%E3%83%84", False),
        ("Disallow: /foo/bar/%62%61%7A", "/foo/bar/baz", False),
        ("Disallow: /path/file-with-a-%2A.html", "/path/file-with-a-*.html", False),
        ("Disallow: /path/foo-%24", "/path/foo-$", False),
        ("Allow: /a\nDisallow: /a", "/a", True),
        ("Disallow: /a\nAllow: /a", "/a", True),
        ("Disallow: /\nAllow: /$", "/", True),
        ("Disallow: /\nAllow: /$", "/a", False),
        ("Disallow: /*/private", "/x/y/private/z", False),
        ("Disallow: /a*b*c$", "/a1b2c", False),
        ("Disallow: /a*b*c$", "/a1b2cd", True),
        ("Disallow: # nothing", "/a", True),
        ("Disallow: /a # all of it", "/abc", False),
        ("disallow:/a", "/A", True),
        ("DISALLOW : /a", "/a", False),
        ("Disallow: a", "/a", True),
        ("Sitemap: /s.xml\nDisallow: /a", "/a", False),
        ("Disallow: /a\nUnknown: x\nDisallow: /b", "/b", False),
        ("<html><body>Not found</body></html>", "/a", True),
    ],
)
def test_paths_are_matched_as_rfc_9309_and_protego_match_them(
    site: Site, rules: str, path: str, is_allowed: bool
) -> None:
    """Section 2.2.2: octets, escapes, `*` and `$`, the longest rule, `allow` where two are equal."""
    assert (verdict(site, f"User-agent: *\n{rules}", path) == "allowed") is is_allowed


@pytest.mark.parametrize(
    "path", ["/public/../secret", "/public/%2e%2E/secret", "/./secret", "/a/b/../../secret", "/../secret/.."]
)
def test_dot_segments_lead_around_no_rule(site: Site, path: str) -> None:
    """The page is judged, and asked for, by the path that it means (RFC 3986 section 5.2.4)."""
    site.add("/robots.txt", text("User-agent: *\nDisallow: /secret\nDisallow: /$"))
    end = fetch_failure(make_fetcher(), site.url(path), politeness=RESPECT_ROBOTS)
    assert end.reason is Reason.ROBOTS_DISALLOWED
    assert "." not in end.final_url.removeprefix(site.url())


def test_robots_txt_itself_may_always_be_read(site: Site) -> None:
    """Section 2.2.2: it is implicitly allowed."""
    site.add("/robots.txt", text("User-agent: *\nDisallow: /"))
    page = make_fetcher().fetch(site.url("/robots.txt"), RESPECT_ROBOTS, PageBudget(10))
    assert page.http_status == 200


@pytest.mark.parametrize(
    ("robots", "path"),
    [
        ("User-agent: *\nDisallow: /a\nDisallow: /a/b", "/a/b?c=1"),
        ("User-agent: *\nDisallow: /\nUser-agent: Scrapeq\nDisallow: /*/b$", "/a/b"),
        ("User-agent: x\nUser-agent: *\nDisallow: /a # why", "/a/b"),
        ("User-agent: *\nDisalow: /a", "/a/b"),
    ],
    ids=["longest rule", "own group", "shared group", "misspelled"],
)
def test_disallowed_page_names_robots_txt_path_and_agent(site: Site, robots: str, path: str) -> None:
    """The outcome's detail says which file disallows which path, and for which product token."""
    detail = f"127.0.0.1:{site.port}/robots.txt disallows {path} for scrapeq"
    assert verdict(site, robots, path) == detail


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451])
def test_a_robots_txt_that_is_not_there_allows(site: Site, status: int) -> None:
    """Section 2.3.1.3: any 4xx is as good as none; but 429, which asks us to come less often."""
    assert verdict(site, http(status, b"User-agent: *\nDisallow: /"), "/a") == "allowed"


def close(_: PendingRequest) -> None:
    """Close without a word."""


def cut(visit: PendingRequest) -> None:
    """Close within the body."""
    visit.send(http(200, b"User-agent: *\n", length=1000))


@pytest.mark.parametrize("answer", [http(500), http(503), http(599), http(429), cut])
def test_a_robots_txt_that_cannot_be_read_allows_nothing_for_now(site: Site, answer: Response) -> None:
    """Section 2.3.1.4: `robots_unavailable`, tried again later; no page is asked for meanwhile."""
    site.add("/robots.txt", answer)
    end = fetch_failure(make_fetcher(), site.add("/", http(200, PAGE)), politeness=RESPECT_ROBOTS)
    assert end.reason is Reason.ROBOTS_UNAVAILABLE
    assert REASON_MEANINGS[end.reason].outcome is Outcome.RETRY
    assert "/robots.txt" in end.detail
    assert site.requests_for("/") == []


def test_a_host_that_is_not_there_is_told_as_that(site: Site) -> None:
    """`dns`, `connect`, `tls` and `refused_address` say more than that its robots.txt could not be read."""
    assert (
        fetch_failure(make_fetcher(), "http://nowhere.invalid/", politeness=RESPECT_ROBOTS).reason
        is Reason.DNS
    )
    site.add("/robots.txt", close)
    assert fetch_failure(make_fetcher(), site.url("/"), politeness=RESPECT_ROBOTS).reason is Reason.CONNECT


def test_a_crawl_may_ignore_robots(site: Site) -> None:
    """`respect_robots: false`, for one's own site: it is not even asked for."""
    site.add("/robots.txt", text("User-agent: *\nDisallow: /"))
    make_fetcher().fetch(site.add("/", http(200, PAGE)), IGNORE_ROBOTS, PageBudget(10))
    assert site.requests_for("/robots.txt") == []


@pytest.mark.parametrize(("hops", "is_allowed"), [(1, False), (5, False), (6, True)])
def test_five_redirects_are_followed(site: Site, hops: int, is_allowed: bool) -> None:
    """Section 2.3.1.2: at least five, to any host; more are as good as no robots.txt."""
    for hop in range(1, hops):
        site.add(f"/{hop}", redirect(f"/{hop + 1}"))
    site.add(f"/{hops}", text("User-agent: *\nDisallow: /"))
    assert (verdict(site, redirect("/1"), "/page") == "allowed") is is_allowed


@pytest.mark.parametrize(
    ("location", "path"),
    [("/rób.txt".encode(), "/r%C3%B3b.txt"), ("/rób.txt".encode("latin-1"), "/r%F3b.txt")],
    ids=["UTF-8", "Latin-1"],
)
def test_robots_txt_redirect_with_raw_bytes_is_followed(site: Site, location: bytes, path: str) -> None:
    """A Location with bytes beyond ASCII leads to the robots.txt that disallows the page."""
    moved = b"HTTP/1.1 301 Moved\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    site.add(path, text("User-agent: *\nDisallow: /private"))
    assert "disallows /private/1" in verdict(site, moved, "/private/1")


def test_only_the_first_500_kib_are_read(site: Site) -> None:
    """Section 2.5: what stands before the bound counts, and what follows costs nothing."""
    before = "User-agent: *\nDisallow: /a\n#".ljust(MAX_ROBOTS_BYTES, "x")

    def endless(visit: PendingRequest) -> None:
        visit.send(http(200, before.encode(), length=10**12))
        while True:
            visit.send(b"\nDisallow: /b" * 1000)

    assert verdict(site, endless, "/a") != "allowed"
    assert verdict(site, endless, "/b") == "allowed"


def requests_for(site: Site, fetcher: Fetcher, times: int) -> int:
    """Fetch a page so many times; return how often robots.txt was asked for in all."""
    url = site.add("/", http(200, PAGE))
    for _ in range(times):
        fetcher.fetch(url, RESPECT_ROBOTS, PageBudget(10))
    return len(site.requests_for("/robots.txt"))


def test_it_is_asked_for_once_a_day(site: Site) -> None:
    """Section 2.4: kept for no longer than 24 hours."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    site.add("/robots.txt", text(""))
    assert requests_for(site, fetcher, 3) == 1
    clock.seconds = CACHE_SECONDS - 1
    assert requests_for(site, fetcher, 3) == 1
    clock.seconds = CACHE_SECONDS
    assert requests_for(site, fetcher, 3) == 2


def test_a_failure_is_kept_for_a_moment(site: Site) -> None:
    """Jobs that wait for a site that has just failed do not all ask it again."""
    clock = FakeClock()
    fetcher = make_fetcher(clock=clock)
    site.add("/robots.txt", http(500))
    url = site.add("/", http(200, PAGE))
    for _ in range(3):
        assert fetch_failure(fetcher, url, politeness=RESPECT_ROBOTS).reason is Reason.ROBOTS_UNAVAILABLE
    assert len(site.requests_for("/robots.txt")) == 1
    site.add("/robots.txt", text(""))
    clock.seconds = FAILURE_CACHE_SECONDS
    assert requests_for(site, fetcher, 1) == 2


def test_jobs_of_one_host_share_one_fetch(site: Site) -> None:
    """However many begin at once."""
    here = Event()

    def slow(visit: PendingRequest) -> None:
        here.wait(120)
        visit.send(text("User-agent: *\nDisallow: /b"))

    site.add("/robots.txt", slow)
    url = site.add("/", http(200, PAGE))
    fetcher = make_fetcher()
    pages = list[bytes]()
    jobs = [
        Thread(target=lambda: pages.append(fetcher.fetch(url, RESPECT_ROBOTS, PageBudget(10)).body))
        for _ in range(20)
    ]
    for each in jobs:
        each.start()
    here.set()
    for each in jobs:
        each.join()
    assert pages == [PAGE] * 20
    assert len(site.requests_for("/robots.txt")) == 1


def test_a_job_that_gives_up_leaves_the_fetch_to_the_next(site: Site) -> None:
    """Its budget was too small for a slow robots.txt; that says nothing about the others'."""
    site.add("/robots.txt", PendingRequest.wait_until_closed)
    fetcher = make_fetcher()
    url = site.add("/", http(200, PAGE))
    assert (
        fetch_failure(fetcher, url, politeness=RESPECT_ROBOTS, budget=PageBudget(0.2)).reason
        is Reason.PAGE_BUDGET_EXCEEDED
    )
    site.add("/robots.txt", text(""))
    assert fetcher.fetch(url, RESPECT_ROBOTS, PageBudget(10)).body == PAGE


def test_sites_are_forgotten_when_they_are_many(site: Site) -> None:
    """A crawl of the whole web fills no memory: the longest not asked go first, and are asked again."""
    web = HttpClient("scrapeq/test", Dialer(parse_networks("127.0.0.0/8"), lambda _: ["127.0.0.1"]))
    cache = RobotsCache(web, "scrapeq", note_retry_after=lambda *_: None, clock=FakeClock(), max_sites=3)
    site.add("/robots.txt", text("User-agent: *\nDisallow: /x"))
    for number in [*range(10), 9, 8, 0]:
        cache.rules(f"http://shop{number}.example:{site.port}/", PageBudget(10))
        assert len(cache) <= 3
    assert len(site.requests) == 11


def test_a_retry_after_of_robots_txt_is_heeded(site: Site) -> None:
    """The host is left alone as if a page had said it."""
    fetcher = make_fetcher()
    site.add("/robots.txt", http(503, b"", "Retry-After: 60"))
    url = site.add("/", http(200, PAGE))
    end = fetch_failure(fetcher, url, politeness=RESPECT_ROBOTS)
    assert (end.reason, end.retry_after) == (Reason.ROBOTS_UNAVAILABLE, 60)
    assert fetch_failure(fetcher, url).reason is Reason.RATE_LIMITED


def test_a_redirects_target_is_asked_about_too(site: Site) -> None:
    """A page that may be fetched does not lead to one that may not."""
    site.add("/robots.txt", text("User-agent: *\nDisallow: /private"))
    site.add("/", redirect("/private/1"))
    site.add("/private/1", http(200, PAGE))
    end = fetch_failure(make_fetcher(), site.url("/"), politeness=RESPECT_ROBOTS)
    assert (end.reason, end.final_url) == (Reason.ROBOTS_DISALLOWED, site.url("/private/1"))


@pytest.mark.parametrize(
    ("user_agent", "token"),
    [
        ("scrapeq/0.1 (+https://x.example)", "scrapeq"),
        ("Mozilla/5.0 (compatible; Foo-bot/1.0; +https://x.example)", "Foo-bot"),
        ("my_bot", "my_bot"),
        ("007bot", ""),
    ],
)
def test_we_are_called_by_our_products_name(user_agent: str, token: str) -> None:
    """Section 2.2.1: letters, underscores and hyphens of the User-Agent that sites see."""
    assert product_token(user_agent) == token


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "body",
    [
        b"".join(b"User-agent: bot%d\n" % n for n in range(16_000)) + b"Disallow: /x\n" * 16_000,
        b"User-agent: *\n" + b"Disallow: /*a*a*a*a*a*b\n" * 20_000,
        b"User-agent: *\n" * 35_000,
        b"Disallow: /\n" * 40_000,
        b"\xff\xfe\x00" * 100_000,
        b"User-agent: *\nCrawl-delay: " + b"9" * 100_000,
    ],
    ids=["groups", "wildcards", "agents", "no group", "garbage", "delay"],
)
def test_a_hostile_robots_txt_costs_little(body: bytes) -> None:
    """500 KiB of anything is read in a moment, and a page is judged in one."""
    rules = RobotRules(body, "scrapeq")
    rules.is_allowed("http://shop.example/" + "a" * 2000)
    assert rules.size <= MAX_ROBOTS_BYTES
