"""Kills a dispatcher in the middle of a large file, and counts the jobs of the repeated dispatch.

Run `python -m benchmarks.killed_dispatch [COUNT]` (Linux only). A dispatcher process reads a gzipped file of
COUNT URLs, a million by default, and publishes a job for each to localpubsub, which writes them into the
ledger. When half of them are there, all processes of the dispatcher are killed. Another dispatcher then gets
the same request with the same scheduled time, as from Cloud Scheduler. The ledger must have exactly one job
for each URL.
"""

import gzip
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import requests
from google.pubsub_v1 import types
from rich.console import Console

from benchmarks.dispatch_million import DISPATCH_SECONDS, SETTINGS, URL
from console.ledger.ledger import Ledger
from console.ledger.sqlite_views import table
from contract.topology import JOBS_TOPIC, LEDGER_DATASET, LEDGER_TABLES
from dispatcher.schedule import SCHEDULE_TIME
from tests.servers.dispatcher_process import RECIPE, running_dispatcher
from tests.servers.localpubsub_process import running_process
from tests.servers.pubsub_client import connect
from tests.servers.site import http, running_site

SCHEDULED = {SCHEDULE_TIME: "2026-01-01T03:00:00Z"}
LEDGER_SECONDS = 1800  #: how long to wait for the rows of the ledger
SHOWN_SECONDS = 20


def dispatch(url: str, crawl: dict[str, Any]) -> dict[str, Any]:
    """Post a crawl as Cloud Scheduler does, and return the response; empty if the dispatcher was killed."""
    try:
        response = requests.post(url, json=crawl, headers=SCHEDULED, timeout=DISPATCH_SECONDS)
    except requests.ConnectionError:
        return {}
    document: dict[str, Any] = response.json()
    return document


def rows(ledger: Ledger) -> int:
    """Return the number of messages in the ledger's table of jobs."""
    with closing(sqlite3.connect(ledger.path)) as connection:
        [count] = connection.execute(f"SELECT count(*) FROM {table('jobs')}").fetchone()  # noqa: S608 - our table
    return int(count)


def await_rows(ledger: Ledger, count: int, console: Console) -> None:
    """Wait until the ledger has `count` messages; print how many there are from time to time."""
    until, shown = time.monotonic() + LEDGER_SECONDS, 0.0
    while (found := rows(ledger)) < count:
        if time.monotonic() > until:
            sys.exit(f"the ledger has only {found:,} of {count:,} messages after {LEDGER_SECONDS} s")
        if time.monotonic() > shown + SHOWN_SECONDS:
            console.print(f"{found:,} messages in the ledger")
            shown = time.monotonic()
        time.sleep(1)


def main(count: int) -> None:
    """Dispatch, kill, dispatch again, and compare."""
    console = Console(highlight=False)
    urls = "".join(URL.format(number=number) + "\n" for number in range(count))
    with tempfile.TemporaryDirectory() as folder, running_site() as site:
        ledger = Ledger(Path(folder))
        data = ledger.path.parent
        data.mkdir(parents=True)
        ledger.create()
        file = site.add("/urls.txt.gz", http(200, gzip.compress(urls.encode())))
        crawl = {
            "name": "large",
            "sources": {"urls_file": {"url": file}},
            "recipe": RECIPE,
            "limits": {"max_jobs": count},
        }
        with running_process("--data", str(data)) as pubsub, connect(pubsub.host) as client:
            topic = f"projects/p/topics/{JOBS_TOPIC}"
            client.publisher.create_topic(name=topic)
            config = types.BigQueryConfig(
                table=f"p.{LEDGER_DATASET}.{LEDGER_TABLES[JOBS_TOPIC]}", write_metadata=True
            )
            client.subscription(topic, bigquery_config=config)
            with running_dispatcher(pubsub.host, **SETTINGS) as dispatcher:
                killed = Thread(target=dispatch, args=(dispatcher.url, crawl), daemon=True)
                killed.start()
                await_rows(ledger, count // 2, console)
                dispatcher.kill()
                killed.join()
            before = rows(ledger)
            console.print(f"killed with {before:,} messages in the ledger")
            with running_dispatcher(pubsub.host, **SETTINGS) as dispatcher:
                started = time.monotonic()
                answer = dispatch(dispatcher.url, crawl)
                seconds = time.monotonic() - started
            console.print(f"the repeated dispatch published {answer['published']:,} jobs in {seconds:.0f} s")
            await_rows(ledger, before + count, console)
        jobs = ledger.accounting(f"large-{SCHEDULED[SCHEDULE_TIME]}").dispatched
        console.print(f"{rows(ledger):,} messages, {jobs:,} jobs of {count:,} URLs")
        if jobs != count:
            sys.exit("the jobs are not those of the file")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
