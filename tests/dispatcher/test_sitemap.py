"""Sitemaps, over real sockets: what a site may hand out, and what becomes of it."""

import gzip
import time
from collections.abc import Callable

import pytest

from console.stack.ports import free_port
from dispatcher.sitemap import SitemapUnreadable
from dispatcher.sitemap_reader import (
    MAX_REDIRECTS,
    MAX_SITEMAPS,
    SitemapReader,
    SitemapUnavailable,
)
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer
from tests.servers.site import PendingRequest, Response, Site, http, redirect

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
MAX_BYTES = 100_000
XML = "application/xml"


def reader(seconds: float = 10) -> SitemapReader:
    """Return a reader of small sitemaps."""
    return SitemapReader(
        HttpClient("scrapeq/test", Dialer(parse_networks("127.0.0.0/8"))),
        budget_seconds=seconds,
        max_bytes=MAX_BYTES,
    )


def urlset(*urls: str, namespace: str = f' xmlns="{NAMESPACE}"') -> bytes:
    """Return a sitemap of pages."""
    listed = "".join(f"<url><loc> {url}\n</loc><lastmod>2026-11-22</lastmod></url>" for url in urls)
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset{namespace}>{listed}</urlset>'.encode()


def index(*urls: str) -> bytes:
    """Return a sitemap of sitemaps."""
    listed = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="{NAMESPACE}">{listed}</sitemapindex>'.encode()


def urls(site: Site, answer: Response, path: str = "/sitemap.xml") -> list[str]:
    """Return the pages that the sitemap lists."""
    return list(reader().urls(site.add(path, answer)))


PAGES = ["https://shop.example/1", "https://shop.example/2?a=1"]
WRITTEN = ["https://shop.example/1", "https://shop.example/2?a=1"]


@pytest.mark.parametrize(
    "body",
    [
        urlset(*WRITTEN),
        urlset(*WRITTEN, namespace=""),
        urlset(*WRITTEN, namespace=' xmlns="http://www.google.com/schemas/sitemap/0.84"'),
        urlset(*WRITTEN)
        .replace(b"<url>", b"<s:url>")
        .replace(b"</url>", b"</s:url>")
        .replace(b"<urlset ", f'<urlset xmlns:s="{NAMESPACE}" '.encode()),
        gzip.compress(urlset(*WRITTEN)),
        urlset(*WRITTEN).decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        b"\xef\xbb\xbf" + urlset(*WRITTEN),
        urlset(f"<![CDATA[{WRITTEN[0]}]]>", f"{WRITTEN[1]}<!-- two -->"),
        urlset(*WRITTEN).replace(
            b"<lastmod>",
            b'<image:image xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">'
            b"<image:loc>https://cdn.example/i.png</image:loc></image:image><lastmod>",
        ),
    ],
    ids=["plain", "no namespace", "old namespace", "prefixes", "gzip", "utf-16", "bom", "cdata", "images"],
)
def test_a_sitemaps_pages_are_found(site: Site, body: bytes) -> None:
    """In order, and nothing but pages, however the sitemap is written."""
    assert urls(site, http(200, body, content_type=XML)) == PAGES


def test_a_sitemap_may_be_zipped_twice(site: Site) -> None:
    """As a file, and on its way."""
    zipped = gzip.compress(gzip.compress(urlset(*WRITTEN)))
    assert urls(site, http(200, zipped, "Content-Encoding: gzip"), "/sitemap.xml.gz") == PAGES


def test_escaped_urls_are_read(site: Site) -> None:
    """XML's own five entities and character references are no danger, and common in queries."""
    assert urls(site, http(200, urlset("https://shop.example/?a=1&amp;b=&#50;"))) == [
        "https://shop.example/?a=1&b=2"
    ]


