"""Serves the pages of a chaos run, and counts their requests: `python -m tests.journey.chaos.site --port N`.

It is a process of its own, so that no fault of the run reaches it. It listens on 127.0.0.1 and on 127.0.0.2;
the second host can go dark.
"""

import argparse
import asyncio
import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import requests
from aiohttp import web

from console.stack.ports import free_port
from contract.outcome import Reason
from tests.servers.processes import is_listening
from tests.servers.waiting import wait_until

HOST, DARK_HOST = "127.0.0.1", "127.0.0.2"
#: The kinds of pages, and the reasons for which a job of such a page may become a dead letter.
REASONS: dict[str, frozenset[Reason]] = {
    "page": frozenset(),
    "missing": frozenset({Reason.HTTP_404}),
    "broken": frozenset({Reason.HTTP_5XX}),
    "empty": frozenset({Reason.MISSING_FIELD}),
    "hang": frozenset({Reason.TIMEOUT, Reason.PAGE_BUDGET_EXCEEDED}),
    "drip": frozenset({Reason.TIMEOUT, Reason.PAGE_BUDGET_EXCEEDED}),
    "bomb": frozenset({Reason.DECOMPRESSION_BOMB}),
}
BOMB = gzip.compress(bytes(64 * 1024 * 1024))
#: Status, body and coding of the pages that do nothing else.
STATIC = {
    "missing": (404, b"", ""),
    "broken": (500, b"", ""),
    "empty": (200, b"<title>nothing here</title>", ""),
    "bomb": (200, BOMB, "gzip"),
}
DRIP_SECONDS = 0.2  #: seconds between two bytes of a page that drips
LINES_PER_CHUNK = 20  #: lines of the file of URLs that are sent at once
WAIT_SECONDS = 30.0  #: timeout of a request to the site by the run itself


class ChaosSite:
    """The pages, and what was requested.

    Args:
        seed: of the time that each page takes.
        seconds: longest time that a healthy page takes.
    """

    def __init__(self, seed: int, seconds: float) -> None:
        self._seed = seed
        self._seconds = seconds
        self._requests = Counter[str]()
        self._urls: list[str] = []
        self._holds: list[int] = []
        self._is_mended = False
        self._runner: web.AppRunner | None = None
        self._dark: web.TCPSite | None = None

    async def serve(self, port: int) -> None:
        """Serve on both hosts until the process ends."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/control", self.control)
        app.router.add_get("/progress.json", self.progress)
        app.router.add_get("/requests.json", self.requests)
        app.router.add_get("/urls.txt", self.urls)
        app.router.add_get("/{kind}/{number}", self.page)
        # A page that hangs or drips must end soon after its client has left.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        self._dark = web.TCPSite(self._runner, DARK_HOST, port)
        await self._dark.start()
        await asyncio.Event().wait()

    async def control(self, request: web.Request) -> web.Response:
        """Change the site: its URLs, where the file of them stops, its second host, or its broken pages."""
        change: dict[str, Any] = await request.json()
        self._urls = change.get("urls", self._urls)
        self._holds = change.get("holds", self._holds)
        if change.get("mended"):
            self._is_mended = True
            self._requests.clear()
        assert self._runner is not None
        if change.get("dark") is True and self._dark is not None:
            await self._dark.stop()
            self._dark = None
        if change.get("dark") is False and self._dark is None:
            self._dark = web.TCPSite(self._runner, DARK_HOST, request.url.port or 0)
            await self._dark.start()
        return web.Response()

    async def progress(self, _: web.Request) -> web.Response:
        """Return how many pages were requested."""
        return web.json_response({"pages": len(self._requests)})

    async def requests(self, _: web.Request) -> web.Response:
        """Return the number of requests of each page."""
        return web.json_response(self._requests)

    async def urls(self, request: web.Request) -> web.StreamResponse:
        """Send the file of URLs; a request for which a number of lines was set stops there for ever."""
        hold = self._holds.pop(0) if self._holds else len(self._urls)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        with suppress(ConnectionResetError):  # the dispatcher was killed
            await response.prepare(request)
            for start in range(0, hold, LINES_PER_CHUNK):
                lines = self._urls[start : min(hold, start + LINES_PER_CHUNK)]
                await response.write("".join(f"{line}\n" for line in lines).encode())
                await asyncio.sleep(0)
        if hold < len(self._urls):
            await asyncio.Event().wait()
        return response

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Count the request of a page, and respond as its kind does."""
        kind, number = request.match_info["kind"], request.match_info["number"]
        if kind not in REASONS:  # robots.txt is one
            return web.Response(status=404)
        assert request.transport is not None
        host = request.transport.get_extra_info("sockname")[0]
        if host == DARK_HOST and self._dark is None:  # a connection from before the host went dark
            request.transport.abort()
        self._requests[f"http://{host}:{request.url.port}{request.path}"] += 1
        if self._is_mended:
            kind = "page"
        if kind in STATIC:
            status, body, coding = STATIC[kind]
            headers = {"Content-Type": "text/html", **({"Content-Encoding": coding} if coding else {})}
            return web.Response(status=status, body=body, headers=headers)
        if kind == "hang":
            await asyncio.Event().wait()
        if kind == "drip":
            return await self._drip(request)
        await asyncio.sleep(Random(f"{self._seed} {number}").random() * self._seconds)
        return web.Response(text=f"<title>{number}</title><h1>{number}</h1>", content_type="text/html")

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        with suppress(ConnectionResetError):  # the worker was killed, or waits no longer
            await response.prepare(request)
            while True:
                await response.write(b"<")
                await asyncio.sleep(DRIP_SECONDS)
        return response


