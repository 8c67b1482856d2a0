"""Queries what all runs have used since the begin of a day, in UTC."""

from datetime import UTC, datetime
from typing import Final

from console.ledger.host_rows import timestamp
from console.ledger.ledger import Ledger
from console.ledger.summary_use import DAY_USE, OUTCOME_BYTES
from console.ledger.use_rows import RunUse

#: Parameter: the begin of the day; so of the next queries. They read only the partition of the day.
JOBS_QUERY: Final = """
    SELECT count(*), coalesce(sum(LENGTH(data) + LENGTH(TO_JSON_STRING(attributes))), 0)
    FROM `${ledger}.jobs` WHERE publish_time >= CAST(? AS TIMESTAMP)"""
#: Parameters: 60, and the begin of the day.
OUTCOMES_QUERY: Final = f"""
    SELECT count(*), coalesce(sum(CASE WHEN outcome = 'succeeded' THEN 0 ELSE 1 END), 0),
        coalesce(sum(total_seconds), 0.0), coalesce(sum(body_bytes), 0), coalesce(sum({OUTCOME_BYTES}), 0),
        coalesce(sum(item_count), 0),
        count(DISTINCT coalesce(worker, '') || ' ' || CAST(DIV(UNIX_SECONDS(ended_at), ?) AS STRING))
    FROM (SELECT outcome, total_seconds, body_bytes, items, url, final_url, detail, attributes, item_count,
              worker, publish_time AS ended_at
          FROM `${{ledger}}.outcomes` WHERE publish_time >= CAST(? AS TIMESTAMP)) AS found"""  # noqa: S608 - constants
UNRECORDED_QUERY: Final = """
    SELECT coalesce(sum(attempts - outcomes), 0) FROM `${ledger}.job_state`
    WHERE attempts > outcomes AND published_at >= CAST(? AS TIMESTAMP)"""
#: The same in the summary of a ledger in a file. Parameter: the day, as `2026-11-22`; so of the next query.
SUMMARY_QUERY: Final = """
    SELECT messages, message_bytes, attempts, failed, seconds, body_bytes, outcome_bytes, items
    FROM day_use WHERE day = ?"""
MINUTES_QUERY: Final = "SELECT count(*) FROM worker_minute WHERE day = ?"
_HAS_SUMMARY: Final = "SELECT count(*) FROM sqlite_schema WHERE name = ?"


def day_use(ledger: Ledger, now: datetime) -> RunUse:
    """Return what all runs have used since 00:00 UTC of the day of `now`.

    A row of the ledger counts as a message, and an attempt without an outcome counts on the day on which the
    message of its job was published.
    """
    begin = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if ledger.is_file and ledger.rows(_HAS_SUMMARY, DAY_USE) == [(1,)]:
        day = f"{begin:%Y-%m-%d}"
        [counts] = ledger.rows(SUMMARY_QUERY, day) or [(0, 0, 0, 0, 0.0, 0, 0, 0)]
        [(minutes,)] = ledger.rows(MINUTES_QUERY, day)
    else:
        [jobs] = ledger.rows(JOBS_QUERY, timestamp(begin))
        [(*outcomes, minutes)] = ledger.rows(OUTCOMES_QUERY, 60, timestamp(begin))
        counts = (*jobs, *outcomes)
    messages, message_bytes, attempts, failed, seconds, body_bytes, outcome_bytes, items = counts
    [(unrecorded,)] = ledger.rows(UNRECORDED_QUERY, timestamp(begin))
    return RunUse(
        jobs=messages,
        messages=messages,
        message_bytes=message_bytes,
        attempts=attempts,
        failed=failed,
        unrecorded=unrecorded,
        outcome_bytes=outcome_bytes,
        items=items,
        seconds=seconds,
        worker_minutes=minutes,
        body_bytes=body_bytes,
    )
