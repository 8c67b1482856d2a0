"""Runs a web site on several hosts and counts how many requests each host has open at the same time."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from werkzeug import Request, Response

from tests.servers.controlled_site import html_page
from tests.servers.http_server import serving
from tests.servers.waiting import MAX_WAIT_SECONDS


class Hosts:
    """Counts the open requests of each host and keeps the largest count.

    Attributes:
        urls: the URL of each host, without a slash at its end.
        open: number of open requests of each host, including requests for robots.txt.
        peak: the largest number of open requests that each host has had.
        finished: number of requests, of all hosts, whose response was returned.
    """

    def __init__(self) -> None:
        self.urls: dict[str, str] = {}
        self.open: dict[str, int] = defaultdict(int)
        self.peak: dict[str, int] = defaultdict(int)
        self.finished = 0
        self._changed = threading.Condition()
        self._is_holding = True

    def pages(self, host: str, count: int) -> list[str]:
        """Return the URLs of `count` pages of a host."""
        return [f"{self.urls[host]}/page/{number}" for number in range(count)]

    def await_open(self, fact: Callable[[], bool], describe: str) -> None:
        """Return as soon as `fact()` is true; it is checked whenever a request begins or ends.

        Raises:
            AssertionError: `fact()` did not become true before the timeout; `describe` begins the message.
        """
        with self._changed:
            assert self._changed.wait_for(fact, MAX_WAIT_SECONDS), f"{describe}: {dict(self.open)}"

    def release(self) -> None:
        """Respond to the held requests, and respond to later requests without delay."""
        with self._changed:
            self._is_holding = False
            self._changed.notify_all()

    def respond(self, host: str, request: Request) -> Response:
        """Count a request as open until its response is returned; a page waits until `release`."""
        is_page = request.path.startswith("/page")
        with self._changed:
            self.open[host] += 1
            self.peak[host] = max(self.peak[host], self.open[host])
            self._changed.notify_all()
            if is_page:
                self._changed.wait_for(lambda: not self._is_holding, MAX_WAIT_SECONDS)
            # End the count before the response is sent: the client may send its next request as soon as it
            # has the response.
            self.open[host] -= 1
            self.finished += 1
            self._changed.notify_all()
        return html_page("A page", 200 if is_page else 404)


@contextmanager
def serving_hosts(count: int) -> Iterator[Hosts]:
    """Serve `count` hosts, from 127.0.0.2 on, until the block ends. Pages are held until `release`."""
    hosts = Hosts()
    with ExitStack() as servers:
        for number in range(count):
            host = f"127.0.0.{number + 2}"
            hosts.urls[host] = servers.enter_context(serving(partial(hosts.respond, host), host))
        servers.callback(hosts.release)
        yield hosts
