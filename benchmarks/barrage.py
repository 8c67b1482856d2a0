"""Measure how long healthy pages take alone, and beside a barrage of hostile sites and pages, on one worker.

Run `python -m benchmarks.barrage [--pages 200] [--rounds 3] [--hanging 80]`. The rounds alternate, so that
other work of the machine affects both. A healthy page takes 200 ms and 36 KB.
"""

import argparse
import gzip
import secrets
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from benchmarks.pages_of_200_ms import RECIPE, slow_site
from tests.hostile.barrage import running_pubsub
from tests.hostile.pages import PAGES
from tests.hostile.pairs import PAIRS
from tests.servers.dns_server import SILENT, running_dns_server
from tests.servers.pushes import job, push
from tests.servers.site import PendingRequest, Site, http, running_site
from tests.servers.worker_process import WorkerProcess, running_worker

DRIPPING = 20  #: number of sites that send a byte each second
BOMBS = 10  #: number of pages of a few kilobytes that are decoded to 256 MiB
PAIR_BYTES = 1_000_000
CLIENTS = 10  #: number of healthy pages that are requested at the same time
BUDGETS = {"PAGE_BUDGET_SECONDS": "40", "WAIT_BUDGET_SECONDS": "520"}  # those that are deployed


def push_job(worker: WorkerProcess, url: str, recipe: dict[str, Any]) -> int:
    """Push a job and return the HTTP status of the response."""
    body = push(job(url=url, recipe=recipe), message_id=secrets.token_hex(8))
    return worker.request("POST", "/", body)[0]


def healthy_seconds(worker: WorkerProcess, site: str, pages: int) -> list[float]:
    """Return how long each of `pages` healthy pages took, in seconds."""

    def measure(number: int) -> float:
        started = time.monotonic()
        status = push_job(worker, f"{site}/page/{number}", RECIPE)
        if status != 204:
            raise SystemExit(f"a healthy page ended with {status}")
        return time.monotonic() - started

    with ThreadPoolExecutor(CLIENTS) as threads:
        return list(threads.map(measure, range(pages)))


@contextmanager
def barrage(worker: WorkerProcess, site: Site, hanging: int) -> Iterator[list[Future[int]]]:
    """Push all hostile jobs at once; wait at the end of the block until each was answered."""
    title = {"name": "r", "fields": {"title": {"css": "h1"}}}
    attacks: list[tuple[str, dict[str, Any]]] = [
        (f"http://host-{number}.dead-{number % 8}.example/", title) for number in range(hanging)
    ]
    attacks += [(site.add("/drip", _drip), title)] * DRIPPING
    attacks += [(site.add("/bomb", _bomb()), title)] * BOMBS
    for number, pair in enumerate(PAIRS):
        page = PAGES[pair.page](PAIR_BYTES)
        url = site.add(f"/pair/{number}", http(200, page.body, content_type=page.content_type))
        attacks.append((url, {"name": "r", **pair.recipe}))
    with ThreadPoolExecutor(len(attacks)) as threads:
        yield [threads.submit(push_job, worker, url, recipe) for url, recipe in attacks]


def _drip(request: PendingRequest) -> None:
    request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    request.send_slowly(b"a" * 1000, seconds_per_byte=1.0)


def _bomb() -> bytes:
    return http(200, gzip.compress(bytes(256 * 1024**2)), "Content-Encoding: gzip")


def percentile_95(seconds: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(seconds, n=20)[-1]


def print_result(alone: list[float], beside: list[float]) -> None:
    """Print the percentiles of all rounds so far."""
    print(
        f"95 % of the healthy pages take at most {percentile_95(alone):.2f} s alone, "
        f"and {percentile_95(beside):.2f} s beside the barrage: "
        f"{percentile_95(beside) / percentile_95(alone):.2f} times as long"
    )


def main() -> None:
    """Run the rounds and print the percentiles."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--pages", type=int, default=200, help="healthy pages of each round")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--hanging", type=int, default=80, help="host names whose DNS server never responds")
    chosen = options.parse_args()
    alone, beside = list[float](), list[float]()
    with (
        running_pubsub() as host,
        slow_site(0.2) as healthy_site,
        running_site() as site,
        running_dns_server({"example": SILENT}) as dns,
        running_worker(host, CONCURRENCY="300", DNS_SERVERS=dns.address, **BUDGETS) as worker,
    ):
        for _ in range(chosen.rounds):
            alone += healthy_seconds(worker, healthy_site, chosen.pages)
            with barrage(worker, site, chosen.hanging) as attacks:
                beside += healthy_seconds(worker, healthy_site, chosen.pages)
                running = sum(not each.done() for each in attacks)
                print_result(alone, beside)
                print(f"waiting for {running} of {len(attacks)} attacks, up to ten minutes", flush=True)


if __name__ == "__main__":
    main()
