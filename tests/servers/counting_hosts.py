"""Several hosts of one site, which count the requests that each of them has open at once."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<!doctype html><title>A page</title>"
HOLD_SECONDS = 60  #: no request is held for longer, so that no thread outlives a broken test


class Hosts:
    """What is open where, now and at most.

    Attributes:
        urls: host → its URL, without a slash at its end.
        open: host → requests under way now, robots.txt among them.
        peak: host → the most there were at once.
        answered: requests that had their answer.
    """

    def __init__(self) -> None:
        self.urls: dict[str, str] = {}
        self.open: dict[str, int] = defaultdict(int)
        self.peak: dict[str, int] = defaultdict(int)
        self.answered = 0
        self._change = threading.Condition()
        self._holding = True

    def pages(self, host: str, count: int) -> list[str]:
        """Return the URLs of `count` pages of a host."""
        return [f"{self.urls[host]}/page/{number}" for number in range(count)]

    def await_open(self, reached: Callable[[], bool], promise: str, seconds: float = 30) -> None:
        """Return once `reached` holds, while pages are held; fail with `promise`."""
        with self._change:
            assert self._change.wait_for(reached, seconds), f"not within {seconds} s: {promise}: {self.open}"

    def release(self) -> None:
        """Answer what is held, and all to come at once."""
        with self._change:
            self._holding = False
            self._change.notify_all()

    @contextmanager
    def request(self, host: str, path: str) -> Iterator[None]:
        """Count a request as open while the context is; a page's waits there until `release`."""
        with self._change:
            self.open[host] += 1
            self.peak[host] = max(self.peak[host], self.open[host])
            self._change.notify_all()
            if path.startswith("/page"):
                self._change.wait_for(lambda: not self._holding, HOLD_SECONDS)
        try:
            yield
        finally:
            with self._change:
                self.open[host] -= 1
                self.answered += 1
                self._change.notify_all()


@contextmanager
def serving_hosts(count: int) -> Iterator[Hosts]:
    """Serve `count` hosts, 127.0.0.2 and on, until the context ends. Pages are held until `release`."""
    hosts = Hosts()
    with ExitStack() as serving:
        for number in range(count):
            host = f"127.0.0.{number + 2}"
            server = ThreadingHTTPServer((host, 0), _handler(hosts, host))
            server.daemon_threads = True
            serving.callback(server.server_close)
            hosts.urls[host] = f"http://{host}:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name=host)
            thread.start()
            serving.callback(thread.join)
            serving.callback(server.shutdown)
        serving.callback(hosts.release)
        yield hosts


def _handler(hosts: Hosts, host: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with hosts.request(host, self.path):
                is_page = self.path.startswith("/page")
                body = PAGE if is_page else b""
            # Counted as over before it is answered: the next may be there before this thread goes on.
            self.send_response(200 if is_page else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing: the counts have it."""

    return Handler
