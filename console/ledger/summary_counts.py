"""Keeps counts of jobs by their state: a transaction adds the new jobs, and subtracts them as they were."""

import sqlite3
from typing import Final

from console.ledger.sqlite_views import run

#: The columns of a job that the counts depend on. `count` is 1 for a job as it is now, and -1 for the same
#: job as it was before the transaction.
_CHANGES: Final = """
    CREATE TEMP TABLE count_change (
        count INTEGER, run_id, host, recipe, state, cause, detail, requests, dispatched_at, attempted_at)"""
_CHANGED_COLUMNS: Final = """
    job.run_id, job.host, job.recipe, job.state, job.cause, job.last_detail, job.requests, job.dispatched_at,
    job.attempted_at"""
_COLLECT: Final = (
    "DELETE FROM count_change",
    f"INSERT INTO count_change SELECT 1, {_CHANGED_COLUMNS} FROM fresh AS job",  # noqa: S608 - constants
    f"""INSERT INTO count_change SELECT -1, {_CHANGED_COLUMNS}
        FROM fresh CROSS JOIN main.`${{ledger}}.job_state` AS job ON job.rowid = fresh.known""",  # noqa: S608 - constants
)
_COUNT: Final = (
    """INSERT INTO job_count
       SELECT json_array(run_id, state, cause, dispatched_at IS NOT NULL), run_id, state, cause,
           dispatched_at IS NOT NULL, sum(count), sum(count * requests), min(dispatched_at),
           max(attempted_at)
       FROM count_change GROUP BY 1 HAVING true
       ON CONFLICT (key) DO UPDATE SET
           jobs = jobs + excluded.jobs, requests = requests + excluded.requests,
           started_at = min(coalesce(started_at, excluded.started_at),
               coalesce(excluded.started_at, started_at)),
           attempted_at = max(coalesce(attempted_at, excluded.attempted_at),
               coalesce(excluded.attempted_at, attempted_at))""",
    """INSERT INTO host_count
       SELECT json_array(run_id, host, state), run_id, host, state, sum(count)
       FROM count_change GROUP BY 1 HAVING sum(count) <> 0
       ON CONFLICT (key) DO UPDATE SET jobs = jobs + excluded.jobs""",
    """INSERT INTO warning_count
       SELECT json_array(run_id, recipe, detail), run_id, recipe, detail, sum(count)
       FROM count_change WHERE state = 'succeeded' AND detail <> '' GROUP BY 1 HAVING sum(count) <> 0
       ON CONFLICT (key) DO UPDATE SET jobs = jobs + excluded.jobs""",
)
#: The attempts that have arrived and are not yet in the table of attempts.
_NEW_ATTEMPTS: Final = """
    INSERT INTO new_attempts SELECT {attempts} FROM arrived_attempts AS new WHERE NOT EXISTS (
        SELECT 1 FROM main.`${ledger}.attempts` AS known
        -- Without its type TIMESTAMP, which SQLite treats as a number; it would not use the index.
        WHERE known.ended_at = +new.ended_at AND known.message_id = new.message_id)"""
_ADD_ATTEMPTS: Final = (
    # A job counts once in each group.
    """INSERT INTO main.`${ledger}.failures`
       SELECT json_array(run_id, reason, outcome, host, recipe), run_id, reason, outcome, host, recipe,
           count(*), count(DISTINCT CASE WHEN NOT EXISTS (
               SELECT 1 FROM main.`${ledger}.attempts` AS known INDEXED BY failed_attempt
               WHERE known.run_id IS new.run_id AND known.reason IS new.reason
                   AND known.outcome IS new.outcome AND known.host IS new.host
                   AND known.recipe IS new.recipe AND known.job_id IS new.job_id
                   AND known.outcome NOT IN ('succeeded', 'cancelled')) THEN job_id END)
       FROM new_attempts AS new WHERE outcome NOT IN ('succeeded', 'cancelled') GROUP BY 1 HAVING true
       ON CONFLICT (key) DO UPDATE SET
           attempts = attempts + excluded.attempts, jobs = jobs + excluded.jobs""",
    """INSERT INTO attempt_count
       SELECT json_array(UNIX_SECONDS(ended_at), run_id, outcome), UNIX_SECONDS(ended_at), run_id, outcome,
           count(*)
       FROM new_attempts GROUP BY 1 HAVING true
       ON CONFLICT (key) DO UPDATE SET attempts = attempts + excluded.attempts""",
    "INSERT INTO main.`${ledger}.attempts` SELECT {attempts} FROM new_attempts",
)


def make_count_tables(connection: sqlite3.Connection) -> None:
    """Make the temporary table that `count_jobs` needs."""
    run(connection, _CHANGES)


def count_jobs(connection: sqlite3.Connection) -> None:
    """Count the jobs in the table `fresh`, which are not yet in the table job_state of the summary."""
    for statement in (*_COLLECT, *_COUNT):
        run(connection, statement)


def make_attempt_table(connection: sqlite3.Connection) -> None:
    """Make the temporary table that `add_attempts` needs, with the columns of the view `arrived_attempts`."""
    run(connection, "CREATE TEMP TABLE new_attempts AS SELECT * FROM arrived_attempts LIMIT 0")


def add_attempts(connection: sqlite3.Connection, columns: str) -> None:
    """Add the attempts in the view `arrived_attempts` that are not known, and count them.

    Args:
        connection: a connection that updates the summary.
        columns: the names of the columns of attempts, separated by commas.
    """
    run(connection, "DELETE FROM new_attempts")
    for statement in (_NEW_ATTEMPTS, *_ADD_ATTEMPTS):
        run(connection, statement, attempts=columns)
