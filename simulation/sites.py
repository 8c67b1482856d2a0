"""Models the sites: what each page gives, how long it takes, and when a site is out of order.

A site also keeps a log of all requests, by which the rate limits are checked.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Literal, NamedTuple, Self
from urllib.parse import urlsplit

from greenlet import getcurrent

from guarded_http.errors import Deadline, FetchError, FetchErrorKind
from guarded_http.request import PLAIN_GET, HttpRequest
from simulation.scheduler import Scheduler

PageKind = Literal["ok", "flaky", "always_503", "gone", "missing_field", "moved"]
TroubleKind = Literal["outage", "hang", "throttle", "unresolved"]
#: Seconds after which the client gives up a server that does not answer, as `timeout`.
SOCKET_TIMEOUT = 20.0
LOOKUP_SECONDS = 9.0  #: seconds until the lookup of a name fails whose DNS servers are silent


class PageTruth(NamedTuple):
    """What a site gives at one URL.

    Attributes:
        kind: how the page behaves.
        failures: number of requests that a flaky page answers with 503 before it is served.
        next_url: the link to the next page, as written on the page; `""` without one.
    """

    kind: PageKind = "ok"
    failures: int = 0
    next_url: str = ""


class Trouble(NamedTuple):
    """A time in which a site is out of order.

    Attributes:
        kind: what is wrong.
        start: its first second, seconds since the epoch.
        end: its last second.
        retry_after: seconds of Retry-After in the 429 responses of a throttle; 0 for none.
        as_date: whether Retry-After is an HTTP date instead of seconds.
    """

    kind: TroubleKind
    start: float
    end: float
    retry_after: float = 0.0
    as_date: bool = False


@dataclass(slots=True, eq=False)
class Request:
    """One request to a page, as the site saw it.

    Attributes:
        url: the URL.
        started_at: when it arrived, seconds since the epoch.
        push: the push in which the worker sent it; None outside a push.
        ended_at: when its response had been sent; infinity until then.
        status: the HTTP status; 0 if there was no response.
        retry_after: seconds of Retry-After; 0 without the header.
    """

    url: str
    started_at: float
    push: object
    ended_at: float = float("inf")
    status: int = 0
    retry_after: float = 0.0


class Response:
    """A response with the interface of `guarded_http.response.HttpResponse`."""

    def __init__(self, url: str, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.url = url
        self.request = PLAIN_GET
        self.status = status
        self.received = len(body)
        self.is_public = True
        self._body = body
        self._headers = headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: there is no connection."""

    @property
    def content_type(self) -> str:
        """The Content-Type header."""
        return self.header("Content-Type")

    @property
    def location(self) -> str:
        """The Location header of a redirect."""
        return self.header("Location") if self.status in {301, 302, 303, 307, 308} else ""

    def header(self, name: str) -> str:
        """Return the value of a header field; `""` if missing."""
        return self._headers.get(name, "")

    def read_body(self, max_bytes: int, *, truncate: bool = False, before_large: object = None) -> bytes:
        """Return the body."""
        del max_bytes, truncate, before_large
        return self._body


