"""Downloads the sitemaps of one crawl: one after another, with pauses between requests."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from dispatcher.sitemaps.robots import SitemapRobots
from dispatcher.sources.fetch_errors import check_status, source_errors
from dispatcher.sources.reading_budget import ReadingBudget
from guarded_http.client import HttpClient
from guarded_http.redirects import follow_redirects
from guarded_http.scope import NetworkScope

MAX_REDIRECTS = 5  #: maximum number of redirects that are followed for one sitemap
MIN_DELAY_SECONDS = 0.1  #: minimum time between two requests to one host, also if the crawl sets no delay
ACCEPT = "application/xml, text/xml, */*;q=0.5"


class Downloads:
    """The requests for one crawl's sitemaps.

    Args:
        client: sends the requests.
        budget: the time for all requests and pauses.
        robots: the robots.txt files of the sites.
        max_bytes: the maximum size of a sitemap in bytes, as received and as decoded by its Content-Encoding.
        delay_seconds: the crawl's time between two requests to one host.
        clock: returns monotonic seconds.
        sleep: waits for a number of seconds.
    """

    def __init__(  # noqa: PLR0913 - the last two arguments let tests control the time
        self,
        client: HttpClient,
        budget: ReadingBudget,
        robots: SitemapRobots,
        *,
        max_bytes: int,
        delay_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._budget = budget
        self.robots = robots
        self._max_bytes = max_bytes
        self._delay_seconds = delay_seconds
        self._clock = clock
        self._sleep = sleep
        self._requested_at: dict[str, float] = {}

    def download(
        self,
        url: str,
        scope: NetworkScope,
        *,
        check: Callable[[str], object] = lambda _: None,
        left: int = 1,
    ) -> tuple[str, bytes]:
        """Return the URL after redirects, and the bytes, of a sitemap.

        Args:
            url: the URL of the sitemap.
            scope: the addresses that may be contacted.
            check: called with each URL before it is requested; raises an exception if it must not be.
            left: the number of sitemaps that are still to be read, with this one.

        Raises:
            SourceUnavailable: if repeating the request may help, or the budget is spent.
            SourceUnreadable: if the sitemap cannot be read.
            Exception: an exception of `check`.
        """

        def before_request(url: str) -> None:
            check(url)
            self._pause(url, max(self._delay_seconds, self.robots.check(url, scope)), left)

        with (
            source_errors(),
            follow_redirects(
                self._client,
                url,
                self._budget,
                accept=ACCEPT,
                max_redirects=MAX_REDIRECTS,
                before_request=before_request,
                scope=scope,
            ) as response,
        ):
            check_status(response.status)
            return response.url, response.read_body(self._max_bytes)

    def _pause(self, url: str, delay_seconds: float, left: int) -> None:
        """Wait until the host may be requested again.

        The delay is meant for its pages, and a large index has hundreds of sitemaps. So the pauses
        take at most about half of the remaining budget, or the last sitemaps could not be read.
        """
        host = urlsplit(url).netloc
        remaining = self._budget.remaining()
        delay = max(MIN_DELAY_SECONDS, min(delay_seconds, remaining / 2 / left))
        seconds = self._requested_at.get(host, float("-inf")) + delay - self._clock()
        if seconds > 0:
            self._sleep(min(seconds, remaining))
        self._requested_at[host] = self._clock()