def test_an_indexs_sitemaps_are_read_in_order(site: Site) -> None:
    """Pages of each child, relative to nothing; an index inside an index is not followed."""
    site.add("/1.xml", http(200, urlset("https://shop.example/1")))
    site.add("/2.xml.gz", http(200, gzip.compress(urlset("https://shop.example/2"))))
    site.add("/3.xml", http(200, index(site.url("/4.xml"))))
    children = [site.url(path) for path in ("/2.xml.gz", "/3.xml", "/1.xml")]
    assert urls(site, http(200, index(*children))) == ["https://shop.example/2", "https://shop.example/1"]
    assert site.requests_for("/4.xml") == []


def test_an_empty_sitemap_lists_nothing(site: Site) -> None:
    """No page is no fault."""
    assert urls(site, http(200, urlset())) == []


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
BILLION_LAUGHS = (
    b'<!DOCTYPE urlset [<!ENTITY l0 "ha">' + LAUGHS + b"]><urlset><url><loc>&l9;</loc></url></urlset>"
)
OUTSIDE = (
    b'<!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<urlset><url><loc>https://shop.example/&x;</loc></url></urlset>"
)


def test_entities_are_not_expanded(site: Site) -> None:
    """A few bytes do not become gigabytes; no file of ours becomes part of a URL."""
    with pytest.raises(SitemapUnreadable, match="entity"):
        urls(site, http(200, BILLION_LAUGHS))
    assert "root:" not in str(urls(site, http(200, OUTSIDE)))


def test_nothing_is_loaded_from_outside(site: Site) -> None:
    """Neither a DTD nor an entity makes us ask another address."""
    site.add("/evil.dtd", http(200, b'<!ENTITY x "y">'))
    document = (
        f'<!DOCTYPE urlset SYSTEM "{site.url("/evil.dtd")}">'.encode() + urlset(*WRITTEN).partition(b"?>")[2]
    )
    assert urls(site, http(200, document)) == PAGES
    assert [request.path for request in site.requests] == ["/sitemap.xml"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (http(404), "the site answered 404"),
        (http(403), "the site answered 403"),
        (http(204), "the site answered 204"),
        (http(304), "the site answered 304"),
        (http(200, b""), "not XML"),
        (http(200, b"https://shop.example/1\n", content_type="text/plain"), "not XML"),
        (http(200, b"<!doctype html><p>Not found<br>"), "not XML"),
        (http(200, b"<html><body><p>Not found</p></body></html>"), "the root element is <html>"),
        (http(200, b"<rss><channel/></rss>"), "the root element is <rss>"),
        (http(200, urlset(*WRITTEN)[:-20]), "not XML"),
        (http(200, gzip.compress(urlset(*WRITTEN))[:-20]), "invalid gzip"),
        (http(200, b"\x1f\x8b nonsense"), "invalid gzip"),
        (http(200, gzip.compress(bytes(50_000_000))), f"larger than {MAX_BYTES} bytes"),
        (http(200, b" " * (MAX_BYTES + 1)), f"at most {MAX_BYTES} are read"),
        (http(200, index("ftp://shop.example/1.xml")), "the index lists an invalid URL"),
        (http(200, index("http://[broken/1.xml")), "the index lists an invalid URL"),
        (
            http(200, index(*[f"https://shop.example/{n}" for n in range(MAX_SITEMAPS + 1)])),
            "more than 500 sitemaps",
        ),
        (redirect("ftp://shop.example/"), "invalid_redirect, redirected to"),
        (redirect("http://[broken/"), "invalid_redirect, redirected to"),
        (redirect("/sitemap.xml"), f"more than {MAX_REDIRECTS} redirects"),
        (redirect("/nowhere"), "the site answered 404"),
    ],
)
def test_what_is_no_sitemap_is_unreadable(site: Site, answer: bytes, why: str) -> None:
    """A repeat will not help: the caller is told what is wrong with what."""
    with pytest.raises(SitemapUnreadable, match=why):
        urls(site, answer)


def close(_: PendingRequest) -> None:
    """Close without a word."""


