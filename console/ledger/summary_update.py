"""Brings the summary of the ledger up to date: reads its new rows, and derives the state of their jobs again.

The state of a job is derived by the views of the ledger themselves: temporary tables with the names of the
ledger's tables get only the rows of the jobs that have changed. So the summary has what the views would show,
whatever the order of the rows, and however often each is repeated.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from console.ledger.sqlite_views import run, views
from console.ledger.summary_counts import add_attempts, make_attempt_table
from console.ledger.summary_jobs import derive_jobs, make_temporary_tables
from console.ledger.summary_tables import connect, ledger_columns, make_tables, make_views
from console.ledger.summary_use import COUNT_USE
from contract.topology import LEDGER_TABLES

ROWS_AT_ONCE: Final = 5000  #: number of new rows that one transaction reads
_ATTRIBUTES: Final = """json_extract(attributes, '$.run_id') AS run_id,
    json_extract(attributes, '$.job_id') AS job_id"""
#: What is read of the rows of each table: the job, its listing, the request that published it, the job that
#: it replaces, and its crawl. `page` is the number of a further page of a listing that was published.
_COLUMNS: Final = {
    "jobs": _ATTRIBUTES
    + """, json_extract(attributes, '$.listing') AS listing,
        CAST(json_extract(attributes, '$.page') AS INTEGER) AS page,
        json_extract(attributes, '$.request_id') AS request_id,
        json_extract(attributes, '$.replaces') AS replaces, json_extract(attributes, '$.crawl') AS crawl""",
    "dead_letters": _ATTRIBUTES + ", NULL, NULL, NULL, NULL, NULL",
    "outcomes": "run_id, job_id, NULL, NULL, NULL, nullif(original, ''), NULL",
    "operator_log": "run_id, job_id, NULL, NULL, NULL, NULL, NULL",
}
#: The tables with rows of jobs. `dispatches` has few rows, which are read from the ledger.
SOURCES: Final = tuple(name for name in LEDGER_TABLES.values() if name in _COLUMNS)
_CHANGE: Final = """
    INSERT INTO changed SELECT DISTINCT new.run_id, new.job_id FROM {jobs} AS new WHERE NOT EXISTS (
        SELECT 1 FROM changed WHERE changed.job_id IS new.job_id AND changed.run_id IS new.run_id)"""
#: The first pages of the listings of which a further page was published: they have succeeded now.
_EARLIER_PAGES: Final = """(
    SELECT page.run_id, page.job_id FROM arrived CROSS JOIN warehouse.`${ledger}.outcomes` AS page
        ON page.run_id = arrived.run_id AND page.listing = arrived.listing AND page.listing <> ''
    WHERE arrived.listing IS NOT NULL AND page.page < arrived.page)"""
#: The jobs that new jobs replace.
_REPLACED: Final = "(SELECT run_id, replaces AS job_id FROM arrived WHERE replaces IS NOT NULL)"
_LAST_ROW: Final = "SELECT coalesce(max(rowid), 0) FROM warehouse.`${ledger}.{name}`"
_ARRIVE: Final = """
    INSERT INTO arrived SELECT ?, rowid, {columns} FROM warehouse.`${ledger}.{name}`
    WHERE rowid > ? AND rowid <= ?"""
_PROGRESS: Final = """
    INSERT OR REPLACE INTO progress SELECT ?, rowid, message_id FROM warehouse.`${ledger}.{name}`
    WHERE rowid <= ? ORDER BY rowid DESC LIMIT 1"""
_ARRIVED: Final = """
    CREATE TEMP TABLE arrived (
        source, source_row, run_id, job_id, listing, page, request_id, replaces, crawl)"""
_ARRIVED_OUTCOMES: Final = """
    CREATE TEMP VIEW arrived_outcomes AS
    SELECT outcome.* FROM arrived
    CROSS JOIN warehouse.`${ledger}.outcomes` AS outcome ON outcome.rowid = arrived.source_row
    WHERE arrived.source = 'outcomes'"""
#: What is done with new rows, which are in the temporary table `arrived`.
_AFTER_ARRIVAL: Final = (
    """INSERT INTO message
       SELECT run_id, job_id, source, source_row, listing, page, request_id, replaces FROM arrived
       WHERE source <> 'outcomes'""",
    """INSERT INTO message
       SELECT run_id, replaces, 'replaced', source_row, NULL, NULL, NULL, NULL FROM arrived
       WHERE source = 'jobs' AND replaces IS NOT NULL""",
    """INSERT OR IGNORE INTO related
       SELECT run_id, job_id, replaces FROM arrived WHERE replaces IS NOT NULL
       UNION SELECT run_id, replaces, job_id FROM arrived WHERE replaces IS NOT NULL""",
    """INSERT INTO main.`${ledger}.run_crawls` SELECT DISTINCT run_id, NULL FROM arrived AS new
       WHERE source = 'jobs' AND NOT EXISTS (
           SELECT 1 FROM main.`${ledger}.run_crawls` AS run WHERE run.run_id IS new.run_id)""",
    """UPDATE main.`${ledger}.run_crawls` AS run SET crawl = new.crawl
        FROM (SELECT run_id, max(crawl) AS crawl FROM arrived GROUP BY 1) AS new
        WHERE new.run_id IS run.run_id AND (run.crawl IS NULL OR new.crawl > run.crawl)""",
)


def open_summary(
    summary: Path, warehouse: Path, show: Callable[[int, int], None] = lambda *_: None
) -> sqlite3.Connection:
    """Return a connection for queries of the ledger, after the summary is brought up to date.

    Args:
        summary: path of the summary, which is made if it does not exist.
        warehouse: path of the ledger.
        show: see `update`.

    Raises:
        sqlite3.OperationalError: a file cannot be opened or written.
    """
    connection = connect(summary, warehouse)
    try:
        if _is_behind(connection, _last_rows(connection)):
            with closing(connect(summary, warehouse)) as updating:
                update(updating, show)
        make_views(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def update(connection: sqlite3.Connection, show: Callable[[int, int], None] = lambda *_: None) -> None:
    """Bring the summary up to date with all rows that the ledger has at the moment of the call.

    Several processes may do this at the same time: each transaction goes on where the last one has ended.

    Args:
        connection: a connection of `summary_tables.connect`.
        show: called with the number of what is done and of the whole, after each transaction.

    Raises:
        sqlite3.OperationalError: a file cannot be written.
    """
    ends = _last_rows(connection)
    if not _is_behind(connection, ends):
        return
    make_temporary_tables(connection)
    run(connection, _ARRIVED)
    run(connection, _ARRIVED_OUTCOMES)
    attempts = views()["attempts"].replace("`${ledger}.outcomes`", "arrived_outcomes")
    run(connection, f"CREATE TEMP VIEW arrived_attempts AS {attempts}")
    make_attempt_table(connection)
    read = sum(row for (row,) in run(connection, "SELECT last_row FROM progress"))
    done, whole, is_counted = 0, sum(ends.values()) - read, False
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            step = _read_rows(connection, ends)
            if not step:
                if not is_counted:
                    [(jobs,)] = run(connection, "SELECT count(*) FROM changed")
                    whole, is_counted = done + jobs, True
                step = derive_jobs(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        if not step:
            return
        done += step
        show(done, max(whole, done))


def _last_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the id of the last row of each table of the ledger."""
    return {source: run(connection, _LAST_ROW, name=source).fetchone()[0] for source in SOURCES}


