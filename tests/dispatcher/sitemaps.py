"""Makes sitemaps, and readers of small sitemaps that may contact this machine."""

import time
from collections.abc import Callable

import pytest

from dispatcher.sitemap_entry import UnreadSitemap
from dispatcher.sitemap_reader import SitemapReader
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer, HostLookup
from guarded_http.resolver import make_resolver
from tests.servers.site import Response, Site

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
MAX_BYTES = 100_000
XML = "application/xml"


def make_reader(
    budget_seconds: float = 120,
    clock: Callable[[], float] = time.monotonic,
    *,
    sleep: Callable[[float], None] = lambda _: None,
    max_bytes: int = MAX_BYTES,
    resolver: HostLookup | None = None,
) -> SitemapReader:
    """Return a reader of small sitemaps; by default its budget only guards against hanging."""
    return SitemapReader(
        HttpClient("scrapeq/test", Dialer(parse_networks("127.0.0.0/8"), resolver or make_resolver())),
        token="scrapeq",
        budget_seconds=budget_seconds,
        max_bytes=max_bytes,
        clock=clock,
        sleep=sleep,
    )


def urlset(*urls: str, namespace: str = f' xmlns="{NAMESPACE}"') -> bytes:
    """Return a sitemap that lists these pages."""
    listed = "".join(f"<url><loc> {url}\n</loc><lastmod>2026-11-22</lastmod></url>" for url in urls)
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset{namespace}>{listed}</urlset>'.encode()


def index(*urls: str) -> bytes:
    """Return a sitemap index that lists these sitemaps."""
    listed = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="{NAMESPACE}">{listed}</sitemapindex>'.encode()


def read_all(site: Site, response: Response, path: str = "/sitemap.xml") -> list[str | UnreadSitemap]:
    """Return the page URLs that the sitemap in a response lists, and the sitemaps that were not read."""
    return list(make_reader().urls(site.add(path, response)))


def read_urls(site: Site, response: Response, path: str = "/sitemap.xml") -> list[str]:
    """Return the page URLs that the sitemap in a response lists; every listed sitemap must have been read."""
    return [
        each for each in read_all(site, response, path) if isinstance(each, str) or pytest.fail(str(each))
    ]
