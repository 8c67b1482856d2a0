"""Measure a worker's memory over many pages: `python -m benchmarks.worker_memory [--pages 20000]`.

`python -m benchmarks.worker_memory --in-flight 100` measures all processes of a worker that waits for the
sites of so many jobs: gunicorn's two, the fork server and its children. Memory that they share counts once.

One worker process handles pushes for pages that differ in kind, size, text, host and recipe. One page in
twenty is missing, and up to one in twenty is encoded as windows-1252. The memory is read every 1,000 pages.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from threading import local

from aiohttp import web

from benchmarks.pages_of_200_ms import slow_site
from benchmarks.worker_class import push_body
from benchmarks.worker_process import Sender, await_port, worker_dependencies, worker_process
from console.stack.ports import free_port
from contract.recipe import Recipe

HOSTS = 200  #: number of hosts; each has its own robots.txt and connections
RECIPES = 50  #: number of different recipes
CONCURRENCY = 8  #: number of concurrent pushes
SITE_SECONDS = 3.0  #: how long the site of the jobs in flight takes to respond
STEP = 1000  #: number of pages between two readings of the memory


def page(number: int) -> tuple[bytes, str]:
    """Return the body and the content type of page `number`. No two pages are equal."""
    if number % 7 == 3:
        rows = [{"title": f"Row {number}/{row}", "price": row * number} for row in range(number % 300)]
        return json.dumps({"title": f"Rows {number}", "rows": rows}).encode(), "application/json"
    if number % 7 == 5:
        entries = "".join(f"<item><title>{number} {n}</title></item>" for n in range(number % 400))
        return f"<rss><channel><title>Feed {number}</title>{entries}</channel></rss>".encode(), "text/xml"
    section = (
        "<h2 class='c{n}'>Section {n} of {number}</h2><p id='p{number}-{n}'>Grüße, <a href='/{n}'>{n}</a></p>"
    )
    sections = "".join(section.format(n=n, number=number) for n in range(number * 37 % 1000))
    text = f"<!doctype html><title>Page {number}</title><h1>Page {number}</h1>{sections}"
    charset = "windows-1252" if number % 20 == 7 else "utf-8"
    return text.encode(charset), f"text/html; charset={charset}"


def recipe(number: int) -> Recipe:
    """Return the recipe for page `number`; there are RECIPES different recipes."""
    kind = number % RECIPES
    fields = {
        "title": {"sources": [{"css": "title"}, {"jmespath": "title"}]},
        "headings": {"css": f"h2:not(.c{kind})", "many": True},
        "links": {"css": "a::attr(href)", "type": "url", "many": True},
        "rows": {"jmespath": f"rows[?price > `{kind}`].title", "many": True},
        "number": {"css": "h1", "re": rf"(\d+){kind % 10}", "type": "integer"},
    }
    return Recipe.model_validate({"name": f"recipe-{kind}", "fields": fields})


def serve(port: int) -> None:
    """Serve the site on all interfaces: the pages' hosts are 127.0.0.1 to 127.0.199.1."""

    async def respond(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        if number % 20 == 9:
            return web.Response(status=404)
        body, content_type = page(number)
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/{number:[0-9]+}", respond)
    web.run_app(app, host="0.0.0.0", port=port, print=None, access_log=None)  # noqa: S104 - the pages have 200 hosts


@contextmanager
def site() -> Iterator[int]:
    """Run the site in a separate process; yield its port."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port,), daemon=True)
    process.start()
    try:
        await_port(port)
        yield port
    finally:
        process.kill()
        process.join()


def resident_mib(master: int) -> float:
    """Return the resident MiB of gunicorn's only worker process; `master` is gunicorn's process id."""
    [child] = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    status = Path(f"/proc/{child}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def processes(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children = (file.read_text().split() for file in Path(f"/proc/{pid}/task").glob("*/children"))
    return [pid, *(each for child in chain.from_iterable(children) for each in processes(int(child)))]


def proportional_mib(pid: int) -> float:
    """Return the MiB of a process; memory that n processes share counts as 1/n in each (proc(5), Pss)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.split("Pss:")[1].split()[0]) / 1024


def measure_in_flight(count: int) -> None:
    """Print the memory of each process while `count` jobs wait for their site."""
    variables = {"CONCURRENCY": str(count), "PAGE_CONCURRENCY": str(count)}
    with (
        worker_dependencies() as dependencies,
        slow_site(SITE_SECONDS) as url,
        worker_process(dependencies, auth="oidc", variables=variables) as (process, sender),
        ThreadPoolExecutor(count) as threads,
    ):
        await_port(sender.port)
        for each in range(2):  # the first time, the processes reach their usual size
            bodies = [push_body(f"{url}/page/{each * count + number}") for number in range(count)]
            pushes = [
                threads.submit(lambda body: sender.push(sender.connection(), body), body) for body in bodies
            ]
            time.sleep(SITE_SECONDS * 0.8)
            memory = {pid: proportional_mib(pid) for pid in processes(process.pid)}
            for push in pushes:
                push.result()
    print("| process | memory, MiB |\n|---|---|")
    for pid, mib in memory.items():
        print(f"| {pid} | {mib:.1f} |")
    print(f"| all {len(memory)} processes | {sum(memory.values()):.1f} |")


class ThreadedSender:
    """Sends pushes from several threads; each thread uses a separate connection."""

    def __init__(self, sender: Sender, port: int) -> None:
        self._sender = sender
        self._port = port
        self._thread = local()

    def push(self, number: int) -> None:
        """Push the job of page `number`."""
        if not hasattr(self._thread, "connection"):
            self._thread.connection = self._sender.connection()
        url = f"http://127.0.{number % HOSTS}.1:{self._port}/{number}"
        self._sender.push(
            self._thread.connection, push_body(url, recipe(number)), accepted=frozenset({204, 422})
        )


def main() -> None:
    """Push the pages and print the memory."""
    options = argparse.ArgumentParser(description="a worker's memory over many pages")
    options.add_argument("--pages", type=int, default=20_000)
    options.add_argument("--in-flight", type=int, help="measure once, with so many jobs that wait for a site")
    chosen = options.parse_args()
    if sys.platform != "linux":
        sys.exit("memory is read from /proc, which only Linux has")
    if chosen.in_flight:
        measure_in_flight(chosen.in_flight)
        return
    numbers = iter(range(chosen.pages))
    with (
        worker_dependencies() as dependencies,
        site() as port,
        worker_process(dependencies, auth="oidc") as (process, sender),
    ):
        await_port(sender.port)
        threaded_sender = ThreadedSender(sender, port)
        threaded_sender.push(0)
        print(
            f"| pages | memory, MiB | pages/s |\n|---|---|---|\n| 1 | {resident_mib(process.pid):.1f} | |",
            flush=True,
        )
        with ThreadPoolExecutor(CONCURRENCY) as threads:
            done = 0
            while step := list(islice(numbers, STEP)):
                started = time.monotonic()
                list(threads.map(threaded_sender.push, step))
                done += len(step)
                rate = len(step) / (time.monotonic() - started)
                print(f"| {done:,} | {resident_mib(process.pid):.1f} | {rate:.0f} |", flush=True)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
