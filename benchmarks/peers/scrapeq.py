"""Scrapeq as one of the systems: dispatcher, a broker, the ledger on disk, two worker processes."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import requests

from benchmarks.pages_of_200_ms import RECIPE
from benchmarks.peers.processes import Launcher
from benchmarks.peers.running import STOP_SECONDS, Running, Stored
from console.ledger.sqlite_views import to_sqlite
from console.stack.broker_services import BROKER, RELAY, SHARDS_RELAY
from console.stack.process import stop_all
from console.stack.services import PUBSUB, WORKER, StackOptions
from console.stack.stack import Stack

TIMEOUT_SECONDS = 300
NEW_OUTCOMES = to_sqlite(
    "SELECT rowid, run_id, job_id, outcome FROM `${ledger}.outcomes` WHERE rowid > ? ORDER BY rowid"
)


class Scrapeq(Running):
    """A running stack, to which crawls are posted."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._batches, self._run_id = 0, ""
        self._row, self._done = 0, set[str]()
        # Opened once, since each opening would take processor time from the system that is measured.
        self._ledger = sqlite3.connect(f"file:{stack.ledger.path}?mode=ro", uri=True, check_same_thread=False)

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def enqueue(self, urls: Sequence[str]) -> None:
        """Post a crawl; the dispatcher answers once all jobs are published."""
        self._batches += 1
        crawl = {
            "name": f"batch-{self._batches}",
            "sources": {"urls": list(urls)},
            "recipe": RECIPE,
            "limits": {"max_jobs": len(urls)},
        }
        response = requests.post(self._stack.dispatcher_url, json=crawl, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        self._run_id, self._done = response.json()["run_id"], set()

    def wait_until_sent(self) -> None:
        """Return at once: `enqueue` has waited for the dispatcher's response."""

    def done(self) -> int:
        """Return how many jobs of the last crawl have succeeded, from the new rows of the ledger.

        `Ledger.accounting` has the same number, but its views would take processor time from the system.
        """
        for row, run_id, job_id, outcome in self._ledger.execute(NEW_OUTCOMES, (self._row,)):
            self._row = row
            if run_id == self._run_id and outcome == "succeeded":
                self._done.add(job_id)
        return len(self._done)

    def results(self) -> Iterator[Stored]:
        """Yield the results of the last crawl, of which the ledger has one per job."""
        for result in self._stack.ledger.results(self._run_id):
            item = result.items[0]
            yield Stored.of(result.url, item["headings"], item["links"])

    def worker_pids(self) -> list[int]:
        """Return the process id of the worker."""
        return [self._stack.process(WORKER).pid]

    def pushing_pids(self) -> list[int]:
        """Return the process ids of localpubsub or of the relays."""
        names = (RELAY, SHARDS_RELAY) if self._stack.options.broker else (PUBSUB,)
        return [self._stack.process(name).pid for name in names]

    def supervise(self) -> None:
        """Start services that have ended again, apart from localpubsub and a broker's server."""
        self._stack.supervise()

    def kill_workers(self) -> None:
        """Kill the worker with all its processes, and start it again."""
        self._stack.process(WORKER).kill()
        self._stack.start_worker()

    def stop_workers(self) -> None:
        """Stop the worker with SIGTERM, and start it again."""
        stop_all([self._stack.process(WORKER)], STOP_SECONDS)
        self._stack.start_worker()

    def kill_broker(self) -> None:
        """Kill localpubsub or the broker's server, and start it again."""
        if self._stack.options.broker:
            self._stack.process(BROKER).kill()
            self._stack.start_broker()
        else:
            self._stack.process(PUBSUB).kill()
            self._stack.start_pubsub()

    @property
    def dead(self) -> int:
        """Number of jobs of the last crawl that are dead letters."""
        return self._stack.ledger.accounting(self._run_id).dead

    @property
    def unexplained(self) -> int:
        """Number of dead jobs without a recorded reason."""
        return sum(not dead.reason for dead in self._stack.ledger.dead_jobs(self._run_id))


@contextmanager
def running_scrapeq(launcher: Launcher, pages_in_flight: int, broker: str = "") -> Iterator[Scrapeq]:
    """Run the local stack, as `scrapeq up` does: signed pushes, queue and ledger on disk.

    Args:
        launcher: has the directory of the stack's data.
        pages_in_flight: number of pages that each worker process scrapes at the same time.
        broker: as of `scrapeq up --broker`.
    """
    environment = {"PAGE_CONCURRENCY": str(pages_in_flight)}
    options = StackOptions(
        data=launcher.data / "scrapeq", worker_processes=2, environment=environment, broker=broker
    )
    with Stack(options) as stack, closing(Scrapeq(stack)) as running:
        yield running