def cut(visit: PendingRequest) -> None:
    """Close within the body."""
    visit.send(http(200, urlset(*WRITTEN), length=100_000))


@pytest.mark.parametrize("answer", [http(408), http(425), http(429), http(500), http(503), close, cut])
def test_a_site_that_fails_now_may_work_later(site: Site, answer: Response) -> None:
    """Half a sitemap must not pass for a whole one."""
    with pytest.raises(SitemapUnavailable, match=r"/sitemap\.xml"):
        urls(site, answer)


def test_a_site_that_is_down_may_work_later() -> None:
    """Connection refused."""
    port = free_port()
    with pytest.raises(SitemapUnavailable):
        list(reader().urls(f"http://127.0.0.1:{port}/sitemap.xml"))


def drip(visit: PendingRequest) -> None:
    """Send a body byte by byte."""
    visit.send(http(200, b"", length=60_000))
    visit.send_slowly(b" " * 60_000)


@pytest.mark.parametrize("slow", [PendingRequest.wait_until_closed, drip])
def test_a_sitemap_takes_no_longer_than_its_budget(
    site: Site, slow: Callable[[PendingRequest], None]
) -> None:
    """Neither silence nor a byte now and then holds the dispatcher up."""
    started = time.monotonic()
    with pytest.raises(SitemapUnavailable):
        list(reader(0.4).urls(site.add("/sitemap.xml", slow)))
    assert time.monotonic() - started < 60


def test_redirects_are_followed_and_their_bodies_are_not_read(site: Site) -> None:
    """Also where the way there is endless."""

    def endless(visit: PendingRequest) -> None:
        visit.send(http(301, b"", "Location: /new.xml", length=10**12))
        while True:
            visit.send(b"x" * 65536)

    site.add("/new.xml", http(200, urlset(*WRITTEN)))
    assert urls(site, endless) == PAGES


def test_sitemap_redirect_with_raw_bytes_is_followed(site: Site) -> None:
    """A Location that is not ASCII is read as UTF-8; bytes that are not UTF-8 are requested as they are."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: /caf%s.xml\r\nContent-Length: 0\r\n\r\n"
    site.add("/caf%C3%A9.xml", http(200, urlset(*WRITTEN)))
    site.add("/caf%E9.xml", http(200, urlset(WRITTEN[1])))
    assert urls(site, moved % "é".encode()) == PAGES
    assert urls(site, moved % b"\xe9") == PAGES[1:]


def test_nothing_of_this_machine_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the environment sees the request."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert urls(site, http(200, urlset(*WRITTEN))) == PAGES


def test_a_sitemap_leads_nowhere_else(site: Site) -> None:
    """It is somebody else's, and may list or redirect to what a cloud keeps for itself: `refused_address`."""
    nothing_opened = SitemapReader(
        HttpClient("scrapeq/test", Dialer()), budget_seconds=10, max_bytes=MAX_BYTES
    )
    with pytest.raises(SitemapUnreadable, match="refused_address"):
        list(nothing_opened.urls(site.add("/sitemap.xml", http(200, urlset(*WRITTEN)))))
    assert site.connections == 0
    for answer in (redirect("http://169.254.169.254/"), http(200, index("http://169.254.169.254/s.xml"))):
        with pytest.raises(SitemapUnreadable, match="refused_address"):
            urls(site, answer)


def test_a_header_sent_byte_by_byte_holds_nobody_up(site: Site) -> None:
    """No timeout of a single read sees it; the sitemap's own deadline does, without gevent."""

    def drip_header(visit: PendingRequest) -> None:
        visit.send(b"HTTP/1.1 200 OK\r\nX: ")
        visit.send_slowly(b"y" * 10_000)

    started = time.monotonic()
    with pytest.raises(SitemapUnavailable, match="SITEMAP_BUDGET_SECONDS"):
        list(reader(0.3).urls(site.add("/sitemap.xml", drip_header)))
    assert time.monotonic() - started < 60
