"""Makes sitemaps, and readers of small sitemaps that may contact this machine."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest

from contract.crawl import Crawl
from dispatcher.sources.opening import SourceOpener
from dispatcher.sources.source import Checkpoint, Found, FoundUrl
from extraction.selectors import CHECKS
from guarded_http.addresses import parse_networks
from guarded_http.client import HttpClient
from guarded_http.dialer import Dialer, HostLookup
from guarded_http.resolver import make_resolver
from tests.contract.documents import CRAWL
from tests.servers.site import Response, Site

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
MAX_BYTES = 100_000
XML = "application/xml"


@dataclass(frozen=True)
class SourceReader:
    """Reads sources as a dispatcher does.

    Attributes:
        opener: makes the sources.
    """

    opener: SourceOpener

    def found(
        self,
        sources: dict[str, object],
        *,
        delay_seconds: float = 0,
        respects_robots: bool = False,
        since: datetime | None = None,
    ) -> Iterator[Found]:
        """Yield what the sources of a crawl yield, without checkpoints."""
        politeness = {"delay_seconds": delay_seconds, "respect_robots": respects_robots}
        crawl = Crawl.from_document(CRAWL | {"sources": sources, "politeness": politeness}, CHECKS)
        for source in self.opener(crawl, since):
            yield from (each for each in source.read() if not isinstance(each, Checkpoint))

    def urls(
        self,
        sitemap: str,
        *,
        reads_foreign: bool = False,
        delay_seconds: float = 0,
        respects_robots: bool = False,
    ) -> Iterator[str | Found]:
        """Yield the URLs of a sitemap, and what was not read."""
        sources: dict[str, object] = {"sitemap": sitemap, "foreign_sitemaps": reads_foreign}
        for each in self.found(sources, delay_seconds=delay_seconds, respects_robots=respects_robots):
            yield each.url if isinstance(each, FoundUrl) else each


def make_reader(
    budget_seconds: float = 120,
    clock: Callable[[], float] = time.monotonic,
    *,
    sleep: Callable[[float], None] = lambda _: None,
    max_bytes: int = MAX_BYTES,
    resolver: HostLookup | None = None,
    networks: str = "127.0.0.0/8",
) -> SourceReader:
    """Return a reader of small sitemaps; by default its budget only guards against hanging."""
    client = HttpClient("scrapeq/test", Dialer(parse_networks(networks), resolver or make_resolver()))
    return SourceReader(SourceOpener(client, "scrapeq", budget_seconds, max_bytes, clock=clock, sleep=sleep))


def urlset(*urls: str, namespace: str = f' xmlns="{NAMESPACE}"') -> bytes:
    """Return a sitemap that lists these pages."""
    listed = "".join(f"<url><loc> {url}\n</loc><lastmod>2026-11-22</lastmod></url>" for url in urls)
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset{namespace}>{listed}</urlset>'.encode()


def index(*urls: str) -> bytes:
    """Return a sitemap index that lists these sitemaps."""
    listed = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="{NAMESPACE}">{listed}</sitemapindex>'.encode()


def read_all(site: Site, response: Response, path: str = "/sitemap.xml") -> list[str | Found]:
    """Return the page URLs that the sitemap in a response lists, and the sitemaps that were not read."""
    return list(make_reader().urls(site.add(path, response)))


def read_urls(site: Site, response: Response, path: str = "/sitemap.xml") -> list[str]:
    """Return the page URLs that the sitemap in a response lists; every listed sitemap must have been read."""
    return [
        each for each in read_all(site, response, path) if isinstance(each, str) or pytest.fail(str(each))
    ]
