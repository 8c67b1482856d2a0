"""Queries the ledger, the SQLite file with the jobs, outcomes and dead letters of each run.

The queries read views, which are described in contract/ledger/README.md.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from console.errors import LedgerError, StackError
from console.ledger.dispatch_rows import QUERY, Dispatch, read_dispatch
from console.ledger.sqlite_file import kept_connection, kept_open, open_file
from console.ledger.sqlite_views import create, to_sqlite
from console.ledger.url_search import rows_with_text
from console.suggestion import did_you_mean

#: Path of the ledger, relative to the data directory. localpubsub writes its BigQuery subscriptions there.
FILE = Path("pubsub", "warehouse.db")
#: Path of the tables that are derived from it, relative to the data directory.
SUMMARY_FILE = Path("ledger_summary.db")
NO_RUN = "No run is recorded yet. `scrapeq dispatch CRAWL.yaml` starts one."
_ATTEMPTS = """SELECT DISTINCT job_id, url, attempt, coalesce(new_reason, reason), detail
               FROM `${ledger}.outcomes` LEFT JOIN `${ledger}.renamed_reasons` ON old_reason = reason
               WHERE run_id = ?"""
MAX_NAMED_RUNS = 10  #: maximum number of runs that an error message lists
#: The numbers of an accounting in the order of its line, and those that the line has even if they are 0.
SHOWN = ("dispatched", "succeeded", "dead", "cancelled", "dropped", "replaced", "in_flight", "missing")
ALWAYS_SHOWN = frozenset({"dispatched", "succeeded", "dead", "in_flight"})


class Accounting(NamedTuple):
    """Numbers of jobs by state, of a run or of all runs. `str()` returns the last line of `scrapeq demo`."""

    dispatched: int = 0
    succeeded: int = 0
    dead: int = 0
    in_flight: int = 0
    retrying: int = 0  #: jobs in flight that have been attempted
    #: Jobs whose dispatch is not in the ledger, and unfinished jobs older than the queue's message retention.
    missing: int = 0
    dead_infrastructure: int = 0  #: dead jobs of whose page no fault was seen
    cancelled: int = 0  #: jobs of a cancelled run, whose pages were not requested
    dropped: int = 0  #: jobs whose dead letters were removed without a replay
    replaced: int = 0  #: jobs that were replaced by jobs with another recipe

    @property
    def adds_up(self) -> bool:
        """Whether every dispatched job has ended or is in flight, and no job is missing."""
        return self.dispatched == self.ended + self.in_flight and not self.missing

    @property
    def ended(self) -> int:
        """Number of jobs that are over: each has succeeded or is dead, cancelled, dropped or replaced."""
        return self.succeeded + self.dead + self.cancelled + self.dropped + self.replaced

    def __str__(self) -> str:
        counts = {name: getattr(self, name) for name in SHOWN}
        counts = {name: count for name, count in counts.items() if count or name in ALWAYS_SHOWN}
        line = "accounting: " + " ".join(f"{name}={count}" for name, count in counts.items())
        if self.dead_infrastructure:
            line += f" ({self.dead_infrastructure} of the dead by infrastructure)"
        return line


class Result(NamedTuple):
    """A page that was scraped. `listing` is the job id of its listing's first page, or `""`."""

    job_id: str
    url: str
    items: list[dict[str, Any]]
    attempts: int
    page: int = 1
    listing: str = ""
    fetched_at: str = ""  #: UTC, as `2026-11-22T06:00:03.120000Z`


class Listing(NamedTuple):
    """A listing: a page whose recipe has `next`, and the pages that follow it.

    Attributes:
        listing: job id of the first page.
        url: URL of the first page; `""` if unknown.
        pages: number of pages that were scraped.
        items: number of their items.
        state: `complete`, `in_progress` or `broken`.
        ended_by: why a complete listing has no further page; see `ListingEnd`.
        broken_at: number of the first page that is missing in a broken listing; 0 otherwise.
        broken_reason: why that page is missing; `""` if no attempt left an outcome.
    """

    listing: str
    url: str
    pages: int
    items: int
    state: str
    ended_by: str = ""
    broken_at: int = 0
    broken_reason: str = ""


class Failure(NamedTuple):
    """How many attempts ended for one reason, and how many jobs had such an attempt."""

    reason: str
    outcome: str
    attempts: int
    jobs: int


