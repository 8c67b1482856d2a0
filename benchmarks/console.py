"""Measures what the console asks a ledger of a million outcomes: `python -m benchmarks.console [OUTCOMES]`.

The ledger has 20 runs, one of them with half of the outcomes. One of 10 jobs is attempted again, one of 100
is a dead letter, and one of 500 waits. The queries of each screen, and `scrapeq status`, run 20 times each.
"""

import hashlib
import json
import math
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from console.ledger.field_rows import field_rows
from console.ledger.host_rows import host_rows
from console.ledger.job_page import JobFilter, job_groups, job_page
from console.ledger.ledger import Ledger
from console.ledger.run_overview import queue_summary, run_overview, throughput
from console.ledger.run_rows import run_summaries
from console.ledger.sqlite_views import table
from console.web.cost_today import cost_today

RUNS = 20
ROUNDS = 20
HOSTS = 50
BIG = "run-00"
WAIT_SECONDS = 60  #: how long `scrapeq wait` is measured
END = datetime.now(UTC)
REASONS = ("http_5xx", "timeout", "http_429", "connect", "http_404")


def at(second: float) -> str:
    """Return a publish time, `second` seconds after the begin of the run."""
    return f"{END - timedelta(hours=3) + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S.%fZ}"


def row(name: str, found: list[float]) -> str:
    """Return a row of the table: median and 95th percentile of sorted durations."""
    return (
        f"| {name} | {statistics.median(found):.0f} ms | {found[math.ceil(0.95 * len(found)) - 1]:.0f} ms |"
    )


def jobs(outcomes: int) -> Iterator[tuple[str, int, str, str, str]]:
    """Yield the run, the number, the id, the host and the URL of each job."""
    total = int(outcomes / 1.1)
    for number in range(total):
        # By hundreds, so that the big run has its share of the jobs that fail, die or wait.
        run = BIG if number // 100 % 2 == 0 else f"run-{1 + number // 2 % (RUNS - 1):02}"
        digest = hashlib.sha256(f"{run}{number}".encode()).hexdigest()[:32]
        host = f"shop-{number * 7 % HOSTS}.example"
        yield run, number, digest, host, f"https://{host}/products/{number}?page=1"


def fill(path: Path, outcomes: int) -> None:
    """Write the rows in the order in which localpubsub would."""
    recipe = {"name": "book", "fields": {name: {"css": f".{name}"} for name in ("title", "price", "author")}}
    seconds = 10_000 / outcomes
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")

        def insert(name: str, **values: object) -> None:
            columns, places = ", ".join(values), ", ".join("?" * len(values))
            statement = f"INSERT INTO {table(name)} ({columns}) VALUES ({places})"  # noqa: S608 - constants
            connection.execute(statement, list(values.values()))

        for run, number, job_id, host, url in jobs(outcomes):
            attributes = {"job_id": job_id, "run_id": run, "crawl": "books", "host": host, "version": "2"}
            text = json.dumps(attributes | {"request_id": "a" * 16})
            body = {
                "version": 2,
                "job_id": job_id,
                "run_id": run,
                "crawl": "books",
                "url": url,
                "recipe": recipe,
            }
            data, time_ = json.dumps(body).encode(), at(number * seconds)
            insert("jobs", data=data, message_id=f"{number}", publish_time=time_, attributes=text)
        for run, number, job_id, host, url in jobs(outcomes):
            if number % 500 == 0:
                continue
            attributes = {"job_id": job_id, "run_id": run, "crawl": "books", "host": host, "version": "2"}
            is_dead, attempts = number % 100 == 1, 2 if number % 10 == 1 else 1
            for attempt in range(1, attempts + 1):
                ok = attempt == attempts and not is_dead
                item = {
                    "title": f"Title {number}",
                    "price": None if number % 3 else 9.5,
                    "author": "Somebody " * 8,
                }
                insert(
                    "outcomes",
                    version=2,
                    job_id=job_id,
                    run_id=run,
                    crawl="books",
                    url=url,
                    recipe="book",
                    attempt=attempt,
                    outcome="succeeded" if ok else "retry",
                    reason="ok" if ok else REASONS[number % len(REASONS)],
                    http_status=200 if ok else 503,
                    items=json.dumps([item]) if ok else "[]",
                    item_count=int(ok),
                    detail="price: null in 1 of 1, because nothing matches .price"
                    if ok and number % 3
                    else "",
                    total_seconds=0.5,
                    worker="revision/instance",
                    message_id=f"{number}-{attempt}",
                    publish_time=at(number * seconds + attempt),
                    attributes=json.dumps(attributes),
                )
            if is_dead:
                attributes["CloudPubSubDeadLetterSourceDeliveryCount"] = "2"
                text = json.dumps(attributes)
                body = {"version": 2, "job_id": job_id, "run_id": run, "url": url}
                insert(
                    "dead_letters",
                    data=json.dumps(body).encode(),
                    message_id=f"{number}-dead",
                    publish_time=at(number * seconds + 9),
                    attributes=text,
                )


