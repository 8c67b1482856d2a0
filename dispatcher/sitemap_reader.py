"""Reading a sitemap and its children from a site, within one budget of time and size."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

from contract.outcome import REASON_MEANINGS, Outcome
from contract.urls import check_url
from dispatcher.sitemap import SitemapUnreadable, locations, unpack
from guarded_http.client import HttpClient
from guarded_http.errors import FetchError

MAX_SITEMAPS = 500  #: children of an index that are read; sitemaps.org allows 50,000
MAX_REDIRECTS = 5
ACCEPT = "application/xml, text/xml, */*;q=0.5"


class SitemapUnavailable(Exception):
    """The site did not hand out its sitemap now; a repeat may help."""


@dataclass(frozen=True)
class _Deadline:
    """Until when a sitemap and its children are to be read.

    Attributes:
        until: monotonic seconds.
    """

    until: float

    def left(self) -> float:
        """See `guarded_http.errors.Deadline`."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise SitemapUnavailable("the sitemap took longer than its budget (SITEMAP_BUDGET_SECONDS)")
        return left


class SitemapReader:
    """Yields the page URLs of a sitemap or sitemap index.

    Args:
        web: asks for them.
        budget_seconds: for the sitemap and all its children.
        max_bytes: of one sitemap, unpacked.
    """

    def __init__(self, web: HttpClient, *, budget_seconds: float, max_bytes: int) -> None:
        self._web = web
        self._budget_seconds = budget_seconds
        self._max_bytes = max_bytes

    def urls(self, sitemap: str) -> Iterator[str]:
        """Yield page URLs, unchecked, in the order of the sitemap.

        Raises:
            SitemapUnavailable: the site is down, too slow, or answers 408, 429 or 5xx.
            SitemapUnreadable: what it answers is no sitemap.
        """
        deadline = _Deadline(time.monotonic() + self._budget_seconds)
        children: list[str] = []
        for location in locations(self._fetch(sitemap, deadline)):
            if not location.is_sitemap:
                yield location.url
            elif len(children) < MAX_SITEMAPS:
                children.append(_checked(sitemap, location.url, "it lists what"))
            else:
                raise SitemapUnreadable(f"it lists more than {MAX_SITEMAPS} sitemaps")
        for child in children:
            # An index lists no further indexes (sitemaps.org); one that does is not followed.
            yield from (page.url for page in locations(self._fetch(child, deadline)) if not page.is_sitemap)

    def _fetch(self, url: str, deadline: _Deadline) -> bytes:
        try:
            return unpack(self._download(url, deadline), max_bytes=self._max_bytes)
        except FetchError as wrong:
            fault = f"{url}: {wrong.reason}, {wrong}"
            if REASON_MEANINGS[wrong.reason].outcome is Outcome.FAILED:
                raise SitemapUnreadable(fault) from None
            raise SitemapUnavailable(fault) from None
        except (SitemapUnavailable, SitemapUnreadable) as wrong:
            raise type(wrong)(f"{url}: {wrong}") from None

    def _download(self, url: str, deadline: _Deadline) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            with self._web.get(url, deadline, accept=ACCEPT) as answer:
                if not answer.location:
                    _check_status(answer.status)
                    return answer.body(self._max_bytes)
                url = _checked(url, _utf8(answer.location), "it redirects to what")
        raise SitemapUnreadable(f"more than {MAX_REDIRECTS} redirects")


def _check_status(status: int) -> None:
    if status in {408, 425, 429} or status >= 500:
        raise SitemapUnavailable(f"the site answered {status}")
    if status != 200:
        raise SitemapUnreadable(f"the site answered {status}")


def _utf8(location: str) -> str:
    return location.encode("latin-1").decode(errors="replace")


def _checked(base: str, url: str, what: str) -> str:
    try:
        return check_url(urljoin(base, url))
    except ValueError as wrong:
        raise SitemapUnreadable(f"{what} is no URL of a sitemap: {wrong}") from None