class SiteClient:
    """What a run asks of its site.

    Attributes:
        port: the port on both hosts.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._session = requests.Session()
        self._session.trust_env = False

    def url(self, path: str, host: str = HOST) -> str:
        """Return the URL of a path."""
        return f"http://{host}:{self.port}{path}"

    def control(self, **change: object) -> None:
        """Change the site; see `ChaosSite.control`."""
        self._session.post(self.url("/control"), json=change, timeout=WAIT_SECONDS).raise_for_status()

    def pages_requested(self) -> int:
        """Return how many pages were requested at least once."""
        return int(self._read("/progress.json")["pages"])

    def requests(self) -> Counter[str]:
        """Return the number of requests of each page, by its URL."""
        return Counter(self._read("/requests.json"))

    def _read(self, path: str) -> dict[str, int]:
        found: dict[str, int] = json.loads(self._session.get(self.url(path), timeout=WAIT_SECONDS).content)
        return found


def pages(site: SiteClient, seed: int, jobs: int, shares: Sequence[tuple[str, float]]) -> dict[str, str]:
    """Return `jobs` URLs in random order, each with the kind of its page.

    Args:
        site: the site.
        seed: of the order.
        jobs: number of URLs.
        shares: the kinds of pages other than healthy ones, each with its share of all pages; at least one
            page of each.
    """
    kinds = [kind for kind, share in shares for _ in range(max(1, round(jobs * share)))]
    kinds += ["page"] * (jobs - len(kinds))
    hosts = (HOST, DARK_HOST)
    made = [(site.url(f"/{kind}/{number}", hosts[number % 2]), kind) for number, kind in enumerate(kinds)]
    Random(seed).shuffle(made)
    return dict(made)


@contextmanager
def running_chaos_site(seed: int, seconds: float) -> Iterator[SiteClient]:
    """Run the site in a process until the block ends."""
    port = free_port()
    arguments = ["--port", str(port), "--seed", str(seed), "--seconds", str(seconds)]
    command = [sys.executable, "-m", "tests.journey.chaos.site", *arguments]
    # Ctrl-C reaches the whole foreground group; the site must live until the run has been judged.
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            wait_until(lambda: is_listening(port) or process.poll() is not None, "the site listens")
            assert process.poll() is None, "the site has ended"
            yield SiteClient(port)
        finally:
            process.kill()


def main() -> None:
    """Serve until the process is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.005)
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(ChaosSite(options.seed, options.seconds).serve(options.port))


if __name__ == "__main__":
    main()
