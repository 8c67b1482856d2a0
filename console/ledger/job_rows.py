"""Queries what the ledger knows of one job: its state, its items, and its events from the first to the last.

Pub/Sub delivers at least once, so a row may be repeated; the queries return one row for each message.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final, NamedTuple

from console.ledger.ledger import Ledger
from contract.urls import check_url

#: Jobs by job id or URL, of one run or of all runs, those that were dispatched last first.
#: Parameters: the job id, two spellings of the URL, and twice the run id or NULL.
JOBS_QUERY: Final = """
    SELECT run_id, job_id, coalesce(url, ''), state, attempts, coalesce(cause, ''), coalesce(last_reason, ''),
           coalesce(last_detail, '')
    FROM `${ledger}.job_state`
    WHERE (job_id = ? OR url IN (?, ?)) AND (? IS NULL OR run_id = ?)
    ORDER BY dispatched_at DESC, run_id, url, job_id"""

#: The messages of a job on the jobs topic. Parameters: the run id and the job id; so of the other queries.
PUBLISHED_QUERY: Final = """
    SELECT min(publish_time), coalesce(max(defers), 0), coalesce(max(not_before), '')
    FROM (SELECT message_id, publish_time,
              SAFE_CAST(JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.defers') AS INT64)
              AS defers,
              JSON_VALUE(SAFE.PARSE_JSON(SAFE_CONVERT_BYTES_TO_STRING(data)), '$.not_before') AS not_before
          FROM `${ledger}.job_messages` WHERE run_id = ? AND job_id = ? AND kind = 'job') AS messages
    GROUP BY message_id"""
ATTEMPTS_QUERY: Final = """
    SELECT DISTINCT message_id, publish_time, attempt, outcome, coalesce(new_reason, reason),
           coalesce(detail, ''), coalesce(http_status, 0), coalesce(total_seconds, 0.0),
           coalesce(waited_seconds, 0.0), coalesce(fetch_seconds, 0.0), coalesce(body_bytes, 0),
           coalesce(item_count, 0), coalesce(worker, ''), coalesce(final_url, '')
    FROM `${ledger}.outcomes` LEFT JOIN `${ledger}.renamed_reasons` ON old_reason = reason
    WHERE run_id = ? AND job_id = ?"""
DEAD_LETTERS_QUERY: Final = """
    SELECT min(publish_time), coalesce(max(deliveries), 0), coalesce(max(reason), '')
    FROM (SELECT message_id, publish_time, JSON_VALUE(attributes, '$.reason') AS reason,
              SAFE_CAST(JSON_VALUE(attributes, '$.CloudPubSubDeadLetterSourceDeliveryCount') AS INT64)
              AS deliveries
          FROM `${ledger}.job_messages` WHERE run_id = ? AND job_id = ? AND kind = 'dead_letter') AS messages
    GROUP BY message_id"""
#: The newest message of a job. Parameters: the run id and the job id.
MESSAGE_QUERY: Final = """
    SELECT data FROM `${ledger}.job_messages` WHERE run_id = ? AND job_id = ? AND kind = 'job'
    ORDER BY publish_time DESC LIMIT 1"""
ITEMS_QUERY: Final = """
    SELECT items FROM `${ledger}.results` WHERE run_id = ? AND job_id = ?"""


#: The jobs of a run that have been attempted and are in flight, those attempted least recently first.
#: Parameters: the run id, and the maximum number of rows.
RETRYING_QUERY: Final = """
    SELECT job_id, coalesce(url, ''), attempts, coalesce(last_reason, ''), attempted_at,
           coalesce(not_before, '')
    FROM `${ledger}.job_state`
    WHERE run_id = ? AND state = 'retrying' AND attempted_at IS NOT NULL
    ORDER BY attempted_at, job_id LIMIT ?"""


class JobState(NamedTuple):
    """A job of the view job_state; `cause`, `last_reason` and `last_detail` are `""` if there is none."""

    run_id: str
    job_id: str
    url: str
    state: str
    attempts: int
    cause: str
    last_reason: str
    last_detail: str


class RetryingJob(NamedTuple):
    """A job that has been attempted and is in flight.

    Attributes:
        job_id: id of the job.
        url: URL of the page; `""` if unknown.
        attempts: number of attempts.
        reason: reason of the last attempt; `""` if it left no outcome.
        attempted_at: when the last attempt ended, UTC.
        not_before: earliest time of the next attempt that a worker has set; `""` if none has.
    """

    job_id: str
    url: str
    attempts: int
    reason: str
    attempted_at: str
    not_before: str


class Publication(StrEnum):
    """Why a message of a job was published."""

    DISPATCHED = "dispatched"
    DISPATCHED_AGAIN = "dispatched again"  #: by a repeated trigger, which makes the same jobs
    DEFERRED = "deferred"  #: by a worker, with ACK_POLICY=settled
    REPLAYED = "replayed"


class Published(NamedTuple):
    """A job was published at `at`; `not_before` is the earliest time of its next attempt, or `""`."""

    at: str
    why: Publication
    not_before: str


class Attempted(NamedTuple):
    """An attempt ended at `at`; the numbers are 0 and the texts `""` if there is no such value.

    Attributes:
        attempt: number of the delivery attempt.
        total_seconds: from the push's arrival to the outcome; `waited_seconds` and `fetch_seconds` are parts.
        body_bytes: bytes of the page.
    """

    at: str
    attempt: int
    outcome: str
    reason: str
    detail: str
    http_status: int
    total_seconds: float
    waited_seconds: float
    fetch_seconds: float
    body_bytes: int
    item_count: int
    worker: str
    final_url: str


class DeadLettered(NamedTuple):
    """A job became a dead letter at `at`: after `deliveries`, for a `reason`, or both.

    Attributes:
        deliveries: number of deliveries that Pub/Sub or a relay has counted; 0 if a worker dead-lettered the
            job, or RabbitMQ itself.
        reason: reason code of a worker or a relay; `""` if there is none, as of Pub/Sub.
    """

    at: str
    deliveries: int
    reason: str


Event = Published | Attempted | DeadLettered


def find_jobs(ledger: Ledger, job: str, run_id: str | None = None) -> list[JobState]:
    """Return the jobs with this job id or URL, of one run or of all runs, those dispatched last first."""
    try:
        url = check_url(job)
    except ValueError:
        url = job
    return [JobState(*row) for row in ledger.rows(JOBS_QUERY, job, job, url, run_id, run_id)]


def retrying_jobs(ledger: Ledger, run_id: str, count: int) -> list[RetryingJob]:
    """Return up to `count` jobs of a run that are being retried, those attempted least recently first."""
    return [RetryingJob(*row) for row in ledger.rows(RETRYING_QUERY, run_id, count)]


def job_events(ledger: Ledger, job: JobState) -> list[Event]:
    """Return what happened to a job, in the order of time."""
    queries = (PUBLISHED_QUERY, ATTEMPTS_QUERY, DEAD_LETTERS_QUERY)
    return read_events(*(ledger.rows(query, job.run_id, job.job_id) for query in queries))


def job_items(ledger: Ledger, job: JobState) -> list[dict[str, Any]]:
    """Return the items of a job; none if it has not succeeded."""
    return [
        item
        for (items,) in ledger.rows(ITEMS_QUERY, job.run_id, job.job_id)
        for item in json.loads(items or "[]")
    ]


def job_message(ledger: Ledger, run_id: str, job_id: str) -> dict[str, Any]:
    """Return the newest message of a job as JSON; an empty object if there is no readable one."""
    for (data,) in ledger.rows(MESSAGE_QUERY, run_id, job_id):
        with suppress(ValueError, TypeError):
            document = json.loads(data)
            return document if isinstance(document, dict) else {}
    return {}


def read_events(
    published: Iterable[Any], attempts: Iterable[Any], dead_letters: Iterable[Any]
) -> list[Event]:
    """Return the events of a job in the order of their times, from the rows of the three queries.

    A message with more `defers` than those before it was deferred. One that follows a dead letter was
    replayed. Otherwise a repeated trigger has published it.
    """
    rows: list[tuple[str, int, Any]] = [(at, 2, (at, *values)) for at, *values in published]
    rows += [(at, 0, Attempted(at, *values)) for _, at, *values in attempts]
    rows += [(at, 1, DeadLettered(at, *values)) for at, *values in dead_letters]
    events: list[Event] = []
    defers, is_dead, is_dispatched = 0, False, False
    for _, kind, row in sorted(rows, key=lambda each: each[:2]):
        if kind != 2:
            events.append(row)
            is_dead = is_dead or kind == 1
            continue
        at, row_defers, not_before = row
        if row_defers > defers:
            why = Publication.DEFERRED
        elif is_dead:
            why = Publication.REPLAYED
        else:
            why = Publication.DISPATCHED_AGAIN if is_dispatched else Publication.DISPATCHED
        defers, is_dead, is_dispatched = row_defers, False, True
        events.append(Published(at, why, not_before))
    return events
