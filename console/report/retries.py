"""Makes the table of the jobs that are being retried, with the time of their next attempt. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from console.ledger.job_rows import RetryingJob
from console.report.durations import duration
from console.report.tables import text_table
from console.stack.services import DeliveryPolicy
from console.terminal import TextTable

MAX_DOUBLINGS = 60  #: more doublings of a second are longer than every maximum


def next_attempt(job: RetryingJob, policy: DeliveryPolicy) -> datetime:
    """Return the earliest time of the next attempt of a job.

    It is the end of the backoff, which doubles with each failed attempt, and not before the time that the
    worker has set when it published the job again. Pub/Sub may be later: the job may wait for its host, for a
    free worker, or because many pushes of the subscription have failed.
    """
    doublings = min(max(0, job.attempts - 1), MAX_DOUBLINGS)
    backoff = min(policy.maximum_backoff_seconds, policy.minimum_backoff_seconds * 2**doublings)
    after_backoff = _time(job.attempted_at) + timedelta(seconds=backoff)
    return max(after_backoff, _time(job.not_before)) if job.not_before else after_backoff


def retries_table(
    jobs: Sequence[RetryingJob], total: int, policy: DeliveryPolicy, now: datetime
) -> TextTable:
    """Return a table of jobs that are being retried; the last row says how many more there are."""
    table = text_table("being retried", "attempts", "last reason", "next attempt")
    for job in jobs:
        wait = (next_attempt(job, policy) - now).total_seconds()
        when = f"in {duration(wait)}" if wait >= 1 else "any moment"
        table.add_texts(job.url or f"job {job.job_id}", str(job.attempts), job.reason, when)
    if total > len(jobs):
        table.add_texts(f"and {total - len(jobs)} more", "", "", "")
    return table


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
