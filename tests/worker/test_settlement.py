"""Tests what a settled attempt publishes, in which order, and when its message is acknowledged."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from contract.job import Job
from contract.outcome import MAX_DETAIL_CHARACTERS, Outcome, Reason
from contract.reason_meanings import REASON_MEANINGS
from contract.trace import Trace
from publishing.publisher import Message, PublishUnconfirmed
from tests.servers.pushes import ATTRIBUTES, TRACE, job
from tests.servers.recording_publisher import RecordingPublisher
from tests.worker.settling import NOW, PUBLISH_SECONDS, RECEIVED_AT, REQUEST_SECONDS, Settlement
from tests.worker.worker_under_test import SETTLED
from worker.ack_policy import success_policy
from worker.settlement import MAX_PUBLISH_SECONDS

LIMITED = {"delay_seconds": 1, "respect_robots": True}
RETRIES = [
    reason
    for reason in Reason
    if REASON_MEANINGS[reason].outcome in {Outcome.RETRY, Outcome.CRASHED}
    and reason not in {Reason.SHUTDOWN, Reason.PUBLISH_UNCONFIRMED}
]
UNCONFIRMED = PublishUnconfirmed("the-topic", "gone")


def next_job() -> Job:
    """Return the job of the second page of a list."""
    return Job.decode(job(politeness=LIMITED)).next_page("https://shop.example/2")


def test_success_publishes_its_outcome_and_then_the_next_page() -> None:
    """The job of the next page is published after the outcome, with its own key and the same trace."""
    for policy in (success_policy, SETTLED):
        settlement = Settlement(policy)
        settled = settlement.settle(Reason.OK, detail="", next_job=next_job())
        assert settlement.journal == ["outcomes", "jobs"]
        assert (settled.acknowledges, settled.reason, settled.detail) == (True, Reason.OK, "")
        [published] = settlement.jobs.published
        assert Job.decode(published.data) == next_job()
        added = {"job_id": next_job().job_id, "listing": next_job().listing_id, "page": "2"}
        assert published.attributes == ATTRIBUTES | added
        assert published.ordering_key == next_job().ordering_key() == "shop.example#0"
        [outcome] = settlement.outcomes.published
        child = Trace.parse(outcome.attributes["traceparent"])
        assert child is not None
        assert child.trace_id == TRACE.trace_id
        assert child.span_id != TRACE.span_id


def test_success_of_a_last_page_publishes_only_its_outcome() -> None:
    """A job without a next page leads to no further job."""
    settlement = Settlement()
    assert settlement.settle(Reason.OK).acknowledges
    assert settlement.journal == ["outcomes"]


def test_failure_with_success_publishes_only_its_outcome() -> None:
    """With ACK_POLICY=success Pub/Sub redelivers and dead-letters; the worker publishes no jobs."""
    for reason in (Reason.HTTP_404, *RETRIES):
        settlement = Settlement(success_policy)
        settled = settlement.settle(reason)
        assert (settled.acknowledges, settled.reason) == (False, reason)
        assert settlement.journal == ["outcomes"]
        assert settlement.outcome() == settled.record


@pytest.mark.parametrize("delivery", [0, 1, 3])
def test_failed_job_is_dead_lettered_with_its_reason_after_its_outcome(delivery: int) -> None:
    """The dead letter has the job's bytes, key and attributes, and the reason, the detail and the attempt."""
    settlement = Settlement()
    data = job(added_later={"ä": 1})
    settled = settlement.settle(Reason.HTTP_404, data=data, delivery=delivery, ordering_key="shop.example#0")
    assert (settled.acknowledges, settlement.journal) == (True, ["outcomes", "dead letters"])
    added = {"reason": "http_404", "detail": "because", "attempt": str(delivery)}
    assert settlement.dead_letters.published == [Message(data, ATTRIBUTES | added, "shop.example#0")]
    assert (settlement.outcome().outcome, settlement.outcome().detail) == (Outcome.FAILED, "because")


