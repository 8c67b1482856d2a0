"""Tests both values of ACK_POLICY: what happens to a job after each way in which an attempt can end."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.job import MAX_DEFERS, MAX_JOB_BYTES, Job
from contract.outcome import Cause, Outcome, Reason
from contract.outcome_record import OutcomeRecord
from contract.reason_meanings import REASON_MEANINGS
from tests.servers.pushes import job
from worker.ack_policy import (
    LAST_REDELIVERY,
    Acknowledge,
    DeadLetter,
    Disposition,
    FinishedAttempt,
    Redeliver,
    Requeue,
    SettledPolicy,
    success_policy,
)
from worker.attempt_result import AttemptResult

NOW = datetime(2026, 11, 22, 6, 0, 4, tzinfo=UTC)
MAX_ATTEMPTS = 4
SETTLED = SettledPolicy(MAX_ATTEMPTS, minimum_backoff_seconds=10, maximum_backoff_seconds=60)
# The reasons with which an attempt at a job can end.
REASONS = [reason for reason in Reason if reason is not Reason.DUPLICATE_DELIVERY]


def finished(
    reason: Reason,
    *,
    delivery: int = 1,
    attempts: int = 0,
    defers: int = 0,
    retry_after: float | None = None,
    not_before: str | None = None,
    **changed: object,
) -> FinishedAttempt:
    """Return an attempt that ended for `reason`; `changed` are further fields of its job."""
    document = json.loads(job(attempts=attempts, defers=defers, not_before=not_before, **changed))
    data = json.dumps(document, separators=(",", ":")).encode()
    decoded = Job.decode(data)
    record = OutcomeRecord(
        job_id=decoded.job_id,
        run_id=decoded.run_id,
        crawl=decoded.crawl,
        url=decoded.url,
        attempt=delivery,
        outcome=REASON_MEANINGS[reason].outcome,
        reason=reason,
        fetched_at=NOW,
    )
    return FinishedAttempt(decoded, data, delivery, AttemptResult(record, retry_after=retry_after), NOW)


def copy_of(disposition: Disposition) -> Job:
    """Return the job that is published again."""
    assert isinstance(disposition, Requeue)
    copy = Job.decode(disposition.data)
    assert (copy.not_before is None) == (disposition.not_before is None)
    return copy


attempts_at_jobs = st.builds(
    finished,
    st.sampled_from(REASONS),
    delivery=st.integers(0, 100),
    attempts=st.integers(0, MAX_ATTEMPTS + 1),
    defers=st.integers(0, MAX_DEFERS),
    retry_after=st.none() | st.floats(0, 1e5),
)


@given(attempt=attempts_at_jobs)
def test_success_acknowledges_only_a_success(attempt: FinishedAttempt) -> None:
    """With ACK_POLICY=success a job is acknowledged if it succeeded or was cancelled, else redelivered."""
    is_over = attempt.result.reason in {Reason.OK, Reason.CANCELLED, Reason.RUN_LIMIT}
    expected = Acknowledge() if is_over else Redeliver()
    assert success_policy(attempt) == expected


def is_counted(reason: Reason) -> bool:
    """Return whether a retry for `reason` counts as a failed request."""
    return REASON_MEANINGS[reason].cause is Cause.PAGE or reason is Reason.INTERNAL_ERROR


@given(attempt=attempts_at_jobs)
def test_settled_decides_by_reason_delivery_attempts_and_defers(attempt: FinishedAttempt) -> None:
    """With ACK_POLICY=settled every decision is one of the table in docs/decisions/settled.md."""
    reason, before = attempt.result.reason, attempt.job
    decision = SETTLED(attempt)
    is_retry = REASON_MEANINGS[reason].outcome not in {Outcome.SUCCEEDED, Outcome.FAILED}
    defers = before.defers + (reason is not Reason.PAUSED)
    may_be_copied = attempt.delivery <= 1 and defers <= MAX_DEFERS
    if reason in {Reason.OK, Reason.CANCELLED, Reason.RUN_LIMIT}:
        assert decision == Acknowledge()
    elif not is_retry or (
        is_counted(reason) and (before.attempts + 1 >= MAX_ATTEMPTS or attempt.delivery >= LAST_REDELIVERY)
    ):
        assert decision == DeadLetter()
    elif reason in {Reason.SHUTDOWN, Reason.PUBLISH_UNCONFIRMED} or not may_be_copied:
        assert decision == Redeliver()
    else:
        copy = copy_of(decision)
        assert copy.defers == defers
        assert copy.attempts == before.attempts + is_counted(reason)
        unchanged = {"not_before": None, "defers": 0, "attempts": 0}
        assert copy.model_copy(update=unchanged) == before.model_copy(update=unchanged)


@given(attempt=attempts_at_jobs.filter(lambda attempt: attempt.delivery > 1))
def test_settled_never_copies_a_redelivered_message(attempt: FinishedAttempt) -> None:
    """An acknowledgement may have been lost, so a copy at each redelivery would multiply the job."""
    assert not isinstance(SETTLED(attempt), Requeue)


def test_request_of_a_redelivery_is_the_last_at_some_delivery() -> None:
    """A redelivered message ends at a failed request from LAST_REDELIVERY on, but not by waiting."""
    assert SETTLED(finished(Reason.HTTP_5XX, delivery=LAST_REDELIVERY - 1)) == Redeliver()
    assert SETTLED(finished(Reason.HTTP_5XX, delivery=LAST_REDELIVERY)) == DeadLetter()
    assert SETTLED(finished(Reason.RATE_LIMITED, delivery=LAST_REDELIVERY)) == Redeliver()


@pytest.mark.parametrize(
    ("attempts", "retry_after", "seconds"),
    [(0, None, 10), (1, None, 20), (2, None, 40), (0, 5, 10), (0, 90.5, 90.5), (2, 3600, 3600)],
)
def test_settled_waits_for_the_longer_of_backoff_and_retry_after(
    attempts: int, retry_after: float | None, seconds: float
) -> None:
    """The backoff doubles with each failed request; a longer Retry-After of the site replaces it."""
    attempt = finished(Reason.HTTP_5XX, attempts=attempts, retry_after=retry_after)
    assert copy_of(SETTLED(attempt)).not_before == NOW + timedelta(seconds=seconds)


def test_backoff_is_limited_by_its_maximum() -> None:
    """The backoff is never longer than its maximum, however many requests have failed."""
    assert [SETTLED.backoff_seconds(attempts) for attempts in (1, 2, 3, 4, 100)] == [10, 20, 40, 60, 60]
    assert SettledPolicy(100, 0, 0).backoff_seconds(100) == 0


def test_settled_without_backoff_publishes_a_job_for_any_time() -> None:
    """If the backoff is 0 and the site sent no Retry-After, the copy has no `not_before`."""
    disposition = SettledPolicy(MAX_ATTEMPTS, 0, 0)(finished(Reason.HTTP_5XX))
    assert copy_of(disposition).not_before is None


@pytest.mark.parametrize(
    "reason", [Reason.QUEUED_TOO_LONG, Reason.RATE_LIMITED, Reason.NOT_BEFORE, Reason.PAUSED]
)
def test_waiting_costs_no_attempt(reason: Reason) -> None:
    """A job that waited in vain is published again with the same attempts, however many it had."""
    for attempts in range(MAX_ATTEMPTS + 2):
        assert copy_of(SETTLED(finished(reason, attempts=attempts))).attempts == attempts


def test_a_rate_limited_job_is_copied_with_the_rest_of_the_retry_after() -> None:
    """The copy of a job that waited for its host waits until the host may be requested."""
    attempt = finished(Reason.RATE_LIMITED, retry_after=90)
    assert copy_of(SETTLED(attempt)).not_before == NOW + timedelta(seconds=90)


def test_a_job_before_its_not_before_is_copied_with_the_same_not_before() -> None:
    """The copy of a job that waited for its own `not_before` keeps it, to the millisecond."""
    due = "2026-11-22T08:00:00.250Z"
    disposition = SETTLED(finished(Reason.NOT_BEFORE, not_before=due))
    assert isinstance(disposition, Requeue)
    assert json.loads(disposition.data)["not_before"] == due


def test_a_copy_keeps_the_fields_of_later_versions() -> None:
    """A rollback must not remove fields from jobs, so unknown fields are copied."""
    disposition = SETTLED(finished(Reason.HTTP_5XX, added_later={"ä": [1, None]}))
    assert isinstance(disposition, Requeue)
    assert json.loads(disposition.data)["added_later"] == {"ä": [1, None]}


def test_a_job_that_would_become_too_large_is_redelivered() -> None:
    """If the fields of a copy would make the job larger than its maximum, it is not acknowledged."""
    padding = "x" * (MAX_JOB_BYTES - len(finished(Reason.HTTP_5XX, padding="").data))
    attempt = finished(Reason.HTTP_5XX, padding=padding)
    assert len(attempt.data) == MAX_JOB_BYTES
    assert SETTLED(attempt) == Redeliver()


@dataclass(frozen=True)
class Ended:
    """How each of a job's attempts ended, as hypothesis chooses it.

    Attributes:
        reason: why it ended.
        retry_after: the seconds of a Retry-After.
        is_ack_lost: whether the acknowledgement was lost, so that the message is delivered again.
    """

    reason: Reason
    retry_after: float | None
    is_ack_lost: bool


@given(data=st.data(), max_attempts=st.integers(1, 10))
def test_copies_of_a_job_are_bounded(data: st.DataObject, max_attempts: int) -> None:
    """A job leads to at most `max_attempts` failed requests of first deliveries, and MAX_DEFERS copies.

    The copies of a paused job are not counted, since its operator ends the pause. A lost acknowledgement adds
    no chain of copies: the redelivered message is never copied.
    """
    policy = replace(SETTLED, max_attempts=max_attempts)
    finals = {Outcome.SUCCEEDED, Outcome.CANCELLED, Outcome.FAILED}
    retries = [r for r in REASONS if REASON_MEANINGS[r].outcome not in finals and r is not Reason.PAUSED]
    ended = st.builds(Ended, st.sampled_from(retries), st.none() | st.floats(0, 1e4), st.booleans())
    message = finished(Reason.OK, defers=data.draw(st.integers(MAX_DEFERS - 8, MAX_DEFERS)))
    first_defers, copies, counted = message.job.defers, 0, 0
    while True:
        how = data.draw(ended)
        attempt = finished(
            how.reason,
            attempts=message.job.attempts,
            defers=message.job.defers,
            retry_after=how.retry_after,
        )
        decision = policy(attempt)
        counted += is_counted(how.reason)
        if how.is_ack_lost:
            assert not isinstance(policy(replace(attempt, delivery=2)), Requeue)
        if not isinstance(decision, Requeue):
            break
        copies += 1
        message = replace(message, job=Job.decode(decision.data), data=decision.data)
        assert message.job.attempts == counted < max_attempts
    assert copies <= MAX_DEFERS - first_defers
    assert counted <= max_attempts
    if isinstance(decision, DeadLetter):
        assert counted == max_attempts
