"""Keeps what the views of the ledger show in tables of a second SQLite file, so that queries are fast.

The file is derived from the ledger and may be deleted at any time; `console.ledger.summary_update` brings it
up to date before each query. A connection has it as `main` and the ledger as `warehouse`. SQLite searches a
name in `temp`, then in `main`, then in the attached file (https://www.sqlite.org/lang_naming.html), so a
query of a view's name reads the table with this name here, and that of a table's name reads the ledger.
"""

import sqlite3
import zlib
from pathlib import Path
from typing import Final

from console.ledger import summary_use
from console.ledger.sqlite_views import BUSY_TIMEOUT_SECONDS, layout, run, table, to_sqlite, views
from console.ledger.url_search import index_definition
from console.private_files import make_private_file

CACHE_KIB: Final = 64_000  #: memory for pages of each file; the indexes by job id are read at random places
#: Columns of job_state beside those of the view: how many requests have published the job; the row of
#: its newest success in the table outcomes; and the column attempts of the view results, NULL if the job has
#: no row there.
OWN_COLUMNS: Final = ("requests", "success_row", "result_attempts")
#: Columns of the index by which each kind of query finds its rows. The conditions of partial indexes are
#: those of the queries, letter for letter; their columns are in the index as well, so that it is enough.
JOB_INDEXES: Final = {
    "by_id": "(job_id, run_id)",
    "by_url": "(url, run_id)",
    "by_time": "(run_id, recorded_at, job_id, url)",
    "by_state": "(run_id, state, recorded_at, job_id)",
    "by_reason": "(run_id, last_reason, recorded_at, job_id)",
    "by_host": "(run_id, host, recorded_at, job_id)",
    "by_host_state": "(run_id, host, state, recorded_at, job_id)",
    "dead": "(run_id, host, cause, last_reason, recorded_at, job_id, state) WHERE state = 'dead'",
    "open": "(published_at, run_id, state) WHERE state IN ('queued', 'retrying')",
    "retrying": "(run_id, attempted_at, job_id) WHERE state = 'retrying'",
    "blocked": "(run_id, not_before, host, state) WHERE state = 'retrying' AND not_before IS NOT NULL",
    "unrecorded": "(run_id, attempts, outcomes) WHERE attempts > outcomes",
    "warned": "(run_id, recipe, last_detail, url, state) WHERE state = 'succeeded' AND last_detail <> ''",
}
#: What SQLite is to assume about the indexes when it chooses one: the number of rows, and how many of them
#: have the same first column, first two columns, and so on
#: (https://www.sqlite.org/fileformat2.html#stat1tab).
#: Stated here instead of measured by ANALYZE, so that each query has the same plan on every ledger.
_STATISTICS: Final = {
    "job_by_id": "1000000 1 1",
    "job_by_url": "1000000 20 1",
    "job_by_time": "1000000 50000 2 1 1",
    "job_by_state": "1000000 50000 20000 2 1",
    "job_by_reason": "1000000 50000 5000 2 1",
    "job_by_host": "1000000 50000 500 2 1",
    "job_by_host_state": "1000000 50000 500 200 2 1",
    "job_dead": "20000 1000 100 50 20 2 1 1",
    "job_open": "20000 2 1 1",
    "job_retrying": "10000 500 2 1",
    "job_blocked": "5000 250 2 1 1",
    "job_unrecorded": "10000 500 100 50",
    "job_warned": "200000 10000 10000 100 1 1",
}
_TABLES: Final = """
    -- The last row that was read of each table of the ledger.
    CREATE TABLE progress (source TEXT PRIMARY KEY, last_row INTEGER, message_id TEXT);
    -- The rows of each job, but those of outcomes have an index in the ledger.
    CREATE TABLE message (
        run_id TEXT, job_id TEXT, source TEXT, source_row INTEGER, listing TEXT, page INTEGER,
        request_id TEXT, replaces TEXT);
    CREATE INDEX message_of_job ON message (job_id, run_id);
    CREATE INDEX message_of_listing ON message (run_id, listing, page) WHERE listing IS NOT NULL;
    -- Jobs and those that replace them, in both directions.
    CREATE TABLE related (run_id TEXT, job_id TEXT, other TEXT, UNIQUE (job_id, run_id, other));
    -- Jobs that have new rows.
    CREATE TABLE changed (run_id TEXT, job_id TEXT);
    CREATE INDEX changed_job ON changed (job_id, run_id);
    -- Numbers of jobs. The key is the JSON of the next four columns, each of which may be NULL.
    CREATE TABLE job_count (
        key TEXT PRIMARY KEY, run_id TEXT, state TEXT, cause TEXT, is_dispatched INTEGER, jobs INTEGER,
        requests INTEGER, started_at TEXT, attempted_at TEXT);
    CREATE TABLE host_count (key TEXT PRIMARY KEY, run_id TEXT, host TEXT, state TEXT, jobs INTEGER);
    CREATE INDEX host_count_of_run ON host_count (run_id);
    -- Numbers of scraped pages with the same warnings, in the order in which they are shown.
    CREATE TABLE warning_count (key TEXT PRIMARY KEY, run_id TEXT, recipe TEXT, detail TEXT, jobs INTEGER);
    CREATE INDEX warning_by_count ON warning_count (run_id, jobs DESC, detail);
    -- Numbers of attempts that ended in each second.
    CREATE TABLE attempt_count (
        key TEXT PRIMARY KEY, second INTEGER, run_id TEXT, outcome TEXT, attempts INTEGER);
    CREATE INDEX attempt_count_by_time ON attempt_count (second, run_id, outcome, attempts);
    -- Runs by the number that they have in the index of URLs.
    CREATE TABLE run_number (number INTEGER PRIMARY KEY, run_id TEXT);
    CREATE INDEX number_of_run ON run_number (run_id);
    CREATE TABLE `${ledger}.attempts` ({attempts}, PRIMARY KEY (ended_at, message_id)) WITHOUT ROWID;
    CREATE INDEX failed_attempt ON `${ledger}.attempts` (run_id, reason, outcome, host, recipe, job_id)
        WHERE outcome NOT IN ('succeeded', 'cancelled');
    CREATE TABLE `${ledger}.job_state` ({jobs});
    CREATE TABLE `${ledger}.failures` (
        key TEXT PRIMARY KEY, run_id TEXT, reason TEXT, outcome TEXT, host TEXT, recipe TEXT,
        attempts INTEGER, jobs INTEGER);
    CREATE INDEX failure_of_run ON `${ledger}.failures` (run_id);
    CREATE TABLE `${ledger}.run_crawls` (run_id TEXT, crawl TEXT);
    CREATE TABLE `${ledger}.fields` (
        key TEXT PRIMARY KEY, run_id TEXT, recipe TEXT, field TEXT, items INTEGER, filled INTEGER);
    CREATE INDEX field_of_run ON `${ledger}.fields` (run_id);
    CREATE TABLE `${ledger}.field_examples` (
        run_id TEXT, recipe TEXT, field TEXT, is_filled INTEGER, job_id TEXT, url TEXT, value TEXT);
    CREATE INDEX example_of_field ON `${ledger}.field_examples` (run_id, recipe, field, is_filled);
"""
#: The views of the ledger whose content is computed from the tables above.
_VIEWS: Final = {
    "run_accounting": """
        SELECT
            count.run_id,
            sum(jobs * is_dispatched) AS dispatched,
            sum(jobs * (state = 'succeeded')) AS succeeded,
            sum(jobs * (state = 'dead')) AS dead,
            sum(jobs * (state = 'cancelled')) AS cancelled,
            sum(jobs * (state = 'dropped')) AS dropped,
            sum(jobs * (state = 'replaced')) AS replaced,
            sum(jobs * (coalesce(cause, '') = 'infrastructure')) AS dead_infrastructure,
            sum(jobs * is_dispatched * (state IN ('queued', 'retrying')))
                - coalesce(max(expired_jobs), 0)
                AS in_flight,
            sum(jobs * is_dispatched * (state = 'retrying')) - coalesce(max(expired_retrying), 0) AS retrying,
            sum(jobs * (NOT is_dispatched)) + coalesce(max(expired_jobs), 0) AS missing,
            min(count.started_at) AS started_at,
            max(count.attempted_at) AS attempted_at
        FROM job_count AS count
        LEFT JOIN (
            SELECT run_id, count(*) AS expired_jobs, sum(state = 'retrying') AS expired_retrying
            FROM `${ledger}.job_state`
            WHERE state IN ('queued', 'retrying')
                AND published_at < TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY)
            GROUP BY run_id
        ) AS expired ON expired.run_id IS count.run_id
        GROUP BY count.run_id HAVING sum(count.jobs) > 0""",
    "recorded_jobs": """
        SELECT run_id, sum(requests) AS recorded FROM job_count GROUP BY run_id HAVING sum(requests) > 0""",
    "job_messages": """
        SELECT message.run_id, message.job_id, 'job' AS kind, row.message_id, row.publish_time, row.data,
            row.attributes
        FROM message CROSS JOIN warehouse.`${ledger}.jobs` AS row ON row.rowid = message.source_row
        WHERE message.source = 'jobs'
        UNION ALL
        SELECT message.run_id, message.job_id, 'dead_letter', row.message_id, row.publish_time, row.data,
            row.attributes
        FROM message CROSS JOIN warehouse.`${ledger}.dead_letters` AS row ON row.rowid = message.source_row
        WHERE message.source = 'dead_letters'""",
    "attempt_seconds": "SELECT run_id, second, outcome, attempts FROM attempt_count",
    "host_states": "SELECT run_id, host, state, jobs FROM host_count WHERE jobs > 0",
    # The URL is found by an index. It is not kept with the count: when the page with the least URL is scraped
    # again without the warning, another one is the least.
    "page_warnings": """
        SELECT run_id, recipe, detail, jobs, (
            SELECT min(url) FROM `${ledger}.job_state` AS job
            WHERE job.run_id IS warning.run_id AND job.recipe IS warning.recipe
                AND job.last_detail IS warning.detail
                AND job.state = 'succeeded' AND job.last_detail <> '') AS url
        FROM warning_count AS warning WHERE jobs > 0""",
    "results": """
        SELECT
            success.run_id, success.job_id, success.crawl, success.url, success.final_url, success.recipe,
            success.items, success.item_count, success.fetched_at, success.body_sha256, success.page,
            success.listing, job.result_attempts AS attempts
        FROM `${ledger}.job_state` AS job
        CROSS JOIN warehouse.`${ledger}.outcomes` AS success ON success.rowid = job.success_row
        WHERE job.result_attempts IS NOT NULL""",
}
#: The views that are the queries of contract/ledger, but read the tables above.
_SAME_VIEWS: Final = ("listings", "run_dispatches")


