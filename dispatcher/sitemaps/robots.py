"""Reads the robots.txt of the sites whose sitemaps are requested, once for each crawl."""

from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from dispatcher.sources.reading_budget import ReadingBudget
from dispatcher.sources.source import SourceUnavailable, SourceUnreadable
from guarded_http.client import HttpClient
from guarded_http.errors import FetchError, FetchErrorKind
from guarded_http.redirects import follow_redirects
from guarded_http.robots import MAX_ROBOTS_BYTES, RobotRules, named_sitemaps
from guarded_http.scope import NetworkScope

MAX_REDIRECTS = 5  #: maximum number of redirects that are followed (RFC 9309 section 2.3.1.2)
ACCEPT = "text/plain, */*;q=0.5"


class RobotsFile(NamedTuple):
    """What a site's robots.txt says.

    Attributes:
        url: the URL of the file, after redirects.
        rules: the rules for this crawler.
        sitemaps: the sitemaps that it names, unchecked.
        is_public: whether the file came from a public address.
    """

    url: str
    rules: RobotRules
    sitemaps: list[str]
    is_public: bool


class SitemapRobots:
    """The robots.txt files of the sites of one crawl.

    Args:
        client: sends the requests.
        token: the product token of this crawler.
        budget: the time for all requests.
        respects_rules: whether the crawl respects the rules of robots.txt.
    """

    def __init__(
        self, client: HttpClient, token: str, budget: ReadingBudget, *, respects_rules: bool
    ) -> None:
        self._client = client
        self._token = token
        self._budget = budget
        self._respects_rules = respects_rules
        self._files: dict[tuple[str, bool], RobotsFile | SourceUnavailable | SourceUnreadable] = {}

    def check(self, url: str, scope: NetworkScope) -> float:
        """Return the Crawl-delay of the site of `url` in seconds; 0 if there is none.

        Args:
            url: the URL of a sitemap.
            scope: the addresses that may be contacted. It is restricted to public ones if the robots.txt came
                from a public address.

        Raises:
            SourceUnreadable: if the robots.txt disallows the URL.
            SourceUnavailable: if the robots.txt cannot be read now, which counts as a refusal (RFC 9309
                section 2.3.1.4).
        """
        if not self._respects_rules:
            return 0.0
        rules = self.file(url, scope).rules
        if not rules.is_allowed(url):
            why = f"{urlsplit(url).netloc}/robots.txt disallows it for {self._token or '*'}"
            raise SourceUnreadable(f"{why}; set politeness.respect_robots to false to read it")
        return rules.crawl_delay

    def file(self, url: str, scope: NetworkScope) -> RobotsFile:
        """Return the robots.txt of the site of `url`; see `check` for the scope.

        Raises:
            SourceUnreadable: if the host is at an address that is refused.
            SourceUnavailable: if the robots.txt cannot be read now.
        """
        # A refusal for a public site does not hold for the crawl's own sitemaps.
        key = (urljoin(url, "/robots.txt"), scope.public_only)
        if key not in self._files:
            self._files[key] = self._result(key[0], scope)
        file = self._files[key]
        if not isinstance(file, RobotsFile):
            raise type(file)(str(file))
        scope.public_only = scope.public_only or file.is_public
        return file

    def _result(
        self, robots_url: str, scope: NetworkScope
    ) -> RobotsFile | SourceUnavailable | SourceUnreadable:
        """Return the file or the error, which is kept, so that a host gets one request in any case."""
        try:
            return self._fetch(robots_url, scope)
        except (SourceUnavailable, SourceUnreadable) as error:
            return error

    def _fetch(self, robots_url: str, scope: NetworkScope) -> RobotsFile:
        try:
            with follow_redirects(
                self._client,
                robots_url,
                self._budget,
                accept=ACCEPT,
                max_redirects=MAX_REDIRECTS,
                scope=scope,
            ) as response:
                if response.status == 429 or response.status >= 500:
                    raise SourceUnavailable(f"{response.url} answered {response.status}")
                # RFC 9309 section 2.3.1.3: a missing file allows everything
                is_found = 200 <= response.status < 300
                body = response.read_body(MAX_ROBOTS_BYTES, truncate=True) if is_found else b""
                rules = RobotRules(body, self._token)
                return RobotsFile(response.url, rules, named_sitemaps(body), scope.public_only)
        except FetchError as error:
            if error.kind is FetchErrorKind.TOO_MANY_REDIRECTS:
                # RFC 9309 section 2.3.1.2: treated as a missing file
                return RobotsFile(robots_url, RobotRules(), [], scope.public_only)
            detail = f"{robots_url}: {error.kind}, {error}"
            if error.kind is FetchErrorKind.REFUSED_ADDRESS:
                raise SourceUnreadable(f"{detail} (FETCH_ALLOW_NETWORKS allows further networks)") from None
            raise SourceUnavailable(detail) from None