def test_last_attempt_is_dead_lettered_as_a_failure() -> None:
    """After the last attempt a retry has failed: its outcome says so, and keeps the reason."""
    settlement = Settlement()
    settled = settlement.settle(Reason.HTTP_5XX, data=job(attempts=9))
    assert (settled.acknowledges, settlement.journal) == (True, ["outcomes", "dead letters"])
    outcome = settlement.outcome()
    assert (outcome.outcome, outcome.reason) == (Outcome.FAILED, Reason.HTTP_5XX)
    assert outcome.detail == "because; attempt 10 was the last one"
    assert settlement.dead_letters.published[0].attributes["detail"] == outcome.detail


def test_detail_of_a_dead_letter_fits_into_an_attribute() -> None:
    """A long detail is cut to 1,024 bytes (Pub/Sub's maximum), without splitting a character."""
    settlement = Settlement()
    settlement.settle(Reason.HTTP_404, detail="ä日" * 300)
    assert 1020 < len(settlement.dead_letters.published[0].attributes["detail"].encode()) <= 1024


@pytest.mark.parametrize("reason", RETRIES)
def test_retry_is_published_again_after_its_outcome(reason: Reason) -> None:
    """The same job with the same key and attributes is published; the outcome is `deferred`."""
    settlement = Settlement()
    settled = settlement.settle(reason, ordering_key="shop.example#0", retry_after=90.5)
    assert (settled.acknowledges, settled.reason) == (True, reason)
    assert settlement.journal == ["outcomes", "jobs"]
    [message] = settlement.jobs.published
    assert (message.attributes, message.ordering_key) == (ATTRIBUTES, "shop.example#0")
    copy = Job.decode(message.data)
    assert copy.not_before == NOW + timedelta(seconds=90.5)
    assert copy.defers == (0 if reason is Reason.PAUSED else 1)
    outcome = settlement.outcome()
    assert (outcome.outcome, outcome.reason) == (Outcome.DEFERRED, reason)
    assert outcome.detail == "because; published again, not before 2026-11-22T06:01:34Z"


def test_long_detail_is_cut_for_the_remark() -> None:
    """The remark about what follows is never cut off."""
    settlement = Settlement()
    settlement.settle(Reason.HTTP_5XX, detail="x" * MAX_DETAIL_CHARACTERS)
    detail = settlement.outcome().detail
    assert len(detail) == MAX_DETAIL_CHARACTERS
    assert detail.endswith("x; published again, not before 2026-11-22T06:00:14Z")


@pytest.mark.parametrize("reason", [Reason.OK, Reason.HTTP_404, *RETRIES])
def test_unconfirmed_outcome_publishes_nothing_else(reason: Reason) -> None:
    """If the outcome is unconfirmed, there is no copy, no dead letter and no next page, and no ack."""
    settlement = Settlement()
    settlement.outcomes.error = UNCONFIRMED
    settled = settlement.settle(reason, next_job=next_job() if reason is Reason.OK else None)
    assert (settled.acknowledges, settled.reason) == (False, Reason.PUBLISH_UNCONFIRMED)
    cause = "" if reason is Reason.OK else f"{reason}, but "
    assert settled.detail == f"{cause}topic the-topic did not confirm: gone"
    assert settlement.journal == []


@dataclass(frozen=True)
class Case:
    """An attempt that leads to a second publish.

    Attributes:
        reason: why the attempt ended.
        publisher: returns the publisher of the second message.
        next_job: the job of the next page.
    """

    reason: Reason
    publisher: Callable[[Settlement], RecordingPublisher]
    next_job: Job | None = None


SECOND_PUBLISHES = {
    "next page": Case(Reason.OK, lambda settlement: settlement.jobs, next_job()),
    "copy": Case(Reason.HTTP_5XX, lambda settlement: settlement.jobs),
    "dead letter": Case(Reason.HTTP_404, lambda settlement: settlement.dead_letters),
}
second_publishes = pytest.mark.parametrize("case", SECOND_PUBLISHES.values(), ids=SECOND_PUBLISHES.keys())