def ledger_columns(connection: sqlite3.Connection, name: str) -> list[str]:
    """Return the columns of a table or view of the ledger that is attached to a connection."""
    rows = connection.execute("SELECT name FROM pragma_table_info(?, 'warehouse')", (table(name).strip("`"),))
    return [column for (column,) in rows]


def version() -> int:
    """Return a number that identifies the tables of this version: the user_version of the file."""
    tables = f"{_TABLES} {JOB_INDEXES} {_STATISTICS} {summary_use.TABLES} {index_definition()}"
    return zlib.crc32(f"{layout()} {tables}".encode()) >> 1


def connect(summary: Path, warehouse: Path) -> sqlite3.Connection:
    """Return a connection to the summary, which is created if it does not exist, and to the ledger.

    Raises:
        sqlite3.OperationalError: a file cannot be opened or written.
    """
    make_private_file(summary)
    connection = sqlite3.connect(summary, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
    try:
        connection.execute("ATTACH ? AS warehouse", (str(warehouse),))
        for name in ("main", "warehouse"):
            connection.execute(f"PRAGMA {name}.cache_size = -{CACHE_KIB}")
        # Each transaction writes many pages of the indexes; a checkpoint of several costs less.
        connection.execute("PRAGMA wal_autocheckpoint = 10000")
        connection.execute("PRAGMA main.synchronous = NORMAL")  # it can be made again from the ledger
        if connection.execute("PRAGMA main.user_version").fetchone() != (version(),):
            connection.execute("PRAGMA main.journal_mode = WAL")
            make_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def make_tables(connection: sqlite3.Connection) -> None:
    """Drop all tables of the file and make them again, empty."""
    connection.execute("BEGIN IMMEDIATE")
    # First the index of URLs, a virtual table: its other tables are dropped with it.
    names = connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY rootpage")
    for (name,) in names.fetchall():
        if not name.startswith("sqlite_"):
            connection.execute(f'DROP TABLE IF EXISTS main."{name}"')
    attempts = ", ".join(ledger_columns(connection, "attempts"))
    jobs = ", ".join([*ledger_columns(connection, "job_state"), *OWN_COLUMNS])
    for statement in (*_TABLES.split(";"), *summary_use.TABLES, index_definition()):
        run(connection, statement, attempts=attempts, jobs=jobs)
    for name, definition in JOB_INDEXES.items():
        listed, _, condition = definition.partition(" WHERE ")
        where = f" WHERE {condition}" if condition else ""
        connection.execute(f"CREATE INDEX main.job_{name} ON {table('job_state')} {listed}{where}")
    connection.execute("ANALYZE main.progress")  # creates the table of statistics
    statistics = [(table("job_state").strip("`"), name, text) for name, text in _STATISTICS.items()]
    connection.executemany("INSERT INTO main.sqlite_stat1 VALUES (?, ?, ?)", statistics)
    connection.execute("ANALYZE main.sqlite_schema")  # reads them
    connection.execute(f"PRAGMA main.user_version = {version()}")
    connection.execute("COMMIT")


def make_views(connection: sqlite3.Connection) -> None:
    """Make the temporary views of a connection, by which queries of the ledger's views read the summary."""
    times = ", ".join(ledger_columns(connection, "job_times"))
    queries = {
        "job_times": f"SELECT {times} FROM `${{ledger}}.job_state`",  # noqa: S608 - columns of the ledger's own view
        **_VIEWS,
        **{name: views()[name] for name in _SAME_VIEWS},
    }
    for name, query in queries.items():
        connection.execute(f"CREATE TEMP VIEW {table(name)} AS {to_sqlite(query)}")
