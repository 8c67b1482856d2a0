"""Reads a sitemap and the sitemaps that it lists, within a time budget and limits of number and size."""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from contract.quoting import shorten
from contract.urls import check_url, resolve_url
from dispatcher.sitemap import BYTES_PER_PART, locations
from dispatcher.sitemap_budget import ReadingBudget
from dispatcher.sitemap_entry import Location, SitemapUnavailable, SitemapUnreadable, UnreadSitemap
from dispatcher.sitemap_file import sitemap_text
from dispatcher.sitemap_requests import SitemapRequests
from dispatcher.sitemap_robots import SitemapRobots
from dispatcher.sitemap_site import is_same_site
from guarded_http.client import HttpClient
from guarded_http.scope import NetworkScope

MAX_SITEMAPS = (
    500  #: maximum number of sitemaps that are read for one crawl; sitemaps.org allows 50,000 in an index
)
MAX_DEPTH = 5  #: maximum number of indexes on the way to a sitemap; sitemaps.org allows one
MAX_REFUSED = 1_000  #: maximum number of listed sitemaps of other sites that are reported separately
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class _AlreadyRead(Exception):
    """The sitemap has been read before, at the URL to which another one redirects."""


class _Pending(NamedTuple):
    """A sitemap to read.

    Attributes:
        url: its URL.
        listed_by: the URL of the index that lists it; `""` for the crawl's own sitemap.
        depth: the number of indexes that lead to it.
        is_repeated: whether it is requested again.
    """

    url: str
    listed_by: str = ""
    depth: int = 0
    is_repeated: bool = False


