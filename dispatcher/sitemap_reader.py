"""Reads a sitemap and the sitemaps that it lists, within a time budget and limits of number and size."""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from contract.urls import check_url, resolve_url
from dispatcher.sitemap import decompress_sitemap, locations
from dispatcher.sitemap_entry import Location, SitemapUnreadable
from guarded_http.client import HttpClient
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.redirects import get_following_redirects
from guarded_http.scope import NetworkScope

MAX_SITEMAPS = (
    500  #: maximum number of sitemaps that are read for one crawl; sitemaps.org allows 50,000 in an index
)
MAX_DEPTH = 5  #: maximum number of indexes on the way to a sitemap; sitemaps.org allows one
MAX_REDIRECTS = 5  #: maximum number of redirects that are followed for one sitemap
ACCEPT = "application/xml, text/xml, */*;q=0.5"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)

#: For each kind of error, whether repeating the request may help. If so, `SitemapUnavailable` is raised, else
#: `SitemapUnreadable`.
IS_TEMPORARY = {
    FetchErrorKind.DNS: True,
    FetchErrorKind.CONNECT: True,
    FetchErrorKind.TLS: True,
    FetchErrorKind.TIMEOUT: True,
    FetchErrorKind.INCOMPLETE_BODY: True,
    FetchErrorKind.TOO_LARGE: False,
    FetchErrorKind.DECOMPRESSION_BOMB: False,
    FetchErrorKind.UNSUPPORTED_ENCODING: False,
    FetchErrorKind.REFUSED_ADDRESS: False,
    FetchErrorKind.TOO_MANY_REDIRECTS: False,
    FetchErrorKind.INVALID_REDIRECT: False,
}
if IS_TEMPORARY.keys() != set(FetchErrorKind):
    raise AssertionError("every kind of fetch error needs an entry")


class SitemapUnavailable(Exception):
    """The sitemap could not be read now, but repeating the request may help."""


class UnreadSitemap(NamedTuple):
    """A listed sitemap that was not read, or not completely; its other pages and the other sitemaps were.

    Attributes:
        url: the URL of the sitemap, or the text that an index lists instead of a URL.
        why: a sentence that says what is missing, and why.
    """

    url: str
    why: str


class _Pending(NamedTuple):
    """A sitemap to read: its URL, the number of indexes that lead to it, and whether it is read again."""

    url: str
    depth: int = 0
    is_repeated: bool = False


