"""Makes the sources of a crawl from its fields: the only module that knows every kind of source."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from contract.crawl import Crawl
from dispatcher.request_limit import RequestLimit
from dispatcher.sitemaps.downloads import Downloads
from dispatcher.sitemaps.reader import SitemapReader
from dispatcher.sitemaps.robots import SitemapRobots
from dispatcher.sources.cloud_storage import CloudStorage
from dispatcher.sources.reading_budget import ReadingBudget
from dispatcher.sources.site import SiteSource
from dispatcher.sources.sitemap import SitemapSource
from dispatcher.sources.source import Source
from dispatcher.sources.template import TemplateSource
from dispatcher.sources.url_list import UrlList
from dispatcher.sources.urls_file import OpenObject, UrlsFileSource
from guarded_http.client import HttpClient


@dataclass(frozen=True)
class SourceOpener:
    """Makes the sources of crawls. Nothing is requested before a source is read.

    Attributes:
        client: sends the requests.
        token: the product token of this crawler, by which robots.txt names it.
        budget_seconds: seconds for reading all sources of one crawl.
        sitemap_max_bytes: the maximum size of one sitemap in bytes, as received and as decompressed.
        file_max_bytes: the maximum size of a file with URLs in bytes, as received and as decompressed.
        open_object: opens an object in Cloud Storage.
        clock: returns monotonic seconds.
        sleep: waits for a number of seconds.
    """

    client: HttpClient
    token: str
    budget_seconds: float
    sitemap_max_bytes: int
    file_max_bytes: int = 512 * 1024 * 1024
    open_object: OpenObject = CloudStorage().open
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __call__(
        self, crawl: Crawl, since: datetime | None, limit: RequestLimit | None = None
    ) -> Iterator[Source]:
        """Yield the sources in the order in which they are read.

        Args:
            crawl: the crawl.
            since: the time before which entries are too old; None for no time.
            limit: decides when the request stops reading; None if it reads everything.
        """
        limit = limit or RequestLimit()
        given = crawl.sources
        if given.urls:
            yield UrlList(given.urls)
        for number, template in enumerate(given.template):
            yield TemplateSource(f"sources.template.{number}", template)
        budget = ReadingBudget(self.budget_seconds, clock=self.clock)
        limit.watch(lambda: budget.is_spent)
        if given.urls_file is not None:
            yield UrlsFileSource(
                given.urls_file, self.client, self.open_object, budget, max_bytes=self.file_max_bytes
            )
        sitemaps = self._sitemap_reader(crawl, since, budget, limit)
        if given.sitemap is not None:
            yield SitemapSource("sources.sitemap", given.sitemap, sitemaps)
        for number, sitemap in enumerate(given.sitemaps):
            yield SitemapSource(f"sources.sitemaps.{number}", sitemap, sitemaps)
        if given.site is not None:
            yield SiteSource(given.site, sitemaps)

    def _sitemap_reader(
        self, crawl: Crawl, since: datetime | None, budget: ReadingBudget, limit: RequestLimit
    ) -> SitemapReader:
        """Return the reader of all sitemaps of a crawl, which share their limits."""
        respects_rules = crawl.politeness.respect_robots
        robots = SitemapRobots(self.client, self.token, budget, respects_rules=respects_rules)
        downloads = Downloads(
            self.client,
            budget,
            robots,
            max_bytes=self.sitemap_max_bytes,
            delay_seconds=crawl.politeness.delay_seconds,
            clock=self.clock,
            sleep=self.sleep,
        )
        return SitemapReader(
            downloads,
            budget,
            max_bytes=self.sitemap_max_bytes,
            reads_foreign=crawl.sources.foreign_sitemaps,
            since=since,
            limit=limit,
        )
