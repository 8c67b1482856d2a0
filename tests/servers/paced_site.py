"""Runs a web site with listings that limits its visitors: by Crawl-delay, and by a 429 with Retry-After."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from werkzeug import Request, Response

from tests.servers.http_server import serving

#: A recipe for `PacedSite`: the items of a page, and of the pages that follow it.
LISTING_RECIPE = {
    "name": "listing",
    "items": "li",
    "fields": {"name": {"xpath": ".", "required": True}},
    "next": "a.next",
    "max_pages": 1000,
}


@dataclass
class PacedSite:
    """A site whose pages can be requested only so often.

    `/page/N` is a page. `/list/N` is page N of a listing; it has the items `N a` and `N b`, and a link to the
    next page.

    Attributes:
        crawl_delay: seconds of the Crawl-delay in robots.txt; 0 if robots.txt is missing.
        retry_after: seconds in the Retry-After of a 429, and for which all requests get this 429.
        refuse_from: number of the request, from 1, that gets the first 429; 0 if none does.
        last_page: number of the listing's last page.
        missing: paths that get a 404.
        url: the site's URL without a slash at its end.
        requests: the arrival time (monotonic seconds) and the path of each request but those for robots.txt.
        refused: the arrival times of the requests that got a 429.
    """

    crawl_delay: float = 0.0
    retry_after: int = 0
    refuse_from: int = 0
    last_page: int = 1
    missing: set[str] = field(default_factory=set)
    url: str = ""
    requests: list[tuple[float, str]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def pages(self, count: int) -> list[str]:
        """Return the URLs of `count` pages."""
        return [f"{self.url}/page/{number}" for number in range(count)]

    def respond(self, request: Request) -> Response:
        """Record a request, and return its response."""
        if request.path == "/robots.txt":
            text = f"User-agent: *\nCrawl-delay: {self.crawl_delay}\n" if self.crawl_delay else ""
            return Response(text, 200 if text else 404, content_type="text/plain")
        with self._lock:
            now = time.monotonic()
            self.requests.append((now, request.path))
            is_first = not self.refused and len(self.requests) == self.refuse_from
            if is_first or (self.refused and now < self.refused[0] + self.retry_after):
                self.refused.append(now)
                return Response("", 429, headers={"Retry-After": str(self.retry_after)})
        if request.path in self.missing:
            return Response("", 404)
        kind, _, number = request.path.strip("/").partition("/")
        follows = kind == "list" and int(number) < self.last_page
        link = f"/list/{int(number) + 1}" if follows else "javascript:void(0)"
        items = f"<title>{number}</title><li>{number} a</li><li>{number} b</li>"
        return Response(f"{items}<a class=next href='{link}'>next</a>", content_type="text/html")


@contextmanager
def serving_paced(site: PacedSite, host: str = "127.0.0.1") -> Iterator[PacedSite]:
    """Serve `site` on a free port of `host` until the block ends. All ports of a host have the same lanes."""
    with serving(site.respond, host) as site.url:
        yield site
