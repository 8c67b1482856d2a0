"""The ledger: what was dispatched, what came of it, and what died, as rows and views in one SQLite file.

What the rows mean is in the views (contract/ledger/README.md); here they are asked.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from console.errors import NothingRecorded, StackFailed
from console.ledger.sqlite_views import BUSY_SECONDS, Row, create, in_sqlite, insert

FILE = Path("pubsub", "warehouse.db")  #: where localpubsub puts it


class Accounting(NamedTuple):
    """Where the jobs of a run, or of all runs, stand. In text the line that `scrapeq demo` ends with."""

    dispatched: int = 0
    succeeded: int = 0
    dead: int = 0
    in_flight: int = 0
    retrying: int = 0  #: of those in flight
    missing: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every dispatched job is in exactly one of the states, and none is missing."""
        return self.dispatched == self.succeeded + self.dead + self.in_flight and not self.missing

    def __str__(self) -> str:
        told = self._asdict()
        del told["retrying"]
        if not self.missing:
            del told["missing"]
        return "accounting: " + " ".join(f"{name}={count}" for name, count in told.items())


class Result(NamedTuple):
    """A job that succeeded."""

    job_id: str
    url: str
    items: list[dict[str, Any]]
    attempts: int


class Failure(NamedTuple):
    """How often attempts ended for one reason."""

    reason: str
    outcome: str
    attempts: int
    jobs: int


class DeadJob(NamedTuple):
    """A job that used up its attempts, or was settled; `reason` is `""` where no attempt left an outcome."""

    job_id: str
    url: str
    attempts: int
    reason: str
    detail: str


class Attempt(NamedTuple):
    """One attempt of a job, as its outcome tells it."""

    job_id: str
    url: str
    attempt: int
    reason: str
    detail: str


@dataclass(frozen=True)
class Ledger:
    """The ledger of a data directory. Each call opens the file, so any thread may call.

    Attributes:
        data: the directory.
    """

    data: Path

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.data / FILE

    def create(self) -> None:
        """Make the file, its tables and its views where they are missing.

        Raises:
            StackFailed: where it cannot be written, or is none.
        """
        try:
            create(self.path)
        except sqlite3.Error as wrong:
            raise StackFailed(f"The ledger {self.path} cannot be made: {wrong}.") from wrong

    def record(self, rows: Iterable[Row]) -> None:
        """Add rows in one transaction; they are on disk when this returns."""
        with self._open() as connection, connection:
            insert(connection, rows)

    def accounting(self, run_id: str | None = None) -> Accounting:
        """Return where the jobs of a run stand, or of all runs."""
        columns = ", ".join(f"coalesce(sum({name}), 0)" for name in Accounting._fields)
        query = f"SELECT {columns} FROM `${{ledger}}.run_accounting` WHERE ? IS NULL OR run_id = ?"  # noqa: S608 - own names
        return Accounting(*self._rows(query, run_id, run_id)[0])

    def runs(self) -> list[str]:
        """Return all runs, the newest first."""
        query = """SELECT run_id FROM `${ledger}.run_accounting` WHERE run_id IS NOT NULL
                   ORDER BY started_at DESC, run_id DESC"""
        return [run for (run,) in self._rows(query)]

    def choose_run(self, run_id: str | None) -> str:
        """Return `run_id` if there is such a run, or the latest where it is None.

        Raises:
            NothingRecorded: naming the runs there are.
        """
        runs = self.runs()
        if not runs:
            raise NothingRecorded("No run is recorded yet. `scrapeq dispatch CRAWL.yaml` starts one.")
        if run_id is not None and run_id not in runs:
            more = f" and {len(runs) - 10} more" if len(runs) > 10 else ""
            raise NothingRecorded(f"There is no run {run_id}. There is: {', '.join(runs[:10])}{more}.")
        return run_id or runs[0]

    def results(self, run_id: str) -> list[Result]:
        """Return the jobs that succeeded, by URL."""
        query = """SELECT job_id, url, coalesce(items, '[]'), attempts FROM `${ledger}.results`
                   WHERE run_id = ? ORDER BY url, job_id"""
        return [
            Result(job_id, url, json.loads(items), attempts)
            for job_id, url, items, attempts in self._rows(query, run_id)
        ]

    def failures(self, run_id: str) -> list[Failure]:
        """Return why attempts did not succeed, the most frequent reason first."""
        query = """SELECT reason, outcome, sum(attempts), sum(jobs) FROM `${ledger}.failures`
                   WHERE run_id = ? GROUP BY reason, outcome ORDER BY 3 DESC, reason"""
        return [Failure(*row) for row in self._rows(query, run_id)]

    def dead(self, run_id: str) -> list[DeadJob]:
        """Return the jobs that used up their attempts or were settled as failed, by URL."""
        query = """SELECT coalesce(job_id, ''), coalesce(url, ''), attempts, coalesce(last_reason, ''),
                   coalesce(last_detail, '') FROM `${ledger}.job_state`
                   WHERE run_id = ? AND state = 'dead' ORDER BY url, job_id"""
        return [DeadJob(*row) for row in self._rows(query, run_id)]

    def repeated(self, run_id: str) -> list[Attempt]:
        """Return all attempts of the jobs that succeeded after a failed one, in order."""
        query = """WITH repeated AS MATERIALIZED
                   (SELECT job_id FROM `${ledger}.results` WHERE run_id = ? AND attempts > 1)
                   SELECT DISTINCT job_id, url, attempt, coalesce(new_reason, reason), detail
                   FROM `${ledger}.outcomes` LEFT JOIN `${ledger}.renamed_reasons` ON old_reason = reason
                   WHERE run_id = ? AND job_id IN repeated ORDER BY 2, 1, 3, 4, 5"""
        return [Attempt(*row) for row in self._rows(query, run_id, run_id)]

    def attempts(self, run_id: str, job_id: str) -> list[Attempt]:
        """Return all attempts of a job that left an outcome, in order."""
        query = """SELECT DISTINCT job_id, url, attempt, coalesce(new_reason, reason), detail
                   FROM `${ledger}.outcomes` LEFT JOIN `${ledger}.renamed_reasons` ON old_reason = reason
                   WHERE run_id = ? AND job_id = ? ORDER BY 3, 4, 5"""
        return [Attempt(*row) for row in self._rows(query, run_id, job_id)]

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._open() as connection:
            return connection.execute(in_sqlite(query), values).fetchall()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.is_file():
            raise NothingRecorded(
                f"There is no ledger in {self.data}. `scrapeq up` makes it; --data names another directory."
            )
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
            # A commit survives a power cut; then comes the ack.
            connection.execute("PRAGMA synchronous = FULL")
            connection.text_factory = _text
            yield connection


def _text(told: bytes) -> str:
    return told.decode(errors="replace")  # what somebody published need not be UTF-8