def screens(ledger: Ledger) -> dict[str, Callable[[], object]]:
    """Return the queries of each screen by its name."""
    middle = job_page(ledger, JobFilter(BIG), None, 1000)[-1].cursor
    [(newest,)] = ledger.rows("SELECT max(ended_at) FROM `${ledger}.attempts`")
    now = datetime.fromisoformat(newest)  # so that the last minutes have attempts
    return {
        "overview": lambda: (
            queue_summary(ledger),
            run_summaries(ledger, 20),
            throughput(ledger, now - timedelta(minutes=10), 10, now=now),
        ),
        "cost of today, on the overview": lambda: cost_today(ledger, now),
        "run": lambda: run_overview(ledger, BIG, now),
        "hosts of a run": lambda: host_rows(ledger, BIG, None, now),
        "fields of a run": lambda: field_rows(ledger, BIG, "run-01"),
        "jobs": lambda: job_page(ledger, JobFilter(BIG), middle),
        "jobs by state": lambda: job_page(ledger, JobFilter(BIG, state="queued"), middle),
        "jobs by reason": lambda: job_page(ledger, JobFilter(BIG, reason="http_404"), middle),
        "jobs by host": lambda: job_page(ledger, JobFilter(BIG, host="shop-4.example"), middle),
        "jobs by text": lambda: job_page(ledger, JobFilter(BIG, text="products/99998")),
        "jobs by a frequent text": lambda: job_page(ledger, JobFilter(BIG, text="shop-4.example/")),
        "dead letters": lambda: (
            job_groups(ledger, JobFilter(state="dead")),
            job_page(ledger, JobFilter(state="dead")),
        ),
        "accounting (one update of wait)": lambda: ledger.accounting(BIG),
    }


def durations(call: Callable[[], object]) -> list[float]:
    """Return the sorted durations of some calls, in milliseconds."""
    found = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        call()
        found.append((time.monotonic() - started) * 1000)
    return sorted(found)


def main(outcomes: int, data: Path) -> None:
    """Fill a ledger, and print the figures."""
    ledger = Ledger(data)
    if not ledger.path.exists():
        ledger.create()
        fill(ledger.path, outcomes)
    started = time.monotonic()
    ledger.accounting()
    print(f"{outcomes:,} outcomes; the summary is made in {time.monotonic() - started:.1f} s")
    print("| queries | median | 95th percentile |\n|---|---|---|")
    for name, call in screens(ledger).items():
        print(row(name, durations(call)))
    status = [sys.executable, "-m", "console", "status", BIG, "--data", str(data)]
    print(row("`scrapeq status`", durations(lambda: subprocess.run(status, check=True, capture_output=True))))
    for run in ("run-01", BIG):
        print(export(run, data))
    wait = ("wait", BIG, "--data", str(data), "--timeout")
    share = (processor_seconds(*wait, str(WAIT_SECONDS)) - processor_seconds(*wait, "0")) / WAIT_SECONDS
    print(f"processor time of `scrapeq wait`, without its start: {100 * share:.2f} % of a core")
    print(f"processor time of `scrapeq --version`: {processor_seconds('--version'):.2f} s")
    print(f"processor time of `scrapeq status`: {processor_seconds(*status[3:]):.2f} s")


def export(run: str, data: Path) -> str:
    """Export the results of a run as JSON Lines, and return how many, how fast and with how much memory."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as file:
        command = [sys.executable, "-m", "console", "results", run, "--format", "jsonl", "--data", str(data)]
        child = subprocess.Popen(command, stdout=file)
        _, status, usage = os.wait4(child.pid, 0)
        seconds, size = time.monotonic() - started, file.tell()
        file.seek(0)
        rows = sum(1 for _ in file)
    used = usage.ru_utime + usage.ru_stime
    return (
        f"export of {run}: {rows:,} rows, {size / 2**20:.0f} MiB in {seconds:.1f} s ({rows / seconds:,.0f} "
        f"rows/s), {used:.1f} s of processor time, at most {usage.ru_maxrss / 1024:.0f} MiB of memory, "
        f"exit status {os.waitstatus_to_exitcode(status)}"
    )


def processor_seconds(*arguments: str) -> float:
    """Run `scrapeq` and return the processor time that it took, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "console", *arguments], check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder)
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, directory)
