"""Send 1,000 jobs on pages of 200 ms through the whole system on this machine.

Run `make bench`, or `python -m benchmarks.pages_of_200_ms [--jobs 1000] [--delay 0.2] [--rounds 3]`.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from console.stack.ports import free_port
from console.stack.services import StackOptions
from console.stack.stack import Stack

CONCURRENCY = 200  #: number of concurrent jobs; with 200 ms per page the maximum is 1,000 jobs per second
PAGES = {"PAGE_CONCURRENCY": str(CONCURRENCY)}  #: all of them may be fetched at the same time
TIMEOUT_SECONDS = 300
RECIPE = {
    "name": "page",
    "fields": {
        "title": {"css": "title", "required": True},
        "headings": {"xpath": "//h1|//h2|//h3", "many": True},
        "links": {"css": "a::attr(href)", "many": True},
        "first_paragraph": {"css": "p"},
    },
}


@contextmanager
def slow_site(delay: float) -> Iterator[str]:
    """Run, in a separate process, a site whose pages take `delay` seconds; yield its URL."""
    port = free_port()
    arguments = [sys.executable, "-m", "benchmarks.slow_site", "--port", str(port), "--delay", str(delay)]
    process = subprocess.Popen(arguments)
    try:
        url = f"http://127.0.0.1:{port}"
        _await_site(url)
        yield url
    finally:
        process.kill()
        process.wait()


def run(stack: Stack, site: str, jobs: int, name: str) -> float:
    """Dispatch `jobs` pages; return the seconds from the request until the last outcome is in the ledger."""
    urls = [f"{site}/page/{number}" for number in range(jobs)]
    crawl = {"name": name, "sources": {"urls": urls}, "recipe": RECIPE, "limits": {"max_jobs": jobs}}
    started = time.monotonic()
    response = requests.post(stack.dispatcher_url, json=crawl, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    while (accounting := stack.ledger.accounting(response.json()["run_id"])).succeeded < jobs:
        if time.monotonic() - started > TIMEOUT_SECONDS:
            sys.exit(f"the crawl is unfinished after {TIMEOUT_SECONDS} s: {accounting}")
        time.sleep(0.1)
    return time.monotonic() - started


def main() -> None:
    """Run the rounds and print the times."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--jobs", type=int, default=1000)
    options.add_argument("--delay", type=float, default=0.2, help="seconds")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with (
        tempfile.TemporaryDirectory() as data,
        slow_site(chosen.delay) as site,
        Stack(StackOptions(data=Path(data), concurrency=CONCURRENCY, environment=PAGES)) as stack,
    ):
        rounds = [run(stack, site, chosen.jobs, f"round-{n}") for n in range(chosen.rounds)]
    for number, seconds in enumerate(rounds, 1):
        print(f"round {number}: {chosen.jobs} jobs in {seconds:.1f} s, {chosen.jobs / seconds:.0f} jobs/s")
    print(f"median: {statistics.median(rounds):.1f} s")


def _await_site(url: str) -> None:
    for _ in range(100):
        try:
            requests.get(f"{url}/page/0", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"the site at {url} did not start")


if __name__ == "__main__":
    main()
