"""Run jobs that must wait for a site through the whole system, with the shipped defaults and in real time.

    python -m benchmarks.waiting crawl-delay [--pages 60] [--crawl-delay 10] [--ack-policy success]
    python -m benchmarks.waiting listing [--pages 200] [--delay 1]
    python -m benchmarks.waiting retry-after [--pages 10000] [--per-host 4] [--instances 10]

The first two take about pages × delay. tests/journey/test_waiting.py runs the same with shorter times.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import requests

from console.stack.services import AckPolicy, StackOptions
from console.stack.stack import Stack
from tests.servers.paced_site import LISTING_RECIPE, PacedSite, serving_paced
from tests.servers.worker_fleet import worker_fleet

PAGE_RECIPE = {"name": "page", "fields": {"title": {"css": "title", "required": True}}}
RETRY_AFTER_SECONDS = 60
POLL_SECONDS = 0.5
SETTLE_SECONDS = 15  #: until the dispatched jobs are in the ledger, so that only the waiting is compared


def dispatch(
    stack: Stack, name: str, urls: Sequence[str], recipe: dict[str, Any], **politeness: object
) -> str:
    """Dispatch a crawl; return its run_id."""
    crawl = {
        "name": name,
        "sources": {"urls": list(urls)},
        "recipe": recipe,
        "limits": {"max_jobs": 100_000},
        "politeness": politeness,
    }
    response = requests.post(stack.dispatcher_url, json=crawl, timeout=600)
    response.raise_for_status()
    return str(response.json()["run_id"])


def await_end(stack: Stack, run_id: str, jobs: int) -> None:
    """Wait until all jobs of a run have succeeded or are dead."""
    while (accounting := stack.ledger.accounting(run_id)).succeeded + accounting.dead < jobs:
        time.sleep(POLL_SECONDS)


def report(stack: Stack, run_id: str, started: float) -> None:
    """Print how a run has ended."""
    failures = {failure.reason: failure.attempts for failure in stack.ledger.failures(run_id)}
    seconds = time.monotonic() - started
    print(f"{stack.ledger.accounting(run_id)} after {seconds:.0f} s", flush=True)
    print(f"unsuccessful attempts: {failures or 'none'}")


def crawl_delay(options: argparse.Namespace) -> None:
    """Crawl pages of a site whose robots.txt has a Crawl-delay; the crawl sets no limit itself."""
    site = PacedSite(crawl_delay=options.crawl_delay)
    with serving_paced(site), Stack(_stack(options)) as stack:
        started = time.monotonic()
        run_id = dispatch(stack, "crawl-delay", site.pages(options.pages), PAGE_RECIPE)
        await_end(stack, run_id, options.pages)
        report(stack, run_id, started)
    times = sorted(time for time, _ in site.requests)
    gaps = [after - before for before, after in pairwise(times)]
    print(f"{len(times)} requests, at least {min(gaps):.2f} s apart")


def listing(options: argparse.Namespace) -> None:
    """Crawl a listing whose pages are requested with a delay."""
    site = PacedSite(last_page=options.pages)
    with serving_paced(site), Stack(_stack(options)) as stack:
        started = time.monotonic()
        url = f"{site.url}/list/1"
        run_id = dispatch(stack, "listing", [url], LISTING_RECIPE, delay_seconds=options.delay)
        await_end(stack, run_id, options.pages)
        report(stack, run_id, started)
        results = list(stack.ledger.results(run_id))
        own = sum(
            item["name"].split()[0] == row.url.rpartition("/")[2] for row in results for item in row.items
        )
        print(
            f"{len(results)} pages, {sum(len(row.items) for row in results)} items, {own} with their own page"
        )
        print(f"{len(site.requests)} requests")


def retry_after(options: argparse.Namespace) -> None:
    """Crawl a host that answers 429, beside two other hosts, with several instances of the worker."""
    limited = PacedSite(retry_after=RETRY_AFTER_SECONDS, refuse_from=100)
    others = [PacedSite(), PacedSite()]
    with ExitStack() as servers:
        for number, site in enumerate((limited, *others), 1):
            servers.enter_context(serving_paced(site, f"127.0.0.{number}"))
        stack = servers.enter_context(Stack(_stack(options)))
        servers.enter_context(worker_fleet(stack, options.instances))
        limit = {"per_host": options.per_host}
        alone = _rates(stack, others, limit)
        print(f"rates of the other hosts alone: {', '.join(f'{rate:.1f}' for rate in alone)} pages/s")
        started = time.monotonic()
        run_id = dispatch(stack, "limited", limited.pages(options.pages), PAGE_RECIPE, **limit)
        while not limited.refused:
            time.sleep(POLL_SECONDS / 10)
        time.sleep(SETTLE_SECONDS)
        beside = _rates(stack, others, limit)
        await_end(stack, run_id, options.pages)
        report(stack, run_id, started)
    first = limited.refused[0]
    inside = sum(first < time < first + RETRY_AFTER_SECONDS for time, _ in limited.requests)
    print(f"requests to the limited host within {RETRY_AFTER_SECONDS} s of its first 429: {inside}")
    ratios = ", ".join(f"{with_it / without:.2f}" for without, with_it in zip(alone, beside, strict=True))
    print(f"rates of the other hosts beside it, compared with alone: {ratios}")


def _rates(stack: Stack, sites: list[PacedSite], limit: dict[str, int], pages: int = 400) -> list[float]:
    """Crawl both sites at the same time; return the pages per second of each."""
    before = [len(site.requests) for site in sites]
    names = [f"other-{site.url.rpartition(':')[2]}" for site in sites]
    for name, site in zip(names, sites, strict=True):
        dispatch(stack, name, site.pages(pages), PAGE_RECIPE, **limit)
    # The ledger is not queried meanwhile: with many jobs a query takes a processor from sites and workers.
    while any(len(site.requests) - count < pages for count, site in zip(before, sites, strict=True)):
        time.sleep(POLL_SECONDS)
    times = [[time for time, _ in site.requests[count:]] for site, count in zip(sites, before, strict=True)]
    return [len(each) / (max(each) - min(each)) for each in times]


def _stack(options: argparse.Namespace) -> StackOptions:
    data = Path(tempfile.mkdtemp(prefix="scrapeq-waiting-"))
    return StackOptions(data=data, ack_policy=AckPolicy(options.ack_policy))


def main() -> None:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    for function, pages in ((crawl_delay, 60), (listing, 200), (retry_after, 10_000)):
        command = commands.add_parser(function.__name__.replace("_", "-"))
        command.set_defaults(run=function)
        command.add_argument("--pages", type=int, default=pages)
        command.add_argument("--ack-policy", choices=list(AckPolicy), default=AckPolicy.SUCCESS)
        command.add_argument("--crawl-delay", type=float, default=10.0)
        command.add_argument("--delay", type=float, default=1.0)
        command.add_argument("--per-host", type=int, default=4)
        command.add_argument("--instances", type=int, default=10)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
