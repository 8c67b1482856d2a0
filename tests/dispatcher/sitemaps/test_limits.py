"""Reading sitemaps is bounded in time, in requests and in the sites that it contacts."""

import itertools
from dataclasses import dataclass, field

import pytest

from dispatcher.sitemaps.downloads import MIN_DELAY_SECONDS
from dispatcher.sitemaps.site import is_same_site
from dispatcher.sources.source import SourceUnavailable, SourceUnreadable, UnreadPart
from tests.dispatcher.sitemaps.examples import index, make_reader, urlset
from tests.servers.fake_resolver import FakeResolver
from tests.servers.site import Site, http, redirect

FOREIGN = "; set sources.foreign_sitemaps to true to read it"


@dataclass
class FakeClock:
    """A clock that advances only by `sleep`.

    Attributes:
        seconds: the clock's time.
        slept: every pause in seconds, in order.
    """

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Return the clock's time."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Advance the clock."""
        self.slept.append(round(seconds, 3))
        self.seconds += seconds


def test_parsing_ends_when_the_budget_is_spent(site: Site) -> None:
    """A sitemap of 10 MB that lists no pages is read only until its time is over."""
    readings = itertools.count()
    clock = make_reader(40, lambda: float(next(readings)), max_bytes=10_000_000)
    url = site.add("/sitemap.xml", http(200, b"<urlset><url>" + b"<a/>" * 2_000_000))
    with pytest.raises(SourceUnavailable, match="SITEMAP_BUDGET_SECONDS"):
        list(clock.urls(url))
    assert next(readings) < 60


def test_pages_found_before_the_budget_is_spent_are_yielded(site: Site) -> None:
    """If the time is over within the second sitemap, the pages so far are kept, and the rest is reported."""
    clock = FakeClock()

    def read_slowly(_: float) -> None:
        clock.seconds += 4

    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    site.add("/2.xml", http(200, urlset("https://shop.example/2")))
    url = site.add("/sitemap.xml", http(200, index(site.url("/1.xml"), site.url("/2.xml"))))
    found = list(make_reader(6, clock, sleep=read_slowly).urls(url))
    why = "reading the sources took longer than the budget (SITEMAP_BUDGET_SECONDS)"
    assert found == ["https://shop.example/1", UnreadPart(site.url("/2.xml"), why)]
    assert site.requests_for("/2.xml") == []


def test_sitemaps_of_other_sites_are_not_requested(site: Site) -> None:
    """An index that lists 500 sitemaps of another site causes no request to it; each URL is reported once."""
    other = [f"http://127.0.0.2:{site.port}/s.xml?{number % 250}" for number in range(500)]
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    url = site.add("/sitemap.xml", http(200, index(*other, site.url("/1.xml"))))
    found = list(make_reader().urls(url))
    why = f"on another site than its index {url}{FOREIGN}"
    assert found == [*(UnreadPart(each, why) for each in other[:250]), "https://shop.example/1"]
    assert [request.path for request in site.requests] == ["/sitemap.xml", "/1.xml"]


def test_index_of_nothing_but_foreign_sitemaps_is_unreadable(site: Site) -> None:
    """If an index lists only sitemaps of another site, the error names the option that permits them."""
    url = site.add("/sitemap.xml", http(200, index(f"http://127.0.0.2:{site.port}/s.xml")))
    with pytest.raises(SourceUnreadable, match=r"sources\.foreign_sitemaps"):
        list(make_reader().urls(url))


def test_sitemaps_of_other_sites_are_read_if_the_crawl_says_so(site: Site) -> None:
    """With `foreign_sitemaps`, sitemaps on other hosts are requested."""
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    reader = make_reader(resolver=FakeResolver(["127.0.0.1"]))
    url = site.add("/sitemap.xml", http(200, index(f"http://cdn.example:{site.port}/1.xml")))
    assert list(reader.urls(url, reads_foreign=True)) == ["https://shop.example/1"]


def test_listed_sitemap_that_redirects_to_another_site_is_not_requested_there(site: Site) -> None:
    """A listed sitemap that redirects to another site is reported, and that site is not contacted."""
    other = f"http://127.0.0.2:{site.port}/s.xml"
    site.add("/moved.xml", redirect(other))
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    url = site.add("/sitemap.xml", http(200, index(site.url("/moved.xml"), site.url("/1.xml"))))
    found = list(make_reader().urls(url))
    why = f"redirected to {other}, on another site than its index {url}{FOREIGN}"
    assert found == [UnreadPart(site.url("/moved.xml"), why), "https://shop.example/1"]
    assert site.requests_for("/s.xml") == []


def test_index_that_redirects_may_list_sitemaps_of_both_sites(site: Site) -> None:
    """If the crawl's sitemap redirects to another site, sitemaps of the old and the new site are read."""
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    site.add("/2.xml", http(200, urlset("https://shop.example/2")))
    hosts = [f"http://{name}.example:{site.port}" for name in ("shop", "host")]
    site.add("/index.xml", http(200, index(f"{hosts[0]}/1.xml", f"{hosts[1]}/2.xml")))
    site.add("/sitemap.xml", redirect(f"{hosts[1]}/index.xml"))
    found = list(make_reader(resolver=FakeResolver(["127.0.0.1"])).urls(f"{hosts[0]}/sitemap.xml"))
    assert found == ["https://shop.example/1", "https://shop.example/2"]


def test_sitemap_that_others_redirect_to_is_read_once(site: Site) -> None:
    """Listed sitemaps that redirect to one that was read before cause no further request for it."""
    site.add("/all.xml", http(200, urlset("https://shop.example/1")))
    site.add("/moved.xml", redirect("/all.xml"))
    listed = [site.url(f"/moved.xml?{number}") for number in range(5)]
    url = site.add("/sitemap.xml", http(200, index(*listed, site.url("/all.xml"))))
    assert list(make_reader().urls(url)) == ["https://shop.example/1"]
    assert len(site.requests_for("/all.xml")) == 1