class DeadJob(NamedTuple):
    """A job that became a dead letter.

    Attributes:
        job_id: id of the job; `""` if its message has none.
        url: URL of the page; `""` if the message is not a job.
        attempts: number of attempts.
        reason: reason of the last attempt; `""` if no attempt left an outcome.
        detail: detail of the last attempt.
        cause: what caused the dead letter: `page`, `message` or `infrastructure`.
    """

    job_id: str
    url: str
    attempts: int
    reason: str
    detail: str
    cause: str = "page"


class Attempt(NamedTuple):
    """One attempt of a job, from its outcome."""

    job_id: str
    url: str
    attempt: int
    reason: str
    detail: str


@dataclass(frozen=True)
class Ledger:
    """The ledger of a data directory. Each call opens the file, so the methods may be called from any thread.

    Attributes:
        data: the data directory.
        is_local: whether it is that of own machines: its queries cost nothing. That of a deployment is not.
        is_file: whether it is the file of the data directory, which has a summary.
    """

    is_local: ClassVar[bool] = True
    is_file: ClassVar[bool] = True
    data: Path

    @property
    def path(self) -> Path:
        """Path of the SQLite file."""
        return self.data / FILE

    def create(self) -> None:
        """Create the file, and missing tables, columns and views; replace the views of another version.

        Raises:
            StackError: the file cannot be written or is not an SQLite file.
        """
        try:
            create(self.path)
        except sqlite3.Error as error:
            raise StackError(f"The ledger {self.path} cannot be created or updated: {error}.") from error

    def accounting(self, run_id: str | None = None) -> Accounting:
        """Return the numbers of jobs by state, of one run or of all runs."""
        columns = ", ".join(f"coalesce(sum({name}), 0)" for name in Accounting._fields)
        query = f"SELECT {columns} FROM `${{ledger}}.run_accounting` WHERE ? IS NULL OR run_id = ?"  # noqa: S608 - field names
        return Accounting(*self.rows(query, run_id, run_id)[0])

    def runs(self) -> list[str]:
        """Return the ids of all runs, the newest first."""
        query = """SELECT run_id FROM (SELECT run_id, started_at FROM `${ledger}.run_accounting`
                       UNION ALL SELECT run_id, started_at FROM `${ledger}.dispatch_state`) AS found
                   WHERE run_id IS NOT NULL GROUP BY run_id ORDER BY min(started_at) DESC, run_id DESC"""
        return [run for (run,) in self.rows(query)]

    def resolve_run(self, run_id: str | None) -> str:
        """Return `run_id` if the ledger has such a run, or the id of the latest run if it is None.

        Raises:
            LedgerError: there is no such run; the message lists the runs that exist.
        """
        runs = self.runs()
        if not runs:
            raise LedgerError(NO_RUN)
        if run_id is not None and run_id not in runs:
            more = f" and {len(runs) - MAX_NAMED_RUNS} more" if len(runs) > MAX_NAMED_RUNS else ""
            meant = did_you_mean(run_id, runs)
            raise LedgerError(
                f"There is no run {run_id}.{meant} The runs are: {', '.join(runs[:MAX_NAMED_RUNS])}{more}."
            )
        return run_id or runs[0]

    def dispatches(self, run_id: str) -> list[Dispatch]:
        """Return the dispatches of a run that the ledger has, the oldest first."""
        return [read_dispatch(*row) for row in self.rows(QUERY, run_id)]

    def recorded_jobs(self, run_id: str) -> int:
        """Return how many of the jobs that the requests of a run have published are recorded.

        A job that two requests have published counts twice, and further pages of listings do not count.
        """
        query = "SELECT coalesce(sum(recorded), 0) FROM `${ledger}.recorded_jobs` WHERE run_id = ?"
        return int(self.rows(query, run_id)[0][0])

    def results(self, run_id: str) -> Iterator[Result]:
        """Yield the pages of a run that were scraped, sorted by URL; a listing's pages follow its first.

        The pages are read one by one, so a run may be larger than the memory.
        """
        # A window finds the first page of each listing in one pass over the rows; a join of the view with
        # itself has no index in SQLite, and had not ended after an hour for a million rows.
        query = """SELECT job_id, url, items, attempts, coalesce(page, 1), coalesce(listing, ''), fetched_at
                   FROM (SELECT job_id, url, items, attempts, page, listing, fetched_at,
                             min(CASE WHEN page = 1 THEN url END)
                                 OVER (PARTITION BY coalesce(nullif(listing, ''), job_id)) AS first_url
                         FROM `${ledger}.results` WHERE run_id = ?) AS found
                   ORDER BY coalesce(first_url, url), coalesce(listing, ''), page, url, job_id"""
        for job_id, url, items, attempts, page, listing, fetched_at in self.stream(query, run_id):
            yield Result(job_id, url, json.loads(items or "[]"), attempts, page, listing, fetched_at or "")

    def listings(self, run_id: str) -> list[Listing]:
        """Return the listings of a run, sorted by URL."""
        query = """SELECT listing, coalesce(url, ''), pages, items, state, coalesce(ended_by, ''),
                   coalesce(broken_at, 0), coalesce(broken_reason, '') FROM `${ledger}.listings`
                   WHERE run_id = ? ORDER BY url, listing"""
        return [Listing(*row) for row in self.rows(query, run_id)]

    def failures(self, run_id: str) -> list[Failure]:
        """Return the reasons of attempts that did not succeed, the most frequent first."""
        query = """SELECT reason, outcome, sum(attempts), sum(jobs) FROM `${ledger}.failures`
                   WHERE run_id = ? GROUP BY reason, outcome ORDER BY 3 DESC, reason"""
        return [Failure(*row) for row in self.rows(query, run_id)]

    def dead_jobs(self, run_id: str) -> list[DeadJob]:
        """Return the jobs of a run that became dead letters, sorted by URL."""
        query = """SELECT coalesce(job_id, ''), coalesce(url, ''), attempts, coalesce(last_reason, ''),
                   coalesce(last_detail, ''), cause FROM `${ledger}.job_state`
                   WHERE run_id = ? AND state = 'dead' ORDER BY url, job_id"""
        return [DeadJob(*row) for row in self.rows(query, run_id)]

    def infrastructure_dead_jobs(self, run_id: str | None = None) -> set[str]:
        """Return the ids of the jobs that the infrastructure made dead letters, of one run or of all runs."""
        query = """SELECT job_id FROM `${ledger}.job_state`
                   WHERE cause = 'infrastructure' AND (? IS NULL OR run_id = ?)"""
        return {job_id for (job_id,) in self.rows(query, run_id, run_id)}

    def retried_attempts(self, run_id: str) -> list[Attempt]:
        """Return all attempts of the jobs that succeeded after a failure, sorted by URL and attempt."""
        recovered = "job_id IN (SELECT job_id FROM `${ledger}.results` WHERE run_id = ? AND attempts > 1)"
        query = f"{_ATTEMPTS} AND {recovered} ORDER BY 2, 1, 3, 4, 5"
        return [Attempt(*row) for row in self.rows(query, run_id, run_id)]

    def attempts(self, run_id: str, job_id: str) -> list[Attempt]:
        """Return the attempts of a job for which the ledger has an outcome, sorted by attempt number."""
        query = f"{_ATTEMPTS} AND job_id = ? ORDER BY 3, 4, 5"
        return [Attempt(*row) for row in self.rows(query, run_id, job_id)]

    def rows_with_text(self, run_id: str, text: str) -> list[int] | None:
        """Return the ids of the rows of job_state that may have a text; see `url_search.rows_with_text`."""
        with self._open() as connection:
            return rows_with_text(connection, run_id, text)

    def rows(self, query: str, *values: object) -> list[Any]:
        """Return the rows of a query in BigQuery's SQL; `${ledger}` is the dataset and `?` a value."""
        with self._open() as connection:
            return connection.execute(to_sqlite(query), values).fetchall()

    def stream(self, query: str, *values: object) -> Iterator[Any]:
        """Yield the rows of a query as `rows` does, but read them one by one."""
        with self._open() as connection:
            yield from connection.execute(to_sqlite(query), values)

    def snapshot(self) -> AbstractContextManager[None]:
        """Let the queries inside the context see the ledger as it is now, over one connection."""
        return kept_open(self.path, self._open)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if (kept := kept_connection(self.path)) is not None:
            yield kept
            return
        if not self.path.is_file():
            raise LedgerError(
                f"There is no ledger in {self.data}. `scrapeq up` creates it; --data names another directory."
            )
        with closing(open_file(self.path, self.data / SUMMARY_FILE, self.create)) as connection:
            yield connection
