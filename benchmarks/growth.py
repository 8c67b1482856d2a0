"""Measures whether a job costs the same in small and large runs, and with one to four worker processes.

Run `python -m benchmarks.growth [--jobs 1000,10000,100000,1000000] [--processes 2]`, and
`python -m benchmarks.growth --jobs 100000 --processes 1,2,4`. Every job is for the same page of 36 KB, which
nginx serves on the loopback interface. A row is printed after each run; a million jobs take half an hour.
With a small page, `--page postgresql/datatype-boolean.html`, less of the time is that of the page.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from benchmarks.pages_of_200_ms import RECIPE
from benchmarks.peers.processes import PeakMemory, adopt_orphans, cpu_seconds, descendants, wait_until
from benchmarks.peers.site import running_site
from console.stack.services import WORKER, StackOptions
from console.stack.stack import Stack

PAGE = "python/library/asyncio-queue.html"  #: 36 KB, about the mean of the pages of some software manuals
WARM_UP_JOBS = 100
DISPATCH_SECONDS = 3600  #: a limit against hanging; a million jobs are published in a minute or two
COLUMNS = (
    *("jobs", "worker processes", "jobs/s", "CPU s per 1,000 jobs"),
    *("MiB of the worker", "MiB of all processes", "bytes on disk per job"),
)


@contextmanager
def running_stack(processes: int) -> Iterator[Stack]:
    """Run the local stack with a new data directory."""
    with (
        tempfile.TemporaryDirectory(prefix="growth-") as data,
        Stack(StackOptions(data=Path(data), worker_processes=processes)) as stack,
    ):
        yield stack


def run(stack: Stack, page: str, name: str, jobs: int) -> None:
    """Dispatch `jobs` jobs for the URL of a page, and wait until all have succeeded."""
    sources = {"template": f"{page}?{name}={{1..{jobs}}}"}
    crawl = {"name": name, "sources": sources, "recipe": RECIPE, "limits": {"max_jobs": jobs}}
    response = requests.post(stack.dispatcher_url, json=crawl, timeout=DISPATCH_SECONDS)
    if not response.ok:
        raise SystemExit(f"the dispatcher responded with {response.status_code}: {response.text}")
    run_id = response.json()["run_id"]
    wait_until(
        lambda: stack.ledger.accounting(run_id).succeeded == jobs,
        f"{jobs} jobs have succeeded",
        seconds=24 * 3600,
        pause=min(1, jobs / 10_000),
    )


def measure(page: str, jobs: int, processes: int) -> str:
    """Run `jobs` jobs for the URL of a page with a number of worker processes; return a row of the table."""
    before_start = frozenset(descendants(os.getpid()))

    def pids() -> list[int]:
        return descendants(os.getpid(), before_start)

    with running_stack(processes) as stack:
        run(stack, page, "warm-up", WARM_UP_JOBS)
        with PeakMemory(pids, lambda: [stack.process(WORKER).pid]) as memory:
            cpu_before, started = cpu_seconds(pids()), time.monotonic()
            run(stack, page, "growth", jobs)
            seconds, cpu = time.monotonic() - started, cpu_seconds(pids()) - cpu_before
        files = [file for file in stack.options.data.rglob("*") if file.is_file()]
        disk = sum(file.stat().st_size for file in files)
    cells = (
        f"{jobs:,}",
        f"{processes}",
        f"{jobs / seconds:,.0f}",
        f"{1000 * cpu / jobs:.1f}",
        f"{memory.workers:,.0f}",
        f"{memory.all:,.0f}",
        f"{disk / jobs:,.0f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure all combinations, and print a row for each."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--jobs", default="1000,10000,100000,1000000", help="numbers of jobs")
    options.add_argument("--processes", default="2", help="numbers of worker processes")
    options.add_argument("--page", default=PAGE, help="path of the page, as in benchmarks/peers/site.py")
    chosen = options.parse_args()
    adopt_orphans()
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    with tempfile.TemporaryDirectory(prefix="growth-site-") as data, running_site(Path(data)) as site:
        for processes in map(int, chosen.processes.split(",")):
            for jobs in map(int, chosen.jobs.split(",")):
                print(measure(f"{site.url}/0/{chosen.page}", jobs, processes), flush=True)


if __name__ == "__main__":
    main()
