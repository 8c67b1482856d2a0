"""The sources of a crawl are read in order, and share the limits of its sitemaps."""

from datetime import UTC, datetime

import pytest

from dispatcher.sitemaps.reader import MAX_SITEMAPS
from dispatcher.sources.source import FoundUrl, OutdatedPart, SourceUnavailable, UnreadPart
from tests.dispatcher.sitemaps.examples import index, make_reader, urlset
from tests.servers.site import Site, http

PAGE = "https://shop.example/1"


def test_sources_are_read_in_the_order_of_the_documentation(site: Site) -> None:
    """URLs, templates, the sitemap, further sitemaps and the site follow each other."""
    for name in ("a", "b", "c", "sitemap"):
        site.add(f"/{name}.xml", http(200, urlset(f"https://shop.example/{name}")))
    sources: dict[str, object] = {
        "site": site.url("/"),
        "sitemaps": [site.url("/b.xml"), site.url("/c.xml"), site.url("/a.xml")],
        "sitemap": site.url("/a.xml"),
        "template": ["https://shop.example/{1..2}", "https://{de,fr}.example/"],
        "urls": ["https://shop.example/0"],
    }
    found = [each.url for each in make_reader().found(sources) if isinstance(each, FoundUrl)]
    templates = [
        "https://shop.example/1",
        "https://shop.example/2",
        "https://de.example/",
        "https://fr.example/",
    ]
    listed = [f"https://shop.example/{name}" for name in ("a", "b", "c", "sitemap")]
    assert found == ["https://shop.example/0", *templates, *listed]
    assert len(site.requests_for("/a.xml")) == 1


def test_sitemaps_of_a_crawl_share_their_budget(site: Site) -> None:
    """The time for reading the first sitemap is not available for the second."""
    seconds = [0.0]

    def clock() -> float:
        seconds[0] += 1
        return seconds[0]

    sitemaps = [site.add(f"/{name}.xml", http(200, urlset(PAGE))) for name in range(30)]
    reader = make_reader(60, clock)
    with pytest.raises(SourceUnavailable, match="SITEMAP_BUDGET_SECONDS"):
        list(reader.found({"sitemaps": sitemaps}))
    assert 0 < len(site.requests) < 30


def test_sitemaps_of_a_crawl_share_the_maximum_of_sitemaps(site: Site) -> None:
    """The sitemaps that two indexes list are counted together."""
    site.add("/s.xml", http(200, urlset(PAGE)))
    listed = [site.url(f"/s.xml?{number}") for number in range(MAX_SITEMAPS // 2)]
    others = [site.url(f"/s.xml?{number}") for number in range(1000, 1000 + MAX_SITEMAPS // 2)]
    sitemaps = [site.add("/1.xml", http(200, index(*listed))), site.add("/2.xml", http(200, index(*others)))]
    found = list(make_reader().found({"sitemaps": sitemaps}))
    why = f"2 further sitemaps were not read; the maximum is {MAX_SITEMAPS}"
    assert found[-1] == UnreadPart(sitemaps[1], why)
    assert len(site.requests) == MAX_SITEMAPS


def test_listed_sitemap_that_is_outdated_is_not_requested(site: Site) -> None:
    """Of an index, only the sitemaps are read that were changed after `since`, or have no time."""
    entries = "".join(
        f"<sitemap><loc>{site.url(path)}</loc>{lastmod}</sitemap>"
        for path, lastmod in (
            ("/old.xml", "<lastmod>2026-11-01</lastmod>"),
            ("/new.xml", "<lastmod><![CDATA[2026-11-20]]></lastmod>"),
            ("/none.xml", ""),
        )
    )
    for path in ("/new.xml", "/none.xml"):
        site.add(path, http(200, urlset(PAGE)))
    url = site.add("/index.xml", http(200, f"<sitemapindex>{entries}</sitemapindex>".encode()))
    since = datetime(2026, 11, 15, tzinfo=UTC)
    found = list(make_reader().found({"sitemap": url}, since=since))
    assert found == [OutdatedPart(site.url("/old.xml")), *[FoundUrl(PAGE, "2026-11-22")] * 2]
    assert site.requests_for("/old.xml") == []
