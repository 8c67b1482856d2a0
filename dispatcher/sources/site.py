"""The source `site`: the sitemaps that a site's robots.txt names, or those at the usual addresses."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

from contract.shard import Position, SitemapPosition, SitePosition
from contract.urls import check_url, resolve_url
from dispatcher.sitemaps.reader import SitemapReader
from dispatcher.sources.source import (
    Checkpoint,
    Found,
    FoundUrl,
    SourceUnavailable,
    SourceUnreadable,
    UnreadPart,
)
from guarded_http.scope import NetworkScope

USUAL_PATHS = ("/sitemap.xml", "/sitemap_index.xml")  #: requested if the robots.txt names no sitemap
MAX_NAMED = 100  #: maximum number of sitemaps of a robots.txt that are read


@dataclass(frozen=True)
class SiteSource:
    """The site of `sources.site`.

    Attributes:
        address: the root URL of the site.
        reader: reads all sitemaps of the crawl.
        name: the path of the field.
        is_lazy: True: the sitemaps are not read beyond the limit.
    """

    address: str
    reader: SitemapReader
    name: str = "sources.site"
    is_lazy: bool = True

    def read(self, start: Position | None = None) -> Iterator[Found]:
        """Yield the pages of the site's sitemaps, and what was not read.

        Raises:
            SourceUnavailable: if the robots.txt is not available, or no sitemap gives pages and one of them
                is not available.
            SourceUnreadable: if there is no sitemap that can be read.
        """
        found = self._rest(start) if isinstance(start, SitemapPosition) else self._read()
        return self.reader.budget.counting(found)

    def _rest(self, start: SitemapPosition) -> Iterator[Found]:
        site = start.site or SitePosition(robots_url=self.address)
        yield from self._with_site(self.reader.rest(start), site)
        if site.named:
            scope = NetworkScope(public_only=site.public_only)
            yield from self._read_named(site.robots_url, [*site.named], scope, has_pages=True)

    def _read(self) -> Iterator[Found]:
        # What a public robots.txt names may not lead to the networks that an operator allows.
        scope = NetworkScope()
        file = self.reader.downloads.robots.file(self.address, scope)
        if file.sitemaps:
            if len(file.sitemaps) > MAX_NAMED:
                why = f"it names {len(file.sitemaps)} sitemaps; only the first {MAX_NAMED} are read"
                yield UnreadPart(file.url, why)
            yield from self._read_named(file.url, file.sitemaps[:MAX_NAMED], scope)
        else:
            yield from self._read_usual(scope)

    def _with_site(self, found: Iterator[Found], site: SitePosition) -> Iterator[Found]:
        """Yield what was found; each checkpoint gets the place in the robots.txt."""
        for each in found:
            if isinstance(each, Checkpoint) and isinstance(each.position, SitemapPosition):
                yield Checkpoint(each.position.model_copy(update={"site": site}))
            else:
                yield each

    def _read_named(
        self, robots_url: str, named: list[str], scope: NetworkScope, *, has_pages: bool = False
    ) -> Iterator[Found]:
        errors = list[SourceUnavailable | SourceUnreadable]()
        for index, text in enumerate(named):
            try:
                url = check_url(resolve_url(robots_url, text))
            except ValueError as error:
                errors.append(SourceUnreadable(f"{robots_url} names {text}: {error}"))
                yield UnreadPart(text, f"named by {robots_url}, {error}")
                continue
            try:
                found = self.reader.urls(url, NetworkScope(public_only=scope.public_only))
                site = SitePosition(
                    robots_url=robots_url, named=tuple(named[index + 1 :]), public_only=scope.public_only
                )
                for each in self._with_site(found, site):
                    has_pages = has_pages or isinstance(each, FoundUrl)
                    yield each
            except (SourceUnavailable, SourceUnreadable) as error:
                if self.reader.limit.stops_reading:
                    raise
                errors.append(error)  # its parts have been yielded as unread
        if errors and not has_pages:
            raise next((each for each in errors if isinstance(each, SourceUnavailable)), errors[0])

    def _read_usual(self, scope: NetworkScope) -> Iterator[Found]:
        errors = list[str]()
        for path in USUAL_PATHS:
            url = urljoin(self.address, path)
            # That one of the usual addresses does not exist is no fault, so what it yields is kept back until
            # it is known to be a sitemap.
            kept, is_sitemap = list[Found](), False
            try:
                for each in self.reader.urls(url, NetworkScope(public_only=scope.public_only)):
                    is_sitemap = is_sitemap or not isinstance(each, UnreadPart | Checkpoint)
                    kept.append(each)
                    if is_sitemap:
                        yield from kept
                        kept.clear()
            except SourceUnreadable as error:
                errors.append(str(error))
                continue
            yield from kept
            return
        raise SourceUnreadable(
            f"its robots.txt names no sitemap, and no usual one can be read: {'; '.join(errors)}"
        )
