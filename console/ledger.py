"""The ledger: what was dispatched, what came of it, and what died, as rows and views in one SQLite file.

The tables have the rows that BigQuery subscriptions would write; what they mean is in `ledger.sql`.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from console.complaint import NothingRecorded
from contract.topology import DEAD_TOPIC, JOBS_TOPIC, OUTCOMES_TOPIC

FILE = "ledger.db"
TABLES = {JOBS_TOPIC: "jobs", OUTCOMES_TOPIC: "outcomes", DEAD_TOPIC: "dead_letters"}
BUSY_SECONDS = 10.0


@dataclass(frozen=True)
class Row:
    """One delivery of a message.

    Attributes:
        topic: the short name, which decides the table.
        publish_time: RFC 3339 in UTC with six decimals, so that text order is time order.
        data: a JSON object; of anything else only the attributes are kept.
    """

    topic: str
    subscription_name: str
    message_id: str
    publish_time: str
    attributes: Mapping[str, str]
    data: bytes


class Accounting(NamedTuple):
    """Where the jobs of a run, or of all runs, stand. In text the line that `scrapeq demo` ends with."""

    dispatched: int = 0
    succeeded: int = 0
    dead: int = 0
    in_flight: int = 0
    missing: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every dispatched job is in exactly one of the states, and none is missing."""
        return self.dispatched == self.succeeded + self.dead + self.in_flight and not self.missing

    def __str__(self) -> str:
        told = {name: count for name, count in self._asdict().items() if count or name != "missing"}
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
    _columns: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.data / FILE

    def create(self) -> None:
        """Make the file, its tables and its views where they are missing; views are always made anew."""
        script = (resources.files("console") / "ledger.sql").read_text()
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # readers and the one writer do not wait
            connection.executescript(f"BEGIN IMMEDIATE; {script} COMMIT;")

    def record(self, rows: Iterable[Row]) -> None:
        """Add rows in one transaction; they are on disk when this returns."""
        with self._open() as connection, connection:
            for row in rows:
                table = TABLES[row.topic]
                values = _values(row, self._columns_of(connection, table))
                names, marks = ", ".join(values), ", ".join("?" * len(values))
                # The names are our own schema's, never a message's.
                statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - see above
                connection.execute(statement, list(values.values()))

    def accounting(self, run_id: str | None = None) -> Accounting:
        """Return where the jobs of a run stand, or of all runs."""
        columns = ", ".join(f"coalesce(sum({name}), 0)" for name in Accounting._fields)
        query = f"SELECT {columns} FROM run_accounting WHERE ? IS NULL OR run_id = ?"  # noqa: S608 - own names
        return Accounting(*self._rows(query, run_id, run_id)[0])

    def runs(self) -> list[str]:
        """Return all runs, the newest first."""
        return [
            run
            for (run,) in self._rows(
                "SELECT run_id FROM run_accounting ORDER BY started_at DESC, run_id DESC"
            )
        ]

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
        query = """SELECT job_id, url, coalesce(items, '[]'), attempts FROM results
                   WHERE run_id = ? ORDER BY url, job_id"""
        return [
            Result(job_id, url, json.loads(items), attempts)
            for job_id, url, items, attempts in self._rows(query, run_id)
        ]

    def failures(self, run_id: str) -> list[Failure]:
        """Return why attempts did not succeed, the most frequent reason first."""
        query = """SELECT reason, outcome, attempts, jobs FROM failures
                   WHERE run_id = ? ORDER BY attempts DESC, reason"""
        return [Failure(*row) for row in self._rows(query, run_id)]

    def dead(self, run_id: str) -> list[DeadJob]:
        """Return the jobs that used up their attempts or were settled as failed, by URL."""
        query = """SELECT job_id, coalesce(url, ''), attempts, coalesce(reason, ''),
                   coalesce(detail, '') FROM dead_jobs WHERE run_id = ? ORDER BY url, job_id"""
        return [DeadJob(*row) for row in self._rows(query, run_id)]

    def repeated(self, run_id: str) -> list[Attempt]:
        """Return all attempts of the jobs that succeeded after a failed one, in order."""
        query = """WITH repeated AS MATERIALIZED
                   (SELECT job_id FROM results WHERE run_id = ? AND attempts > 1)
                   SELECT DISTINCT job_id, url, attempt, reason, detail FROM outcomes
                   WHERE run_id = ? AND job_id IN repeated ORDER BY 2, 1, 3, 4, 5"""
        return [Attempt(*row) for row in self._rows(query, run_id, run_id)]

    def attempts(self, run_id: str, job_id: str) -> list[Attempt]:
        """Return all attempts of a job that left an outcome, in order."""
        query = """SELECT DISTINCT job_id, url, attempt, reason, detail FROM outcomes
                   WHERE run_id = ? AND job_id = ? ORDER BY attempt, reason, detail"""
        return [Attempt(*row) for row in self._rows(query, run_id, job_id)]

    def retrying(self, run_id: str) -> int:
        """Return how many jobs in flight have a failed attempt behind them."""
        query = "SELECT count(*) FROM job_state WHERE run_id = ? AND state = 'in_flight' AND attempts > 0"
        return int(self._rows(query, run_id)[0][0])

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._open() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.is_file():
            raise NothingRecorded(
                f"There is no ledger in {self.data}. `scrapeq up` makes it; --data names another directory."
            )
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
            connection.execute(
                "PRAGMA synchronous = FULL"
            )  # a commit survives a power cut, then comes the ack
            yield connection

    def _columns_of(self, connection: sqlite3.Connection, table: str) -> list[str]:
        if table not in self._columns:
            info = connection.execute(f"PRAGMA table_info({table})")
            self._columns[table] = [name for _, name, *_ in info]
        return self._columns[table]


def _values(row: Row, columns: list[str]) -> dict[str, object]:
    metadata = {
        "subscription_name": row.subscription_name,
        "message_id": row.message_id,
        "publish_time": row.publish_time,
        "attributes": json.dumps(dict(row.attributes), ensure_ascii=False),
    }
    # What the body does not tell (it may be no JSON at all) the attributes may.
    known = {name: row.attributes.get(name, "") for name in ("job_id", "run_id", "crawl")}
    told = {**known, **_document(row.data), **metadata}
    return {name: _storable(told[name]) for name in columns if name in told}


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _storable(value: object) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        return value.encode(errors="replace").decode()  # JSON may hold half a surrogate pair, SQLite may not
    return str(value) if isinstance(value, int) and abs(value) >= 2**63 else value