def _is_behind(connection: sqlite3.Connection, ends: dict[str, int]) -> bool:
    """Return whether there are new rows or changed jobs; make the tables again if the ledger is another one.

    It is another one if it does not have the row that was read last, for example because the file was
    replaced.
    """
    progress = run(connection, "SELECT source, last_row, message_id FROM progress").fetchall()
    query = "SELECT message_id FROM warehouse.`${ledger}.{name}` WHERE rowid = ?"
    for source, row, message_id in progress:
        if row and run(connection, query, (row,), name=source).fetchone() != (message_id,):
            make_tables(connection)
            return True
    read = {source: row for source, row, _ in progress}
    if any(read.get(source, 0) < end for source, end in ends.items()):
        return True
    return bool(run(connection, "SELECT EXISTS (SELECT 1 FROM changed)").fetchone() == (1,))


def _read_rows(connection: sqlite3.Connection, ends: dict[str, int]) -> int:
    """Read the next rows of a table; return their number, or 0 if all are read."""
    read: dict[str, int] = dict(run(connection, "SELECT source, last_row FROM progress").fetchall())
    unread = [source for source, end in ends.items() if read.get(source, 0) < end]
    if not unread:
        return 0
    source, first = unread[0], read.get(unread[0], 0)
    last = min(ends[source], first + ROWS_AT_ONCE)
    run(connection, "DELETE FROM arrived")
    run(connection, _ARRIVE, (source, first, last), columns=_COLUMNS[source], name=source)
    if source == "operator_log":  # acts that are not about one job
        run(connection, "DELETE FROM arrived WHERE job_id IS NULL")
    for statement in (*_AFTER_ARRIVAL, *COUNT_USE):
        run(connection, statement)
    if source == "outcomes":
        add_attempts(connection, ", ".join(ledger_columns(connection, "attempts")))
    for jobs in ("arrived", _REPLACED, _EARLIER_PAGES):
        run(connection, _CHANGE, jobs=jobs)
    run(connection, _PROGRESS, (source, last), name=source)
    return last - first
