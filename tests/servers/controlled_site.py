"""A small real site that a journey steers: pages that succeed, fail, come later, or wait to be let go."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = "<!doctype html><html><head><title>Page {path}</title></head><body><h1>{path}</h1></body></html>"
RETRY_AFTER_SECONDS = 2
HOLD_SECONDS = 60  #: no request is held for longer, so that no thread outlives a broken test


class Site:
    """What was asked, and when; and what is answered.

    Attributes:
        url: without a slash at its end.
        requests: path → monotonic times of its requests.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: dict[str, list[float]] = defaultdict(list)
        self._change = threading.Condition()
        self._holding = False

    def pages(self, count: int, prefix: str = "page") -> list[str]:
        """Return the URLs of `count` pages that succeed."""
        return [f"{self.url}/{prefix}/{number}" for number in range(count)]

    def hold(self) -> None:
        """Let no page below /held be answered until `release`."""
        with self._change:
            self._holding = True

    def release(self) -> None:
        """Answer the held requests, and all to come."""
        with self._change:
            self._holding = False
            self._change.notify_all()

    def await_requests(self, path: str, count: int, seconds: float = 30) -> None:
        """Return once `path` was asked for `count` times."""
        with self._change:
            assert self._change.wait_for(lambda: len(self.requests[path]) >= count, seconds), (
                f"{path} was asked for {len(self.requests[path])} times of {count} within {seconds} s"
            )

    def answer(self, path: str) -> int:
        """Note the request; wait while it is held; return the status to answer with."""
        with self._change:
            self.requests[path].append(time.monotonic())
            self._change.notify_all()
            if path.startswith("/held"):
                self._change.wait_for(lambda: not self._holding, HOLD_SECONDS)
            is_first = len(self.requests[path]) == 1
        if path.startswith("/later") and is_first:
            return 429
        return {"/fails": 500, "/missing": 404}.get(path.rpartition("/")[0] or path, 200)


@contextmanager
def serving_site() -> Iterator[Site]:
    """Serve a site on a free port until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status = site.answer(self.path)
            body = PAGE.format(path=self.path).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", str(RETRY_AFTER_SECONDS))
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing: `requests` has it."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: a worker that is killed hangs up in the middle, which is the point."""

    server = Server(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="site")
    thread.start()
    try:
        yield site
    finally:
        site.release()
        server.shutdown()
        thread.join()
        server.server_close()
