"""Tests of the time of a next attempt, and of the table of jobs that are being retried."""

from datetime import UTC, datetime, timedelta

import pytest

from console.ledger.job_rows import RetryingJob, retrying_jobs
from console.ledger.ledger import Ledger
from console.report.retries import next_attempt, retries_table
from console.stack.services import DeliveryPolicy
from tests.console.ledger.rows import dead_letter_row, job_row, outcome_row, publish_time, record

ATTEMPTED = "2026-11-22T06:00:00.000000Z"


def job(attempts: int, not_before: str = "") -> RetryingJob:
    """Return a job whose last attempt ended at 06:00."""
    return RetryingJob("a", "https://shop.example/a", attempts, "timeout", ATTEMPTED, not_before)


@pytest.mark.parametrize(
    ("retrying", "seconds"),
    [
        (job(1), 10),
        (job(2), 20),
        (job(7), 600),
        (job(10_000), 600),
        (job(0), 10),
        (job(1, "2026-11-22T06:05:00Z"), 300),
        (job(7, "2026-11-22T06:05:00Z"), 600),
    ],
)
def test_next_attempt_is_at_the_end_of_the_backoff(retrying: RetryingJob, seconds: int) -> None:
    """The backoff doubles up to its maximum; a later time that the worker has set is kept."""
    expected = datetime.fromisoformat(ATTEMPTED) + timedelta(seconds=seconds)
    assert next_attempt(retrying, DeliveryPolicy()) == expected


def test_only_attempted_jobs_in_flight_are_being_retried(ledger: Ledger) -> None:
    """Queued, successful and dead jobs are not listed; the job attempted least recently is first."""
    record(
        ledger,
        [
            *(job_row(name) for name in ("late", "early", "queued", "good", "dead")),
            outcome_row("late", 5, attempt=2, reason="http_5xx"),
            outcome_row("early", 3, reason="timeout"),
            outcome_row("good", 4),
            outcome_row("dead", 4, reason="timeout"),
            dead_letter_row("dead", 6),
        ],
    )
    url = "https://shop.example/"
    assert retrying_jobs(ledger, "run-1", 20) == [
        RetryingJob("early", f"{url}early", 1, "timeout", publish_time(3), ""),
        RetryingJob("late", f"{url}late", 2, "http_5xx", publish_time(5), ""),
    ]
    assert [each.job_id for each in retrying_jobs(ledger, "run-1", 1)] == ["early"]


def test_table_shows_when_and_how_many_more() -> None:
    """A time that has passed is any moment, and the last row counts the jobs that are not shown."""
    now = datetime.fromisoformat(ATTEMPTED).astimezone(UTC) + timedelta(seconds=15)
    table = retries_table([job(1), job(3)], 7, DeliveryPolicy(), now)
    cells = [list(column.cells) for column in table.columns]
    assert cells == [
        ["https://shop.example/a", "https://shop.example/a", "and 5 more"],
        ["1", "3", ""],
        ["timeout", "timeout", ""],
        ["any moment", "in 25 s", ""],
    ]
