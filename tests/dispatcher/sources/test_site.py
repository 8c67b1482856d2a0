"""The source `site` finds the sitemaps of a site by its robots.txt, or at the usual addresses."""

import pytest

from dispatcher.sources.source import FoundUrl, SourceUnavailable, SourceUnreadable, UnreadPart
from tests.dispatcher.sitemaps.examples import index, make_reader, urlset
from tests.servers.site import Site, http, redirect

PAGE = "https://shop.example/1"


def read_site(site: Site) -> list[object]:
    """Return the URLs that a site gives, and what was not read."""
    found = make_reader().found({"site": site.url("/")}, respects_robots=True)
    return [each.url if isinstance(each, FoundUrl) else each for each in found]


def test_sitemaps_of_robots_txt_are_read_in_order(site: Site) -> None:
    """Only the sitemaps that robots.txt names are requested, in its order, each of them once."""
    site.add("/robots.txt", http(200, f"Sitemap: {site.url('/b.xml')}\nSitemap: /a.xml\n".encode()))
    site.add("/a.xml", http(200, urlset(PAGE)))
    site.add("/b.xml", http(200, index(site.url("/c.xml"), site.url("/a.xml"))))
    site.add("/c.xml", http(200, urlset("https://shop.example/2")))
    assert read_site(site) == ["https://shop.example/2", PAGE]
    assert [each.path for each in site.requests] == ["/robots.txt", "/b.xml", "/c.xml", "/a.xml"]


@pytest.mark.parametrize("robots", [http(404), http(200, b"User-agent: *\nDisallow:"), http(403)])
@pytest.mark.parametrize("path", ["/sitemap.xml", "/sitemap_index.xml"])
def test_usual_sitemap_is_read_if_robots_txt_names_none(site: Site, robots: bytes, path: str) -> None:
    """Without a sitemap in robots.txt, the first of the two usual sitemaps that exists is read."""
    site.add("/robots.txt", robots)
    site.add(path, http(200, urlset(PAGE)))
    assert read_site(site) == [PAGE]


def test_sitemap_of_robots_txt_that_cannot_be_read_is_reported(site: Site) -> None:
    """A named sitemap that is missing, or whose URL is invalid, is reported, and the others are read."""
    named = ["ftp://shop.example/", site.url("/gone.xml"), site.add("/a.xml", http(200, urlset(PAGE)))]
    site.add("/robots.txt", http(200, "".join(f"Sitemap: {each}\n" for each in named).encode()))
    why = f"named by {site.url('/robots.txt')}, the scheme must be http or https, not 'ftp'"
    assert read_site(site) == [
        UnreadPart("ftp://shop.example/", why),
        UnreadPart(site.url("/gone.xml"), "the site answered 404"),
        PAGE,
    ]


def test_site_without_a_sitemap_is_unreadable(site: Site) -> None:
    """If there is no sitemap at all, the error has both usual addresses with the reasons."""
    site.add("/sitemap_index.xml", http(200, b"<!doctype html><p>Not found"))
    with pytest.raises(SourceUnreadable, match=r"sitemap\.xml: .* 404; .*sitemap_index\.xml: .*HTML"):
        read_site(site)


@pytest.mark.parametrize("path", ["/robots.txt", "/sitemap.xml"])
def test_site_that_is_down_is_unavailable(site: Site, path: str) -> None:
    """A 503 of the robots.txt, or of a usual sitemap, may pass, so the site is not available."""
    site.add(path, http(503))
    with pytest.raises(SourceUnavailable, match=f"{path}:? .*answered 503"):
        read_site(site)


def test_sitemap_of_a_redirected_robots_txt_is_resolved_against_its_last_url(site: Site) -> None:
    """A relative URL in robots.txt is resolved against the URL at which the file was found."""
    site.add("/robots.txt", redirect("/de/robots.txt"))
    site.add("/de/robots.txt", http(200, b"Sitemap: s.xml"))
    site.add("/de/s.xml", http(200, urlset(PAGE)))
    assert read_site(site) == [PAGE]


def test_robots_txt_also_decides_whether_its_sitemaps_may_be_requested(site: Site) -> None:
    """A named sitemap that the same robots.txt disallows is not requested."""
    robots = f"Sitemap: {site.url('/private/s.xml')}\nUser-agent: *\nDisallow: /private/"
    site.add("/robots.txt", http(200, robots.encode()))
    with pytest.raises(SourceUnreadable, match=r"robots\.txt disallows it for scrapeq"):
        read_site(site)
    assert [each.path for each in site.requests] == ["/robots.txt"]
