"""The sources `sitemap` and `sitemaps`: the pages that a sitemap, and the sitemaps in it, list."""

from collections.abc import Iterator
from dataclasses import dataclass

from contract.shard import Position, SitemapPosition
from dispatcher.sitemaps.reader import SitemapReader
from dispatcher.sources.source import Found
from guarded_http.scope import NetworkScope


@dataclass(frozen=True)
class SitemapSource:
    """One sitemap of the crawl.

    Attributes:
        name: the path of the field.
        address: the URL of the sitemap.
        reader: reads all sitemaps of the crawl.
        is_lazy: True: the sitemap is not read beyond the limit.
    """

    name: str
    address: str
    reader: SitemapReader
    is_lazy: bool = True

    def read(self, start: Position | None = None) -> Iterator[Found]:
        """Yield the pages, and what was not read; see `SitemapReader.urls` for the errors."""
        if isinstance(start, SitemapPosition):
            found = self.reader.rest(start)
        else:
            found = self.reader.urls(self.address, NetworkScope())
        return self.reader.budget.counting(found)
