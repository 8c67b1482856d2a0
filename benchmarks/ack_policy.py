"""Measure how much missing pages slow down the other pages of a crawl, with each ACK_POLICY.

Run `python -m benchmarks.ack_policy [--jobs 1000] [--missing 0.05] [--delay 0.2] [--rounds 3]`. localpubsub's
push backoff is on; it applies to a whole subscription, as Pub/Sub's does (localpubsub/push/backoff.py).
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import requests

from benchmarks.pages_of_200_ms import CONCURRENCY, PAGES, RECIPE, TIMEOUT_SECONDS, slow_site
from console.ledger.ledger import Ledger
from console.stack.services import AckPolicy, StackOptions
from console.stack.stack import Stack

#: Number of pages of the second crawl, which is dispatched while failed jobs of the first crawl are retried.
AFTERWARDS = 200
#: Maps the name of a candidate to its policy and to whether some pages are missing.
CANDIDATES = {
    "success, no page missing": (AckPolicy.SUCCESS, False),
    "success": (AckPolicy.SUCCESS, True),
    "settled": (AckPolicy.SETTLED, True),
}


class Result(NamedTuple):
    """The result of one round. Healthy pages are pages that exist.

    Attributes:
        rate: healthy pages per second.
        pushes: pushes per page of the first crawl, counted when the second crawl ends.
        afterwards: duration in seconds of the second crawl, of which all pages are healthy.
    """

    rate: float
    pushes: float
    afterwards: float


def main() -> None:
    """Run the rounds and print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--jobs", type=int, default=1000)
    options.add_argument("--missing", type=float, default=0.05, help="share of pages whose status is 404")
    options.add_argument("--delay", type=float, default=0.2, help="seconds")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    results: dict[str, list[Result]] = defaultdict(list)
    with slow_site(chosen.delay) as site:
        for number in range(chosen.rounds):
            # Each round starts with another candidate, so that the order favours none of them.
            names = list(CANDIDATES)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                policy, is_missing = CANDIDATES[name]
                urls = pages(site, chosen.jobs, chosen.missing if is_missing else 0)
                results[name].append(measure(policy, urls, site))
                print(f"round {number + 1}  {name:26} {results[name][-1]}", flush=True)
    first = next(iter(CANDIDATES))
    for name, rounds in results.items():
        ratio = statistics.median(
            one.rate / other.rate for one, other in zip(rounds, results[first], strict=True)
        )
        rate, pushes, afterwards = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"{name:26} {rate:5.0f} healthy pages/s  {ratio:.2f} × the first"
            f"  {pushes:.2f} pushes per page  {afterwards:5.1f} s for {AFTERWARDS} pages afterwards"
        )


def pages(site: str, count: int, missing: float) -> list[str]:
    """Return `count` URLs, of which the share `missing`, evenly distributed, leads to missing pages."""
    kinds = ["missing" if int(n * missing) < int((n + 1) * missing) else "page" for n in range(count)]
    return [f"{site}/{kind}/{n}" for n, kind in enumerate(kinds)]


def measure(policy: AckPolicy, urls: list[str], site: str) -> Result:
    """Run a crawl of `urls`, and a second crawl while failed jobs of the first are retried."""
    healthy = sum("/page/" in url for url in urls)
    with (
        tempfile.TemporaryDirectory() as data,
        Stack(
            StackOptions(data=Path(data), concurrency=CONCURRENCY, ack_policy=policy, environment=PAGES)
        ) as stack,
    ):
        run_id, started = dispatch(stack, urls, "first")
        await_succeeded(stack.ledger, run_id, healthy)
        rate = healthy / (time.monotonic() - started)
        failing = 0 if policy is AckPolicy.SETTLED else len(urls) - healthy
        while failing and pushes(stack.ledger, run_id) <= healthy + failing:
            time.sleep(0.1)  # the second attempts begin after a backoff of 10 s
        again, started = dispatch(stack, [f"{site}/page/x{n}" for n in range(AFTERWARDS)], "second")
        await_succeeded(stack.ledger, again, AFTERWARDS)
        afterwards = time.monotonic() - started
        return Result(rate, pushes(stack.ledger, run_id) / len(urls), afterwards)


def dispatch(stack: Stack, urls: list[str], name: str) -> tuple[str, float]:
    """Dispatch a crawl; return its run_id and its start time (time.monotonic())."""
    crawl = {"name": name, "sources": {"urls": urls}, "recipe": RECIPE}
    started = time.monotonic()
    response = requests.post(stack.dispatcher_url, json=crawl, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    return response.json()["run_id"], started


def await_succeeded(ledger: Ledger, run_id: str, count: int) -> None:
    """Wait until `count` jobs of a run have succeeded."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while ledger.accounting(run_id).succeeded < count:
        if time.monotonic() > until:
            raise SystemExit(
                f"the crawl is unfinished after {TIMEOUT_SECONDS} s: {ledger.accounting(run_id)}"
            )
        time.sleep(0.05)


def pushes(ledger: Ledger, run_id: str) -> int:
    """Return the number of attempts of a run that have an outcome."""
    failed = sum(failure.attempts for failure in ledger.failures(run_id))
    return failed + ledger.accounting(run_id).succeeded


if __name__ == "__main__":
    main()
