"""Counts, for each day, what was used: a part of the summary, from which the cost of a day is read. Pure.

Rows are counted, so a message with two rows counts twice. `console.ledger.day_use` has the same numbers for a
ledger without a summary.
"""

from typing import Final

DAY_USE: Final = "day_use"  #: the table with a row for each day
#: Bytes of the message of an outcome: its columns, and the names of its fields.
OUTCOME_BYTES: Final = """600 + coalesce(LENGTH(TO_JSON_STRING(items)), 0)
    + coalesce(LENGTH(url), 0) + coalesce(LENGTH(final_url), 0) + coalesce(LENGTH(detail), 0)
    + coalesce(LENGTH(TO_JSON_STRING(attributes)), 0)"""
TABLES: Final = (
    """CREATE TABLE day_use (
        day TEXT PRIMARY KEY, messages INTEGER, message_bytes INTEGER, attempts INTEGER, failed INTEGER,
        seconds REAL, body_bytes INTEGER, outcome_bytes INTEGER, items INTEGER)""",
    """CREATE TABLE worker_minute (
        day TEXT, worker TEXT, minute TEXT, PRIMARY KEY (day, worker, minute)) WITHOUT ROWID""",
)
_ADD: Final = """
    ON CONFLICT (day) DO UPDATE SET
        messages = messages + excluded.messages, message_bytes = message_bytes + excluded.message_bytes,
        attempts = attempts + excluded.attempts, failed = failed + excluded.failed,
        seconds = seconds + excluded.seconds, body_bytes = body_bytes + excluded.body_bytes,
        outcome_bytes = outcome_bytes + excluded.outcome_bytes, items = items + excluded.items"""
#: What is done with new rows, which are in the temporary table `arrived`.
COUNT_USE: Final = (
    f"""INSERT INTO day_use
        SELECT substr(publish_time, 1, 10), count(*),
            coalesce(sum(LENGTH(data) + LENGTH(TO_JSON_STRING(attributes))), 0), 0, 0, 0.0, 0, 0, 0
        FROM arrived CROSS JOIN warehouse.`${{ledger}}.jobs` AS job ON job.rowid = arrived.source_row
        WHERE arrived.source = 'jobs' AND publish_time IS NOT NULL GROUP BY 1 {_ADD}""",  # noqa: S608 - constants
    f"""INSERT INTO day_use
        SELECT substr(publish_time, 1, 10), 0, 0, count(*), sum(coalesce(outcome, '') <> 'succeeded'),
            coalesce(sum(total_seconds), 0.0), coalesce(sum(body_bytes), 0), sum({OUTCOME_BYTES}),
            coalesce(sum(item_count), 0)
        FROM arrived_outcomes WHERE publish_time IS NOT NULL GROUP BY 1 {_ADD}""",  # noqa: S608 - constants
    """INSERT OR IGNORE INTO worker_minute
        SELECT DISTINCT substr(publish_time, 1, 10), coalesce(worker, ''), substr(publish_time, 12, 5)
        FROM arrived_outcomes WHERE publish_time IS NOT NULL""",
)