@pytest.mark.parametrize(
    ("url", "index_url", "expected"),
    [
        ("https://shop.example/1.xml", "https://shop.example/s.xml", True),
        ("http://shop.example/1.xml", "https://shop.example/s.xml", True),
        ("https://shop.example/1.xml", "https://www.shop.example/s.xml", True),
        ("https://www.shop.example/1.xml", "https://shop.example/s.xml", True),
        ("https://cdn.shop.example/1.xml", "https://www.shop.example/s.xml", True),
        ("https://shop.example./1.xml", "https://shop.example/s.xml", True),
        ("https://shop.example/1.xml", "https://shop.example:8443/s.xml", True),
        ("https://shop.example:8443/1.xml", "https://shop.example:8443/s.xml", True),
        ("https://shop.example:22/1.xml", "https://shop.example/s.xml", False),
        ("https://other.example/1.xml", "https://shop.example/s.xml", False),
        ("https://myshop.example/1.xml", "https://shop.example/s.xml", False),
        ("https://shop.example/1.xml", "https://blog.shop.example/s.xml", False),
        ("https://shop.com/1.xml", "https://www.com/s.xml", False),
        ("http://127.0.0.2/1.xml", "http://127.0.0.1/s.xml", False),
    ],
)
def test_site_of_an_index_is_its_host_with_subdomains(url: str, index_url: str, expected: bool) -> None:
    """A listed sitemap belongs to the site of its index if the host is the same, or a subdomain of it."""
    assert is_same_site(url, index_url) is expected


@pytest.mark.parametrize(("delay", "pause"), [(0.0, MIN_DELAY_SECONDS), (0.5, 0.5), (60.0, 10.0)])
def test_sitemaps_are_requested_with_the_delay_of_the_crawl(site: Site, delay: float, pause: float) -> None:
    """The crawl's delay is kept between two sitemaps, but leaves half of the time for reading them."""
    for number in range(1, 4):
        site.add(f"/{number}.xml", http(200, urlset(f"https://shop.example/{number}")))
    url = site.add("/sitemap.xml", http(200, index(*(site.url(f"/{number}.xml") for number in range(1, 4)))))
    clock = FakeClock()
    reader = make_reader(60, clock, sleep=clock.sleep)
    assert len(list(reader.urls(url, delay_seconds=delay))) == 3
    assert clock.slept[0] == pause
    assert len(clock.slept) == 3
    assert sum(clock.slept) < 60


def test_sitemap_that_robots_txt_disallows_is_not_requested(site: Site) -> None:
    """If the crawl respects robots.txt, disallowed sitemaps are reported, and the file is requested once."""
    site.add("/robots.txt", http(200, b"User-agent: scrapeq\nDisallow: /private/\nCrawl-delay: 2"))
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    private = site.add("/private/2.xml", http(200, urlset("https://shop.example/2")))
    url = site.add("/sitemap.xml", http(200, index(private, site.url("/1.xml"))))
    clock = FakeClock()
    reader = make_reader(60, clock, sleep=clock.sleep)
    found = list(reader.urls(url, respects_robots=True))
    why = f"127.0.0.1:{site.port}/robots.txt disallows it for scrapeq"
    remedy = "; set politeness.respect_robots to false to read it"
    assert found == [UnreadPart(private, why + remedy), "https://shop.example/1"]
    assert [request.path for request in site.requests] == ["/robots.txt", "/sitemap.xml", "/1.xml"]
    assert clock.slept == [2.0]
    assert "https://shop.example/2" in list(reader.urls(url))


@pytest.mark.parametrize("status", [429, 503])
def test_sitemap_of_a_site_without_readable_robots_txt_is_unavailable(site: Site, status: int) -> None:
    """If the robots.txt is temporarily unavailable, so is the sitemap (RFC 9309 section 2.3.1.4)."""
    site.add("/robots.txt", http(status))
    url = site.add("/sitemap.xml", http(200, urlset("https://shop.example/1")))
    with pytest.raises(SourceUnavailable, match=f"robots.txt answered {status}"):
        list(make_reader().urls(url, respects_robots=True))
    assert site.requests_for("/sitemap.xml") == []


def test_robots_txt_that_is_unavailable_is_requested_once(site: Site) -> None:
    """If many sitemaps are listed on a host without a readable robots.txt, it gets one request."""
    hosts = [f"http://{name}.example:{site.port}" for name in ("www", "cdn.www")]
    answers = [http(404), http(503)]
    site.add("/robots.txt", lambda request: request.send(answers.pop(0)))
    url = f"{hosts[0]}/sitemap.xml"
    site.add("/sitemap.xml", http(200, index(*(f"{hosts[1]}/{number}.xml" for number in range(20)))))
    with pytest.raises(SourceUnavailable, match="answered 503"):
        list(make_reader(resolver=FakeResolver(["127.0.0.1"])).urls(url, respects_robots=True))
    assert [request.path for request in site.requests] == ["/robots.txt", "/sitemap.xml", "/robots.txt"]


@pytest.mark.parametrize("robots", [http(404), redirect("/robots.txt"), http(200, b"<html>")])
def test_missing_robots_txt_allows_the_sitemap(site: Site, robots: bytes) -> None:
    """A missing robots.txt, one that redirects without an end, or one without rules allows everything."""
    site.add("/robots.txt", robots)
    url = site.add("/sitemap.xml", http(200, urlset("https://shop.example/1")))
    assert list(make_reader().urls(url, respects_robots=True)) == ["https://shop.example/1"]