@dataclass
class Site:
    """One host.

    Attributes:
        scheduler: the clock, and the source of random latencies.
        host: the host's name.
        seconds: mean response time.
        crawl_delay: Crawl-delay in robots.txt, seconds; 0 without one.
        spread: by which fraction of the mean a response time is shorter or longer at most.
        pages: path → what it gives.
        troubles: when the site is out of order.
        clock_error: seconds by which the site's clock is fast.
        requests: all requests to pages, in the order of their arrival.
        robots_requests: all requests to robots.txt.
        hits: number of requests by path.
    """

    scheduler: Scheduler
    host: str
    seconds: float
    crawl_delay: float = 0.0
    spread: float = 0.5
    pages: dict[str, PageTruth] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    clock_error: float = 0.0
    requests: list[Request] = field(default_factory=list)
    robots_requests: list[Request] = field(default_factory=list)
    hits: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def get(self, url: str, deadline: Deadline) -> Response:
        """Respond to a request; the calling greenlet waits for as long as the response takes.

        Raises:
            FetchError: if the site is out of order.
        """
        path = split(url)[1]
        request = Request(url, self.scheduler.now, getattr(getcurrent(), "push", None))
        is_robots = path == "/robots.txt"
        (self.robots_requests if is_robots else self.requests).append(request)
        self.hits[path] += 1
        try:
            self._obstruct(url, deadline)
            response = self._throttled(url, request) or (self._robots if is_robots else self._page)(url, path)
            request.status = response.status
        finally:
            request.ended_at = self.scheduler.now
        return response

    def look_up(self, url: str, seconds: float) -> bool:
        """Return whether the host's name is resolved; the calling greenlet waits until the lookup fails.

        Raises:
            FetchError: if the name cannot be resolved.
        """
        trouble = self._trouble()
        if trouble is None or trouble.kind != "unresolved":
            return True
        if seconds > 0:
            self.scheduler.sleep(min(LOOKUP_SECONDS, seconds))
        if seconds < LOOKUP_SECONDS:
            return False
        raise FetchError(FetchErrorKind.DNS, "the name was not resolved", url=url)

    def _trouble(self) -> Trouble | None:
        now = self.scheduler.now
        return next((each for each in self.troubles if each.start <= now < each.end), None)

    def _obstruct(self, url: str, deadline: Deadline) -> None:
        """Raise the error of a site that cannot be reached."""
        trouble, sleep = self._trouble(), self.scheduler.sleep
        if trouble is None or trouble.kind == "throttle":
            return
        if trouble.kind == "outage":
            sleep(0.2)
            raise FetchError(FetchErrorKind.CONNECT, "connection refused", url=url)
        if trouble.kind == "unresolved":
            self.look_up(url, min(LOOKUP_SECONDS, deadline.remaining()))
        sleep(min(SOCKET_TIMEOUT, deadline.remaining()))
        deadline.remaining()
        raise FetchError(FetchErrorKind.TIMEOUT, "no response", url=url)

    def _throttled(self, url: str, request: Request) -> Response | None:
        """Return a 429, if the site sends one to every request now."""
        trouble = self._trouble()
        if trouble is None:
            return None
        self.scheduler.sleep(0.1)
        headers = {"Date": self._date(0.0)}
        if trouble.retry_after:
            request.retry_after = trouble.retry_after
            seconds = f"{trouble.retry_after:.0f}"
            headers["Retry-After"] = self._date(trouble.retry_after) if trouble.as_date else seconds
        return Response(url, 429, b"", headers)

    def _date(self, seconds: float) -> str:
        """Return the HTTP date that is some seconds ahead, by the site's clock."""
        date = datetime.fromtimestamp(self.scheduler.now + self.clock_error + seconds, UTC)
        return format_datetime(date, usegmt=True)

    def _robots(self, url: str, path: str) -> Response:
        del path
        self.scheduler.sleep(0.05)
        if not self.crawl_delay:
            return Response(url, 404, b"", {})
        text = f"User-agent: *\nCrawl-delay: {self.crawl_delay:g}\n"
        return Response(url, 200, text.encode(), {"Content-Type": "text/plain"})

    def _page(self, url: str, path: str) -> Response:
        self.scheduler.sleep(self.scheduler.random.uniform(1 - self.spread, 1 + self.spread) * self.seconds)
        page = self.pages.get(path)
        if page is None or page.kind == "gone":
            return Response(url, 404, b"", {})
        if page.kind == "always_503":
            return Response(url, 503, b"", {})
        if page.kind == "flaky" and self.hits[path] <= page.failures:
            return Response(url, 503, b"", {})
        if page.kind == "moved":
            return Response(url, 302, b"", {"Location": f"{path}/moved"})
        document = {"next": page.next_url} if page.next_url else {}
        if page.kind != "missing_field":
            document["id"] = item_id(url)
        return Response(url, 200, json.dumps(document).encode(), {"Content-Type": "application/json"})


class SiteClient:
    """Sends requests to the modelled sites, with the interface of `guarded_http.client.HttpClient`."""

    def __init__(self, sites: dict[str, Site]) -> None:
        self._sites = sites

    def look_up(self, url: str, seconds: float) -> bool:
        """Look up the host of `url`; see `HttpClient.look_up`."""
        return self._sites[split(url)[0]].look_up(url, seconds)

    def send(  # noqa: PLR0913 - the arguments are those of HttpClient.send
        self,
        url: str,
        deadline: Deadline,
        request: HttpRequest,
        *,
        accept: str = "*/*",
        cookies: object = None,
        scope: object = None,
    ) -> Response:
        """Request `url`; see `HttpClient.send`."""
        del request, accept, cookies, scope
        return self._sites[split(url)[0]].get(url, deadline)


@lru_cache(maxsize=20_000)
def split(url: str) -> tuple[str, str]:
    """Return the host and the path of a URL."""
    parts = urlsplit(url)
    return parts.netloc, parts.path


def item_id(url: str) -> str:
    """Return the value of the field `id` on the page at `url`."""
    host, path = split(url)
    return f"{host}{path.removesuffix('/moved')}"