class _Budget:
    """The time that reading may take. Only downloads are counted, not the publishing between them."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._started = clock()

    def start(self) -> None:
        """Count the time from now on."""
        self._started = self._clock()

    def stop(self) -> None:
        """Stop counting until the next `start`."""
        self._seconds -= self._clock() - self._started

    def remaining(self) -> float:
        """Return the remaining seconds of a started budget; raise `SitemapUnavailable` if no time remains."""
        seconds = self._seconds - (self._clock() - self._started)
        if seconds <= 0:
            raise SitemapUnavailable("reading sitemaps took longer than the budget (SITEMAP_BUDGET_SECONDS)")
        return seconds


class SitemapReader:
    """Reads the page URLs of a sitemap, and of all sitemaps that it lists.

    Args:
        client: sends the requests.
        budget_seconds: seconds for downloading the sitemap and all sitemaps that it lists.
        max_bytes: the maximum size of one sitemap in bytes, as received and as decompressed.
        clock: returns monotonic seconds.
    """

    def __init__(
        self,
        client: HttpClient,
        *,
        budget_seconds: float,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._budget_seconds = budget_seconds
        self._max_bytes = max_bytes
        self._clock = clock

    def urls(self, sitemap: str, scope: NetworkScope | None = None) -> Iterator[str | UnreadSitemap]:
        """Yield page URLs, unchecked, in the order of the sitemaps; and each sitemap that could not be read.

        A listed sitemap that is temporarily not available is requested once more at the end.

        Args:
            sitemap: the URL of the first sitemap.
            scope: the addresses that may be contacted. It is restricted to public ones when a sitemap came
                from a public address.

        Raises:
            SitemapUnavailable: if there are no page URLs, because a site is down or too slow, or responds
                with 408, 425, 429 or 5xx.
            SitemapUnreadable: if there are no page URLs, because no sitemap can be read for another reason.
        """
        budget = _Budget(self._budget_seconds, self._clock)
        yield from _Reading(self, sitemap, budget, scope or NetworkScope()).urls()

    def download(self, url: str, budget: _Budget, scope: NetworkScope) -> tuple[str, bytes]:
        """Return the URL after redirects, and the decompressed bytes, of a sitemap.

        Raises:
            SitemapUnavailable, SitemapUnreadable: see `urls`.
        """
        budget.start()
        try:
            with get_following_redirects(
                self._client, url, budget, accept=ACCEPT, max_redirects=MAX_REDIRECTS, scope=scope
            ) as response:
                _check_status(response.status)
                raw = response.read_body(self._max_bytes)
            return response.url, decompress_sitemap(raw, max_bytes=self._max_bytes)
        except FetchError as error:
            setting = (
                " (FETCH_ALLOW_NETWORKS allows further networks)"
                if error.kind is FetchErrorKind.REFUSED_ADDRESS
                else ""
            )
            detail = f"{error.kind}, {error}{setting}"
            if IS_TEMPORARY[error.kind]:
                raise SitemapUnavailable(detail) from None
            raise SitemapUnreadable(detail) from None
        finally:
            budget.stop()


class _Reading:
    """The reading of one sitemap and all sitemaps that it lists."""

    def __init__(self, reader: SitemapReader, sitemap: str, budget: _Budget, scope: NetworkScope) -> None:
        self._reader = reader
        self._budget = budget
        self._scope = scope
        self._first = sitemap
        self._pending = deque([_Pending(sitemap)])
        self._seen = {sitemap}
        self._again: list[_Pending] = []
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
            url, sitemap = self._reader.download(pending.url, self._budget, self._scope)
            for location in locations(sitemap, url):
                if not location.is_sitemap:
                    yield _page_url(url, location)
                elif isinstance(child := self._listed(url, location, pending.depth + 1), UnreadSitemap):
                    yield child
                elif child is not None:
                    listed.append(child)
        except SitemapUnavailable as error:
            if pending.is_repeated or pending.url == self._first:
                yield self._failed(pending.url, error)
            else:
                self._again.append(pending._replace(is_repeated=True))
        except SitemapUnreadable as error:
            yield self._failed(pending.url, error)
        self._pending.extendleft(reversed(listed))

    def _listed(self, index: str, location: Location, depth: int) -> _Pending | UnreadSitemap | None:
        """Return the sitemap that an index lists; None if it has been listed before, or is over the limit."""
        try:
            url = check_url(resolve_url(index, location.url))
        except ValueError as error:
            return self._failed(location.url[:200], SitemapUnreadable(f"listed by {index}, {error}"))
        if depth > MAX_DEPTH:
            return self._failed(url, SitemapUnreadable(f"more than {MAX_DEPTH} indexes lead to it"))
        if url in self._seen:
            return None
        if len(self._seen) >= MAX_SITEMAPS:
            self._over_limit += 1
            return None
        self._seen.add(url)
        return _Pending(url, depth)

    def _failed(self, url: str, error: SitemapUnavailable | SitemapUnreadable) -> UnreadSitemap:
        # If nothing can be read, the request should be repeated if a repetition may help.
        is_first_temporary = isinstance(error, SitemapUnavailable) and isinstance(
            self._error, SitemapUnreadable
        )
        if self._error is None or is_first_temporary:
            self._error = type(error)(f"{url}: {error}")
        return UnreadSitemap(url, str(error))


def _page_url(sitemap: str, location: Location) -> str:
    """Return the URL of a page. A path is resolved; other text without a scheme is probably an error."""
    if location.url.startswith("/") and not _SCHEME.match(location.url):
        try:
            return resolve_url(sitemap, location.url)
        except ValueError:
            return location.url
    return location.url


def _check_status(status: int) -> None:
    if status in {408, 425, 429} or status >= 500:
        raise SitemapUnavailable(f"the site answered {status}")
    if status != 200:
        raise SitemapUnreadable(f"the site answered {status}")
