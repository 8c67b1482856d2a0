"""Serves the demo's site and counts its requests: `python -m console.demo.site --port 8000`."""

import argparse
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from console.demo.pages import Page, load_shop, site_pages
from console.stack.ports import LOOPBACK

NOT_FOUND = Page(b"<!DOCTYPE html><h1>There is nothing here</h1>", status=404)
BROKEN = Page(b"<!DOCTYPE html><h1>Something went wrong on our side</h1>", status=500)


class Site:
    """The pages of the site, and the number of requests for each path. Thread-safe."""

    def __init__(self, address: str) -> None:
        self._pages = site_pages(load_shop(), address)
        self._requests = Counter[str]()
        self._lock = threading.Lock()

    def respond(self, path: str) -> Page:
        """Return the response to a GET request, and count the request unless `path` is `/requests.json`."""
        with self._lock:
            if path == "/requests.json":
                return Page(json.dumps(self._requests).encode(), "application/json")
            self._requests[path] += 1
            number = self._requests[path]
        page = self._pages.get(path, NOT_FOUND)
        fails = page.fails == "always" or (page.fails == "first" and number == 1)
        return BROKEN if fails else page


class SiteServer(ThreadingHTTPServer):
    """An HTTP server for the site, on the loopback interface."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.site = Site(f"http://{LOOPBACK}:{self.server_port}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SiteServer

    def do_GET(self) -> None:
        page = self.server.site.respond(self.path)
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page.body)


def main() -> None:
    """Serve on the port given by `--port` until the process is stopped."""
    parser = argparse.ArgumentParser(prog="python -m console.demo.site", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8000, help="port to listen on, on 127.0.0.1 (%(default)s)"
    )
    with SiteServer(parser.parse_args().port) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