class SitemapReader:
    """Reads the page URLs of a sitemap, and of all sitemaps that it lists.

    Args:
        client: sends the requests.
        token: the product token of this crawler, by which robots.txt names it.
        budget_seconds: seconds for downloading and parsing the sitemap and all sitemaps that it lists.
        max_bytes: the maximum size of one sitemap in bytes, as received and as decompressed.
        clock: returns monotonic seconds.
        sleep: waits for a number of seconds.
    """

    def __init__(  # noqa: PLR0913 - the last two arguments let tests control the time
        self,
        client: HttpClient,
        *,
        token: str = "",
        budget_seconds: float,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._token = token
        self._budget_seconds = budget_seconds
        self._max_bytes = max_bytes
        self._clock = clock
        self._sleep = sleep

    def urls(
        self,
        sitemap: str,
        scope: NetworkScope | None = None,
        *,
        delay_seconds: float = 0.0,
        reads_foreign: bool = False,
        respects_robots: bool = False,
    ) -> Iterator[str | UnreadSitemap]:
        """Yield page URLs, unchecked, in the order of the sitemaps; and each sitemap that could not be read.

        A listed sitemap that is temporarily not available is requested once more at the end.

        Args:
            sitemap: the URL of the sitemap.
            scope: the addresses that may be contacted. It is restricted to public ones when a sitemap came
                from a public address.
            delay_seconds: the crawl's time between two requests to one host.
            reads_foreign: whether listed sitemaps of other sites are read.
            respects_robots: whether sitemaps that robots.txt disallows are left out.

        Raises:
            SitemapUnavailable: if there are no page URLs, because a site is down or too slow, or responds
                with 408, 425, 429 or 5xx.
            SitemapUnreadable: if there are no page URLs, because no sitemap can be read for another reason.
        """
        budget = ReadingBudget(self._budget_seconds, self._clock)
        scope = scope or NetworkScope()
        robots = SitemapRobots(self._client, self._token, budget, scope) if respects_robots else None
        requests = SitemapRequests(
            self._client,
            budget,
            scope,
            max_bytes=self._max_bytes,
            delay_seconds=delay_seconds,
            robots=robots,
            clock=self._clock,
            sleep=self._sleep,
        )
        reading = _Reading(requests, budget, sitemap, max_bytes=self._max_bytes, reads_foreign=reads_foreign)
        yield from budget.counting(reading.urls())


class _Reading:
    """The reading of one sitemap and all sitemaps that it lists."""

    def __init__(
        self,
        requests: SitemapRequests,
        budget: ReadingBudget,
        sitemap: str,
        *,
        max_bytes: int,
        reads_foreign: bool,
    ) -> None:
        self._requests = requests
        self._budget = budget
        self._first = sitemap
        self._max_bytes = max_bytes
        self._reads_foreign = reads_foreign
        self._pending = deque([_Pending(sitemap)])
        self._again: list[_Pending] = []
        self._listed_urls = {sitemap}
        self._read_urls = set[str]()  # after redirects
        self._refused_urls = set[str]()
        self._over_limit = 0
        self._error: SitemapUnavailable | SitemapUnreadable | None = None

    def urls(self) -> Iterator[str | UnreadSitemap]:
        """See `SitemapReader.urls`."""
        has_pages = False
        while self._pending or self._again:
            if not self._pending:
                self._pending.extend(self._again)
                self._again.clear()
            for each in self._read(self._pending.popleft()):
                has_pages = has_pages or isinstance(each, str)
                yield each
        if self._over_limit:
            why = f"{self._over_limit} further sitemaps were not read; the maximum is {MAX_SITEMAPS}"
            yield UnreadSitemap(self._first, why)
        if not has_pages and self._error is not None:
            raise self._error

    def _read(self, pending: _Pending) -> Iterator[str | UnreadSitemap]:
        listed = list[_Pending]()
        try:
            for url, location in self._locations(pending):
                if not location.is_sitemap:
                    yield _page_url(url, location)
                elif isinstance(child := self._child(url, location, pending.depth + 1), UnreadSitemap):
                    yield child
                elif child is not None:
                    listed.append(child)
        except _AlreadyRead:
            return
        except SitemapUnavailable as error:
            if pending.is_repeated or pending.url == self._first or self._budget.is_spent:
                yield self._failed(pending.url, error)
            else:
                self._again.append(pending._replace(is_repeated=True))
        except SitemapUnreadable as error:
            yield self._failed(pending.url, error)
        self._pending.extendleft(reversed(listed))

    def _locations(self, pending: _Pending) -> Iterator[tuple[str, Location]]:
        """Yield each location of a sitemap, with the URL from which the sitemap was read."""

        def check(url: str) -> None:
            if url in self._read_urls:
                raise _AlreadyRead
            if pending.listed_by and not self._is_own(url, pending.listed_by):
                raise SitemapUnreadable(f"redirected to {shorten(url, 200)}, {_refusal(pending.listed_by)}")

        left = 1 + len(self._pending) + len(self._again)
        url, raw = self._requests.download(pending.url, check=check, left=left)
        text = sitemap_text(raw, max_bytes=self._max_bytes, check_deadline=self._budget.remaining)
        for location in locations(text, url, max_parts=self._max_bytes // BYTES_PER_PART):
            yield url, location
        self._read_urls.add(url)

    def _is_own(self, url: str, index: str) -> bool:
        """Return whether a sitemap that an index lists may be requested."""
        return self._reads_foreign or is_same_site(url, index) or is_same_site(url, self._first)

    def _child(self, index: str, location: Location, depth: int) -> _Pending | UnreadSitemap | None:
        """Return the sitemap that an index lists; None if it has been listed before, or is over the limit."""
        try:
            url = check_url(resolve_url(index, location.url))
        except ValueError as error:
            return self._failed(shorten(location.url, 200), SitemapUnreadable(f"listed by {index}, {error}"))
        if depth > MAX_DEPTH:
            return self._failed(url, SitemapUnreadable(f"more than {MAX_DEPTH} indexes lead to it"))
        if url in self._listed_urls or url in self._refused_urls:
            return None
        if not self._is_own(url, index):
            if len(self._refused_urls) < MAX_REFUSED:
                self._refused_urls.add(url)
            return self._failed(url, SitemapUnreadable(_refusal(index)))
        if len(self._listed_urls) >= MAX_SITEMAPS:
            self._over_limit += 1
            return None
        self._listed_urls.add(url)
        return _Pending(url, index, depth)

    def _failed(self, url: str, error: SitemapUnavailable | SitemapUnreadable) -> UnreadSitemap:
        # If nothing can be read, the request should be repeated if a repetition may help.
        is_first_temporary = isinstance(error, SitemapUnavailable) and isinstance(
            self._error, SitemapUnreadable
        )
        if self._error is None or is_first_temporary:
            self._error = type(error)(f"{url}: {error}")
        return UnreadSitemap(url, str(error))


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
