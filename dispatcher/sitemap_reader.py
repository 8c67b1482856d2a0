"""Reads a sitemap and the sitemaps that it lists, within a time budget and a size limit."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

from contract.urls import check_url
from dispatcher.sitemap import SitemapUnreadable, decompress_sitemap, locations
from guarded_http.client import HttpClient
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.redirects import get_following_redirects

MAX_SITEMAPS = 500  #: maximum number of sitemaps in an index; sitemaps.org allows 50,000
MAX_REDIRECTS = 5  #: maximum number of redirects that are followed for one sitemap
ACCEPT = "application/xml, text/xml, */*;q=0.5"

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


@dataclass(frozen=True)
class _Deadline:
    """The time by which a sitemap and the sitemaps that it lists must have been read.

    Attributes:
        until: monotonic seconds.
    """

    until: float

    def remaining(self) -> float:
        """Return the remaining seconds; raise `SitemapUnavailable` if no time remains."""
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise SitemapUnavailable("the sitemap took longer than its budget (SITEMAP_BUDGET_SECONDS)")
        return seconds


class SitemapReader:
    """Reads the page URLs of a sitemap or sitemap index.

    Args:
        client: sends the requests.
        budget_seconds: seconds for the sitemap and all sitemaps that it lists.
        max_bytes: the maximum size of one sitemap in bytes, as received and as decompressed.
    """

    def __init__(self, client: HttpClient, *, budget_seconds: float, max_bytes: int) -> None:
        self._client = client
        self._budget_seconds = budget_seconds
        self._max_bytes = max_bytes

    def urls(self, sitemap: str) -> Iterator[str]:
        """Yield page URLs, unchecked, in the order of the sitemap.

        Raises:
            SitemapUnavailable: if the site is down or too slow, or responds with 408, 425, 429 or 5xx.
            SitemapUnreadable: if the sitemap cannot be read for another reason.
        """
        deadline = _Deadline(time.monotonic() + self._budget_seconds)
        sitemaps: list[str] = []
        for location in locations(self._read(sitemap, deadline)):
            if not location.is_sitemap:
                yield location.url
            elif len(sitemaps) < MAX_SITEMAPS:
                sitemaps.append(_check_listed(sitemap, location.url))
            else:
                raise SitemapUnreadable(f"the index lists more than {MAX_SITEMAPS} sitemaps")
        for listed in sitemaps:
            # A listed sitemap may itself be an index, which sitemaps.org does not allow. Its sitemaps are not
            # read.
            pages = locations(self._read(listed, deadline))
            yield from (page.url for page in pages if not page.is_sitemap)

    def _read(self, url: str, deadline: _Deadline) -> bytes:
        try:
            return decompress_sitemap(self._download(url, deadline), max_bytes=self._max_bytes)
        except FetchError as error:
            setting = (
                " (FETCH_ALLOW_NETWORKS allows further networks)"
                if error.kind is FetchErrorKind.REFUSED_ADDRESS
                else ""
            )
            detail = f"{url}: {error.kind}, {error}{setting}"
            if IS_TEMPORARY[error.kind]:
                raise SitemapUnavailable(detail) from None
            raise SitemapUnreadable(detail) from None
        except (SitemapUnavailable, SitemapUnreadable) as error:
            raise type(error)(f"{url}: {error}") from None

    def _download(self, url: str, deadline: _Deadline) -> bytes:
        with get_following_redirects(
            self._client, url, deadline, accept=ACCEPT, max_redirects=MAX_REDIRECTS
        ) as response:
            _check_status(response.status)
            return response.read_body(self._max_bytes)


def _check_status(status: int) -> None:
    if status in {408, 425, 429} or status >= 500:
        raise SitemapUnavailable(f"the site answered {status}")
    if status != 200:
        raise SitemapUnreadable(f"the site answered {status}")


def _check_listed(index: str, url: str) -> str:
    try:
        return check_url(urljoin(index, url))
    except ValueError as error:
        raise SitemapUnreadable(f"the index lists an invalid URL {url[:200]!r}: {error}") from None
