"""Queries what a run has used: messages and their bytes, attempts, seconds of workers, and bytes of pages."""

from typing import Final, NamedTuple

from console.ledger.ledger import Ledger
from console.ledger.run_overview import UNRECORDED_QUERY
from console.ledger.summary_use import OUTCOME_BYTES

#: Parameters: 60, and the run id; the other queries have the run id. A minute in which a worker ended an
#: attempt is a minute in which its instance was awake.
ATTEMPTS_QUERY: Final = """
    SELECT count(*), coalesce(sum(CASE WHEN outcome = 'succeeded' THEN 0 ELSE 1 END), 0),
        coalesce(sum(total_seconds), 0.0),
        count(DISTINCT coalesce(worker, '') || ' ' || CAST(DIV(UNIX_SECONDS(ended_at), ?) AS STRING)),
        coalesce(sum(body_bytes), 0)
    FROM `${ledger}.attempts` WHERE run_id = ?"""
JOBS_QUERY: Final = """
    SELECT count(*), count(DISTINCT job_id), coalesce(sum(bytes), 0), coalesce(max(delay), 0.0)
    FROM (SELECT message_id, max(JSON_VALUE(attributes, '$.job_id')) AS job_id,
              max(LENGTH(data) + LENGTH(TO_JSON_STRING(attributes))) AS bytes,
              max(SAFE_CAST(JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)),
                  '$.politeness.delay_seconds') AS FLOAT64)) AS delay
          FROM `${ledger}.jobs` WHERE JSON_VALUE(attributes, '$.run_id') = ?
          GROUP BY message_id) AS messages"""
OUTCOMES_QUERY: Final = f"""
    SELECT coalesce(sum(bytes), 0), coalesce(sum(items), 0)
    FROM (SELECT message_id, max({OUTCOME_BYTES}) AS bytes, max(item_count) AS items
          FROM `${{ledger}}.outcomes` WHERE run_id = ? GROUP BY message_id) AS messages"""  # noqa: S608 - constants
BODY_BYTES_QUERY: Final = """
    SELECT coalesce(sum(body_bytes), 0) FROM `${ledger}.attempts` WHERE run_id = ?"""


class RunUse(NamedTuple):
    """What a run has used so far, by the rows of the ledger.

    Attributes:
        jobs: number of jobs.
        messages: number of messages of jobs; more than `jobs` after deferrals and replays.
        message_bytes: their bytes, bodies and attributes.
        attempts: number of attempts that left an outcome.
        failed: how many of them did not succeed.
        unrecorded: at least so many attempts left no outcome.
        outcome_bytes: bytes of the outcomes, estimated from their columns.
        items: number of items.
        seconds: seconds from the arrival of each push to its outcome, over all attempts.
        worker_minutes: number of minutes in which an instance ended an attempt, over all instances.
        body_bytes: bytes of all pages.
        delay_seconds: the crawl's delay between two requests to a host.
    """

    jobs: int = 0
    messages: int = 0
    message_bytes: int = 0
    attempts: int = 0
    failed: int = 0
    unrecorded: int = 0
    outcome_bytes: int = 0
    items: int = 0
    seconds: float = 0.0
    worker_minutes: int = 0
    body_bytes: int = 0
    delay_seconds: float = 0.0

    @property
    def pushes(self) -> int:
        """Number of pushes that are known."""
        return self.attempts + self.unrecorded


def run_use(ledger: Ledger, run_id: str) -> RunUse:
    """Return what a run has used so far."""
    [(messages, jobs, message_bytes, delay)] = ledger.rows(JOBS_QUERY, run_id)
    [(attempts, failed, seconds, minutes, body_bytes)] = ledger.rows(ATTEMPTS_QUERY, 60, run_id)
    [(outcome_bytes, items)] = ledger.rows(OUTCOMES_QUERY, run_id)
    [(unrecorded,)] = ledger.rows(UNRECORDED_QUERY, run_id)
    return RunUse(
        jobs, messages, message_bytes, attempts, failed, unrecorded, outcome_bytes, items, seconds, minutes,
        body_bytes, delay,
    )  # fmt: skip


def body_bytes(ledger: Ledger, run_id: str) -> int:
    """Return the number of bytes of all pages of a run so far."""
    [(count,)] = ledger.rows(BODY_BYTES_QUERY, run_id)
    return int(count)
