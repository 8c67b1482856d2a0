"""Reading a sitemap and its children from a site, within one budget of time and size."""

import time
from collections.abc import Iterator
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError

from contract.urls import check_url
from dispatcher.sitemap import SitemapUnreadable, locations, unpack

MAX_SITEMAPS = 500  #: children of an index that are read; sitemaps.org allows 50,000
MAX_REDIRECTS = 5
CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS = 10


class SitemapUnavailable(Exception):
    """The site did not hand out its sitemap now; a repeat may help."""


class _OneAnswer(requests.Session):
    """A session to which every answer is the last: requests reads a redirect's whole body, however large."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        del resp


def open_session() -> requests.Session:
    """Return a session for sitemaps."""
    session = _OneAnswer()
    session.trust_env = False  # a crawl must not use this machine's proxies or .netrc passwords
    return session


class SitemapReader:
    """Yields the page URLs of a sitemap or sitemap index.

    Args:
        session: from `open_session`.
        budget_seconds: for the sitemap and all its children.
        max_bytes: of one sitemap, unpacked.
    """

    def __init__(self, session: requests.Session, *, budget_seconds: float, max_bytes: int) -> None:
        self._session = session
        self._budget_seconds = budget_seconds
        self._max_bytes = max_bytes

    def urls(self, sitemap: str) -> Iterator[str]:
        """Yield page URLs, unchecked, in the order of the sitemap.

        Raises:
            SitemapUnavailable: the site is down, too slow, or answers 408, 429 or 5xx.
            SitemapUnreadable: what it answers is no sitemap.
        """
        until = time.monotonic() + self._budget_seconds
        children: list[str] = []
        for location in locations(self._fetch(sitemap, until)):
            if not location.is_sitemap:
                yield location.url
            elif len(children) < MAX_SITEMAPS:
                children.append(_checked(sitemap, location.url, "it lists what"))
            else:
                raise SitemapUnreadable(f"it lists more than {MAX_SITEMAPS} sitemaps")
        for child in children:
            # An index lists no further indexes (sitemaps.org); one that does is not followed.
            yield from (page.url for page in locations(self._fetch(child, until)) if not page.is_sitemap)

    def _fetch(self, url: str, until: float) -> bytes:
        try:
            return unpack(self._download(url, until), max_bytes=self._max_bytes)
        except (requests.RequestException, HTTPError, OSError) as wrong:
            raise SitemapUnavailable(f"{url}: {wrong}") from None
        except SitemapUnreadable as wrong:
            raise SitemapUnreadable(f"{url}: {wrong}") from None

    def _download(self, url: str, until: float) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            left = _left(url, until)
            timeout = (min(CONNECT_SECONDS, left), left)
            with self._session.get(url, stream=True, timeout=timeout) as answer:
                if not answer.is_redirect:
                    _check_status(url, answer.status_code)
                    return self._read(url, answer, until)
                url = _checked(url, _location(answer), "it redirects to what")
        raise SitemapUnreadable(f"more than {MAX_REDIRECTS} redirects")

    def _read(self, url: str, answer: requests.Response, until: float) -> bytes:
        body = bytearray()
        # Not iter_content: it waits for a whole chunk, which a site that sends byte by byte never fills.
        while chunk := answer.raw.read1(CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > self._max_bytes:
                raise SitemapUnreadable(f"larger than {self._max_bytes} bytes")
            _left(url, until)
        return bytes(body)


def _left(url: str, until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise SitemapUnavailable(f"{url}: the sitemap took longer than its budget (SITEMAP_BUDGET_SECONDS)")
    return left


def _check_status(url: str, status: int) -> None:
    if status in {408, 425, 429} or status >= 500:
        raise SitemapUnavailable(f"{url}: the site answered {status}")
    if status != 200:
        raise SitemapUnreadable(f"the site answered {status}")


def _location(answer: requests.Response) -> str:
    return answer.headers["Location"].encode("latin-1").decode(errors="replace")


def _checked(base: str, url: str, what: str) -> str:
    try:
        return check_url(urljoin(base, url))
    except ValueError as wrong:
        raise SitemapUnreadable(f"{what} is no URL of a sitemap: {wrong}") from None