@second_publishes
def test_unconfirmed_second_publish_is_not_acknowledged(case: Case) -> None:
    """A job whose copy, dead letter or next page is unconfirmed is delivered again."""
    settlement = Settlement()
    case.publisher(settlement).error = UNCONFIRMED
    settled = settlement.settle(case.reason, next_job=case.next_job)
    assert (settled.acknowledges, settled.reason) == (False, Reason.PUBLISH_UNCONFIRMED)
    assert settlement.journal == ["outcomes"]


@second_publishes
def test_unexpected_exception_of_a_publisher_is_not_acknowledged(case: Case) -> None:
    """An unexpected exception of either publish is an internal error, whose exception is kept."""
    error = RuntimeError("boom")
    for fails in (case.publisher, lambda settlement: settlement.outcomes):
        settlement = Settlement()
        fails(settlement).error = error
        settled = settlement.settle(case.reason, next_job=case.next_job)
        assert (settled.acknowledges, settled.reason) == (False, Reason.INTERNAL_ERROR)
        assert (settled.error, settled.detail) == (error, "RuntimeError: boom")


@second_publishes
def test_nothing_is_published_after_the_end_of_the_request(case: Case) -> None:
    """A publish that might end after the request's time is not begun, and the job is not acknowledged."""
    settlement = Settlement()
    settlement.clock.seconds = RECEIVED_AT + REQUEST_SECONDS - PUBLISH_SECONDS + 0.001
    settled = settlement.settle(case.reason, next_job=case.next_job)
    assert (settled.acknowledges, settled.reason) == (False, Reason.PUBLISH_UNCONFIRMED)
    assert "the time of the request is over" in settled.detail
    assert settlement.journal == []


@second_publishes
def test_second_publish_is_not_begun_after_a_slow_first_one(case: Case) -> None:
    """If the outcome's publish used up the time, only the outcome is published."""

    class SlowPublisher(RecordingPublisher):
        def publish(self, message: Message, timeout_seconds: float | None = None) -> str:
            settlement.clock.sleep(PUBLISH_SECONDS)
            return super().publish(message, timeout_seconds)

    settlement = Settlement()
    settlement.outcomes = SlowPublisher("outcomes", settlement.journal)
    settlement.clock.seconds = RECEIVED_AT + REQUEST_SECONDS - 2 * PUBLISH_SECONDS + 0.001
    settled = settlement.settle(case.reason, next_job=case.next_job)
    assert not settled.acknowledges
    assert settlement.journal == ["outcomes"]


def test_publishes_get_the_time_that_the_request_has_left() -> None:
    """A publish may take half of the remaining time, but at most 30 s, and always its least time."""
    settlement = Settlement()
    settlement.settle(Reason.OK)
    settlement.clock.seconds = RECEIVED_AT + REQUEST_SECONDS - 20
    settlement.settle(Reason.OK)
    settlement.clock.seconds = RECEIVED_AT + REQUEST_SECONDS - PUBLISH_SECONDS
    settlement.settle(Reason.OK)
    assert settlement.outcomes.timeouts == [MAX_PUBLISH_SECONDS, 10, PUBLISH_SECONDS]


def test_dead_letter_of_a_last_attempt_has_all_attempts_again() -> None:
    """A replay of a job that used up its attempts may fail as often again; other fields are kept."""
    data = job(attempts=SETTLED.max_attempts - 1, defers=12, not_before="2026-11-22T06:00:00.000Z", later="x")
    settlement = Settlement()
    settlement.settle(Reason.HTTP_5XX, data=data)
    [dead_letter] = settlement.dead_letters.published
    assert json.loads(dead_letter.data) == json.loads(job(later="x"))
    assert dead_letter.attributes["attempt"] == str(SETTLED.max_attempts)
