"""Queries the ledger, the SQLite file with the jobs, outcomes and dead letters of each run.

The queries read views, which are described in contract/ledger/README.md.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from console.errors import LedgerError, StackError
from console.ledger.sqlite_views import BUSY_TIMEOUT_SECONDS, create, layout, to_sqlite

#: Path of the ledger, relative to the data directory. localpubsub writes its BigQuery subscriptions there.
FILE = Path("pubsub", "warehouse.db")
MAX_NAMED_RUNS = 10  #: maximum number of runs that an error message lists


class Accounting(NamedTuple):
    """Numbers of jobs by state, of a run or of all runs. `str()` returns the last line of `scrapeq demo`."""

    dispatched: int = 0
    succeeded: int = 0
    dead: int = 0
    in_flight: int = 0
    retrying: int = 0  #: jobs in flight that have been attempted
    #: Jobs whose dispatch is not in the ledger, and unfinished jobs older than the queue's message retention.
    missing: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every dispatched job has succeeded, is dead or is in flight, and no job is missing."""
        return self.dispatched == self.succeeded + self.dead + self.in_flight and not self.missing

    def __str__(self) -> str:
        counts = self._asdict()
        del counts["retrying"]
        if not self.missing:
            del counts["missing"]
        return "accounting: " + " ".join(f"{name}={count}" for name, count in counts.items())


class Result(NamedTuple):
    """A job that succeeded."""

    job_id: str
    url: str
    items: list[dict[str, Any]]
    attempts: int


class Failure(NamedTuple):
    """How many attempts ended for one reason, and how many jobs had such an attempt."""

    reason: str
    outcome: str
    attempts: int
    jobs: int


class DeadJob(NamedTuple):
    """A job that became a dead letter; `reason` and `detail` are `""` if no attempt left an outcome."""

    job_id: str
    url: str
    attempts: int
    reason: str
    detail: str


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
    """

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
        return Accounting(*self._rows(query, run_id, run_id)[0])

    def runs(self) -> list[str]:
        """Return the ids of all runs, the newest first."""
        query = """SELECT run_id FROM `${ledger}.run_accounting` WHERE run_id IS NOT NULL
                   ORDER BY started_at DESC, run_id DESC"""
        return [run for (run,) in self._rows(query)]

    def resolve_run(self, run_id: str | None) -> str:
        """Return `run_id` if the ledger has such a run, or the id of the latest run if it is None.

        Raises:
            LedgerError: there is no such run; the message lists the runs that exist.
        """
        runs = self.runs()
        if not runs:
            raise LedgerError("No run is recorded yet. `scrapeq dispatch CRAWL.yaml` starts one.")
        if run_id is not None and run_id not in runs:
            more = f" and {len(runs) - MAX_NAMED_RUNS} more" if len(runs) > MAX_NAMED_RUNS else ""
            raise LedgerError(
                f"There is no run {run_id}. The runs are: {', '.join(runs[:MAX_NAMED_RUNS])}{more}."
            )
        return run_id or runs[0]

    def results(self, run_id: str) -> list[Result]:
        """Return the jobs of a run that succeeded, sorted by URL."""
        query = """SELECT job_id, url, coalesce(items, '[]'), attempts FROM `${ledger}.results`
                   WHERE run_id = ? ORDER BY url, job_id"""
        return [
            Result(job_id, url, json.loads(items), attempts)
            for job_id, url, items, attempts in self._rows(query, run_id)
        ]

    def failures(self, run_id: str) -> list[Failure]:
        """Return the reasons of attempts that did not succeed, the most frequent first."""
        query = """SELECT reason, outcome, sum(attempts), sum(jobs) FROM `${ledger}.failures`
                   WHERE run_id = ? GROUP BY reason, outcome ORDER BY 3 DESC, reason"""
        return [Failure(*row) for row in self._rows(query, run_id)]

    def dead_jobs(self, run_id: str) -> list[DeadJob]:
        """Return the jobs of a run that became dead letters, sorted by URL."""
        query = """SELECT coalesce(job_id, ''), coalesce(url, ''), attempts, coalesce(last_reason, ''),
                   coalesce(last_detail, '') FROM `${ledger}.job_state`
                   WHERE run_id = ? AND state = 'dead' ORDER BY url, job_id"""
        return [DeadJob(*row) for row in self._rows(query, run_id)]

    def retried_attempts(self, run_id: str) -> list[Attempt]:
        """Return all attempts of the jobs that succeeded after a failure, sorted by URL and attempt."""
        query = """WITH retried AS MATERIALIZED
                   (SELECT job_id FROM `${ledger}.results` WHERE run_id = ? AND attempts > 1)
                   SELECT DISTINCT job_id, url, attempt, coalesce(new_reason, reason), detail
                   FROM `${ledger}.outcomes` LEFT JOIN `${ledger}.renamed_reasons` ON old_reason = reason
                   WHERE run_id = ? AND job_id IN retried ORDER BY 2, 1, 3, 4, 5"""
        return [Attempt(*row) for row in self._rows(query, run_id, run_id)]

    def attempts(self, run_id: str, job_id: str) -> list[Attempt]:
        """Return the attempts of a job for which the ledger has an outcome, sorted by attempt number."""
        query = """SELECT DISTINCT job_id, url, attempt, coalesce(new_reason, reason), detail
                   FROM `${ledger}.outcomes` LEFT JOIN `${ledger}.renamed_reasons` ON old_reason = reason
                   WHERE run_id = ? AND job_id = ? ORDER BY 3, 4, 5"""
        return [Attempt(*row) for row in self._rows(query, run_id, job_id)]

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._open() as connection:
            return connection.execute(to_sqlite(query), values).fetchall()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.is_file():
            raise LedgerError(
                f"There is no ledger in {self.data}. `scrapeq up` creates it; --data names another directory."
            )
        with closing(sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_SECONDS)) as connection:
            connection.text_factory = _decode
            if connection.execute("PRAGMA user_version").fetchone() != (layout(),):
                self.create()  # another version of Scrapeq created the file
            yield connection


def _decode(text: bytes) -> str:
    return text.decode(errors="replace")  # a published message may contain invalid UTF-8
