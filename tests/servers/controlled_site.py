"""Runs a web server that chooses the response by the path: 200, 404, 429, 500, or a delayed 200."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from werkzeug import Request, Response

from tests.servers.http_server import serving
from tests.servers.waiting import MAX_WAIT_SECONDS

#: Seconds in the Retry-After header of the first response for each path that begins with /later.
RETRY_AFTER_SECONDS: Final = 2
SLOW_SECONDS: Final = 0.5  #: seconds until the response for a path that begins with /slow


def html_page(title: str, status: int = 200) -> Response:
    """Return an HTML page with this title."""
    page = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(page, status, content_type="text/html; charset=utf-8")


class Site:
    """A test server that records its requests and chooses the status by the path.

    - ``/fails/…``: 500.
    - ``/missing/…``: 404.
    - ``/slow/…``: 404 after half a second.
    - ``/later/…``: 429 for the first request, then 200.
    - ``/held/…``: 200; after ``hold()`` the response is delayed until ``release()``.
    - all other paths: 200.

    Attributes:
        url: the site's URL without a slash at its end.
        requests: the arrival times of the requests by path (time.monotonic()).
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: dict[str, list[float]] = defaultdict(list)
        self._changed = threading.Condition()
        self._is_holding = False

    def pages(self, count: int, prefix: str = "page") -> list[str]:
        """Return the URLs of `count` pages below `prefix`."""
        return [f"{self.url}/{prefix}/{number}" for number in range(count)]

    def hold(self) -> None:
        """Delay the responses for paths that begin with /held until `release` is called."""
        with self._changed:
            self._is_holding = True

    def release(self) -> None:
        """Respond to the held requests, and respond to later requests without delay."""
        with self._changed:
            self._is_holding = False
            self._changed.notify_all()

    def await_requests(self, path: str, count: int) -> None:
        """Return as soon as `path` was requested `count` times.

        Raises:
            AssertionError: fewer than `count` requests arrived before the timeout.
        """
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests[path]) >= count, MAX_WAIT_SECONDS), (
                f"{path} was requested {len(self.requests[path])} times instead of {count}"
            )

    def respond(self, request: Request) -> Response:
        """Record a request, wait while the path is held, and return the response."""
        path = request.path
        with self._changed:
            self.requests[path].append(time.monotonic())
            self._changed.notify_all()
            is_first = len(self.requests[path]) == 1
            if path.startswith("/held"):
                self._changed.wait_for(lambda: not self._is_holding, MAX_WAIT_SECONDS)
        if path.startswith("/slow"):
            time.sleep(SLOW_SECONDS)
        if path.startswith("/later") and is_first:
            response = html_page(path, 429)
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
            return response
        return html_page(
            path, {"/fails": 500, "/missing": 404, "/slow": 404}.get(path.rpartition("/")[0] or path, 200)
        )


@contextmanager
def serving_site() -> Iterator[Site]:
    """Serve a site on a free port until the block ends."""
    site = Site()
    with serving(site.respond) as site.url:
        try:
            yield site
        finally:
            site.release()
