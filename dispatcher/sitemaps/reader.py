"""Reads sitemaps and the sitemaps that they list, within a time budget and limits of number and size."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime

from contract.quoting import shorten
from contract.shard import ListedSitemap, SitemapPosition
from contract.since import is_older
from contract.urls import check_url, resolve_url
from dispatcher.request_limit import RequestLimit
from dispatcher.sitemaps.downloads import Downloads
from dispatcher.sitemaps.entry import Location
from dispatcher.sitemaps.locations import BYTES_PER_PART, locations
from dispatcher.sitemaps.site import is_same_site
from dispatcher.sitemaps.text import sitemap_text
from dispatcher.sources.reading_budget import ReadingBudget
from dispatcher.sources.source import (
    Checkpoint,
    Found,
    FoundUrl,
    OutdatedPart,
    SourceUnavailable,
    SourceUnreadable,
    UnreadPart,
)
from guarded_http.scope import NetworkScope

MAX_SITEMAPS = (
    500  #: maximum number of sitemaps that are read for one crawl; sitemaps.org allows 50,000 in an index
)
MAX_DEPTH = 5  #: maximum number of indexes on the way to a sitemap; sitemaps.org allows one
MAX_REFUSED = 1_000  #: maximum number of listed sitemaps of other sites that are reported separately
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class _AlreadyRead(Exception):
    """The sitemap has been read before, at the URL to which another one redirects."""


class SitemapReader:
    """Reads the page URLs of a crawl's sitemaps, and of all sitemaps that they list.

    Args:
        downloads: sends the requests.
        budget: the time for downloading and parsing all sitemaps of the crawl.
        max_bytes: the maximum size of one sitemap in bytes, as received and as decompressed.
        reads_foreign: whether listed sitemaps of other sites are read.
        since: listed sitemaps that were last changed before this time are not read; None to read all.
        limit: decides when the request stops reading; None if it reads everything.
    """

    def __init__(  # noqa: PLR0913 - the last three arguments have defaults
        self,
        downloads: Downloads,
        budget: ReadingBudget,
        *,
        max_bytes: int,
        reads_foreign: bool = False,
        since: datetime | None = None,
        limit: RequestLimit | None = None,
    ) -> None:
        self.downloads = downloads
        self.budget = budget
        self.max_bytes = max_bytes
        self.reads_foreign = reads_foreign
        self.since = since
        self.limit = limit or RequestLimit()
        self.count = 0  # of sitemaps that were or will be requested
        self.read_urls = set[str]()  # after redirects

    def urls(self, sitemap: str, scope: NetworkScope) -> Iterator[Found]:
        """Yield page URLs, unchecked, in the order of the sitemaps; and each sitemap that was not read.

        After each sitemap there is a checkpoint.

        A listed sitemap that is temporarily not available is requested once more at the end. No sitemap of
        the crawl is read twice.

        Args:
            sitemap: the URL of the sitemap.
            scope: the addresses that may be contacted. It is restricted to public ones when a sitemap came
                from a public address.

        Raises:
            SourceUnavailable: if there are no page URLs, because a site is down or too slow, or responds
                with 408, 425, 429 or 5xx.
            SourceUnreadable: if there are no page URLs, because no sitemap can be read for another reason.
        """
        self.count += 1
        return _Reading(self, sitemap, scope, [ListedSitemap(url=sitemap)], [sitemap]).urls()

    def rest(self, start: SitemapPosition) -> Iterator[Found]:
        """Yield the page URLs of the sitemaps that an earlier request has not read; see `urls`.

        Sitemaps that cannot be read are yielded as such, but no error is raised.
        """
        self.count = start.count
        self.read_urls = {*start.listed, *start.read} - {each.url for each in start.pending}
        scope = NetworkScope(public_only=start.public_only)
        reading = _Reading(self, start.sitemap, scope, start.pending, start.listed)
        reading.over_limit, reading.has_pages = start.over_limit, True
        return reading.urls()


class _Reading:
    """The reading of one sitemap and all sitemaps that it lists."""

    def __init__(
        self,
        reader: SitemapReader,
        sitemap: str,
        scope: NetworkScope,
        pending: Iterable[ListedSitemap],
        listed_urls: Iterable[str],
    ) -> None:
        self._reader = reader
        self._first = sitemap
        self._scope = scope
        self._pending = deque(pending)
        self._again: list[ListedSitemap] = []
        self._listed_urls = dict.fromkeys(listed_urls)  # a set that keeps its order
        self._refused_urls = set[str]()
        self.over_limit = 0
        self.has_pages = False
        self._error: SourceUnavailable | SourceUnreadable | None = None

    def urls(self) -> Iterator[Found]:
        """See `SitemapReader.urls`."""
        while self._pending or self._again:
            if not self._pending:
                self._pending.extend(self._again)
                self._again.clear()
            for each in self._read(self._pending.popleft()):
                self.has_pages = self.has_pages or isinstance(each, FoundUrl)
                yield each
            if self.has_pages:
                yield Checkpoint(self._position())
        if self.over_limit:
            why = f"{self.over_limit} further sitemaps were not read; the maximum is {MAX_SITEMAPS}"
            yield UnreadPart(self._first, why)
        if not self.has_pages and self._error is not None:
            raise self._error

    def _position(self) -> SitemapPosition:
        return SitemapPosition(
            sitemap=self._first,
            pending=(*self._pending, *self._again),
            listed=tuple(self._listed_urls),
            over_limit=self.over_limit,
            public_only=self._scope.public_only,
            count=self._reader.count,
            read=tuple(sorted(self._reader.read_urls - self._listed_urls.keys())),
        )

    def _read(self, pending: ListedSitemap) -> Iterator[Found]:
        listed = list[ListedSitemap]()
        try:
            for url, location in self._locations(pending):
                if not location.is_sitemap:
                    yield FoundUrl(_page_url(url, location), location.lastmod, self._scope.public_only)
                elif self._is_outdated(location):
                    yield OutdatedPart(location.url)
                elif isinstance(child := self._child(url, location, pending.depth + 1), ListedSitemap):
                    listed.append(child)
                elif child is not None:
                    yield child
        except _AlreadyRead:
            return
        except SourceUnavailable as error:
            self._stop_reading(error)
            if pending.is_repeated or pending.url == self._first or self._reader.budget.is_spent:
                yield self._failed(pending.url, error)
            else:
                self._again.append(pending.model_copy(update={"is_repeated": True}))
        except SourceUnreadable as error:
            yield self._failed(pending.url, error)
        self._pending.extendleft(reversed(listed))

    def _stop_reading(self, error: SourceUnavailable) -> None:
        """Raise the error if a further request continues before this sitemap."""
        if self._reader.limit.stops_reading:
            raise error

    def _locations(self, pending: ListedSitemap) -> Iterator[tuple[str, Location]]:
        """Yield each location of a sitemap, with the URL from which the sitemap was read."""

        def check(url: str) -> None:
            if url in self._reader.read_urls:
                raise _AlreadyRead
            if pending.listed_by and not self._is_own(url, pending.listed_by):
                raise SourceUnreadable(f"redirected to {shorten(url, 200)}, {_refusal(pending.listed_by)}")

        left = 1 + len(self._pending) + len(self._again)
        url, raw = self._reader.downloads.download(pending.url, self._scope, check=check, left=left)
        check_deadline = self._reader.budget.remaining
        text = sitemap_text(raw, max_bytes=self._reader.max_bytes, check_deadline=check_deadline)
        for location in locations(text, url, max_parts=self._reader.max_bytes // BYTES_PER_PART):
            yield url, location
        self._reader.read_urls.add(url)

    def _is_outdated(self, location: Location) -> bool:
        since = self._reader.since
        return since is not None and is_older(location.lastmod, since)

    def _is_own(self, url: str, index: str) -> bool:
        """Return whether a sitemap that an index lists may be requested."""
        return self._reader.reads_foreign or is_same_site(url, index) or is_same_site(url, self._first)

    def _child(self, index: str, location: Location, depth: int) -> ListedSitemap | UnreadPart | None:
        """Return the sitemap that an index lists; None if it has been listed before, or is over the limit."""
        try:
            url = check_url(resolve_url(index, location.url))
        except ValueError as error:
            return self._failed(shorten(location.url, 200), SourceUnreadable(f"listed by {index}, {error}"))
        if depth > MAX_DEPTH:
            return self._failed(url, SourceUnreadable(f"more than {MAX_DEPTH} indexes lead to it"))
        if url in self._listed_urls or url in self._refused_urls:
            return None
        if not self._is_own(url, index):
            if len(self._refused_urls) < MAX_REFUSED:
                self._refused_urls.add(url)
            return self._failed(url, SourceUnreadable(_refusal(index)))
        if self._reader.count >= MAX_SITEMAPS:
            self.over_limit += 1
            return None
        self._reader.count += 1
        self._listed_urls[url] = None
        return ListedSitemap(url=url, listed_by=index, depth=depth)

    def _failed(self, url: str, error: SourceUnavailable | SourceUnreadable) -> UnreadPart:
        # If nothing can be read, the request should be repeated if a repetition may help.
        is_first_temporary = isinstance(error, SourceUnavailable) and isinstance(
            self._error, SourceUnreadable
        )
        if self._error is None or is_first_temporary:
            self._error = type(error)(f"{url}: {error}")
        return UnreadPart(url, str(error))


def _refusal(index: str) -> str:
    return f"on another site than its index {index}; set sources.foreign_sitemaps to true to read it"


def _page_url(sitemap: str, location: Location) -> str:
    """Return the URL of a page. A path is resolved; other text without a scheme is probably an error."""
    if location.url.startswith("/") and not _SCHEME.match(location.url):
        try:
            return resolve_url(sitemap, location.url)
        except ValueError:
            return location.url
    return location.url
