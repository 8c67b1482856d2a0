"""Reads the robots.txt of the sites whose sitemaps are requested, once for each reading."""

from urllib.parse import urljoin, urlsplit

from dispatcher.sitemap_budget import ReadingBudget
from dispatcher.sitemap_entry import SitemapUnavailable, SitemapUnreadable
from guarded_http.client import HttpClient
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.redirects import get_following_redirects
from guarded_http.robots import MAX_ROBOTS_BYTES, RobotRules
from guarded_http.scope import NetworkScope

MAX_REDIRECTS = 5  #: maximum number of redirects that are followed (RFC 9309 section 2.3.1.2)
ACCEPT = "text/plain, */*;q=0.5"


class SitemapRobots:
    """The robots.txt rules of the sites of one reading.

    Args:
        client: sends the requests.
        token: the product token of this crawler.
        budget: the time for all requests.
        scope: the addresses that may be contacted.
    """

    def __init__(self, client: HttpClient, token: str, budget: ReadingBudget, scope: NetworkScope) -> None:
        self._client = client
        self._token = token
        self._budget = budget
        self._scope = scope
        self._results: dict[str, RobotRules | SitemapUnavailable | SitemapUnreadable] = {}

    def check(self, url: str) -> float:
        """Return the Crawl-delay of the site of `url` in seconds; 0 if there is none.

        Raises:
            SitemapUnreadable: if the robots.txt disallows the URL.
            SitemapUnavailable: if the robots.txt cannot be read now, which counts as a refusal (RFC 9309
                section 2.3.1.4).
        """
        robots_url = urljoin(url, "/robots.txt")
        if robots_url not in self._results:
            self._results[robots_url] = self._result(robots_url)
        rules = self._results[robots_url]
        if not isinstance(rules, RobotRules):
            raise type(rules)(str(rules))
        if not rules.is_allowed(url):
            why = f"{urlsplit(url).netloc}/robots.txt disallows it for {self._token or '*'}"
            raise SitemapUnreadable(f"{why}; set politeness.respect_robots to false to read it")
        return rules.crawl_delay

    def _result(self, robots_url: str) -> RobotRules | SitemapUnavailable | SitemapUnreadable:
        """Return the rules or the error, which is kept, so that a host gets one request in any case."""
        try:
            return self._fetch(robots_url)
        except (SitemapUnavailable, SitemapUnreadable) as error:
            return error

    def _fetch(self, robots_url: str) -> RobotRules:
        try:
            with get_following_redirects(
                self._client,
                robots_url,
                self._budget,
                accept=ACCEPT,
                max_redirects=MAX_REDIRECTS,
                scope=self._scope,
            ) as response:
                if response.status == 429 or response.status >= 500:
                    raise SitemapUnavailable(f"{response.url} answered {response.status}")
                if not 200 <= response.status < 300:
                    return RobotRules()  # RFC 9309 section 2.3.1.3: a missing file allows everything
                return RobotRules(response.read_body(MAX_ROBOTS_BYTES, truncate=True), self._token)
        except FetchError as error:
            if error.kind is FetchErrorKind.TOO_MANY_REDIRECTS:
                return RobotRules()  # RFC 9309 section 2.3.1.2: treated as a missing file
            detail = f"{robots_url}: {error.kind}, {error}"
            if error.kind is FetchErrorKind.REFUSED_ADDRESS:
                raise SitemapUnreadable(f"{detail} (FETCH_ALLOW_NETWORKS allows further networks)") from None
            raise SitemapUnavailable(detail) from None
