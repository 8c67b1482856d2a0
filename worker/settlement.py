"""Publishes what an attempt leads to, in an order in which nothing is lost and nothing multiplies.

1. The outcome. Nothing else is published unless Pub/Sub has confirmed it, so an outcomes topic that refuses
   never leads to copies of the job.
2. The job of the listing's next page, the dead letter, or the job again.
3. Only after these confirmations, the message is acknowledged. Nothing is published after the end of the
   request's time, when Pub/Sub may deliver the message to another worker.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from contract.attempt import AttemptFailed, internal_error
from contract.dead_letter import dead_letter_attributes
from contract.job import Job, requeued
from contract.outcome import MAX_DETAIL_CHARACTERS, Outcome, Reason
from contract.outcome_record import OutcomeRecord
from contract.trace import Trace
from contract.urls import host_of
from publishing.publisher import Message, Publisher, PublishUnconfirmed
from worker.ack_policy import (
    AckPolicy,
    DeadLetter,
    Disposition,
    FinishedAttempt,
    Redeliver,
    Requeue,
)
from worker.attempt_result import AttemptResult

MAX_PUBLISH_SECONDS = 30.0  #: longest time to wait for the confirmation of one message


@dataclass(frozen=True)
class Settled:
    """How an attempt ended, after everything was published.

    Attributes:
        record: the outcome record, as published.
        reason: why the attempt ended as it did; it differs from the record's if publishing failed.
        detail: a sentence for people.
        error: an unexpected exception, for its stack trace; else None.
        acknowledges: whether the message is acknowledged.
    """

    record: OutcomeRecord
    reason: Reason
    detail: str
    error: Exception | None = None
    acknowledges: bool = False


@dataclass(frozen=True)
class Settler:
    """Publishes what attempts lead to.

    Attributes:
        ack_policy: decides what happens to a job.
        outcomes_publisher: publishes to the outcomes topic.
        jobs_publisher: publishes to the jobs topic.
        dead_letter_publisher: publishes to the dead-letter topic.
        request_seconds: seconds from when a push was received to the end of its request.
        publish_seconds: least number of seconds that one publish may take. It may take half of the remaining
            time of the request, up to `MAX_PUBLISH_SECONDS`, since a busy process is slow to read the
            confirmation, and a job that is scraped again costs more than a push that is held.
        clock: returns monotonic seconds.
        now: returns the time, with a time zone.
        hold: waits for a number of seconds, or until the process shuts down.
        unreadable_after: number of deliveries after which a message that is no job is dead-lettered; None if
            Pub/Sub does that. A worker of the next version may be able to read it, so it is not the first.
    """

    ack_policy: AckPolicy
    outcomes_publisher: Publisher
    jobs_publisher: Publisher
    dead_letter_publisher: Publisher
    request_seconds: float
    publish_seconds: float
    clock: Callable[[], float]
    now: Callable[[], datetime]
    hold: Callable[[float], None]
    unreadable_after: int | None = None

    def settle_unreadable(self, message: Message, reason: Reason, detail: str, delivery: int) -> bool:
        """Dead-letter a message that cannot be read, after enough deliveries.

        Args:
            message: the message, as delivered.
            reason: why it cannot be read.
            detail: a sentence for people.
            delivery: the number of this delivery, from 1.

        Returns:
            Whether the message is acknowledged.
        """
        if self.unreadable_after is None or delivery < self.unreadable_after:
            return False
        try:
            self.dead_letter_publisher.publish(with_reason(message, reason, detail, delivery))
        except PublishUnconfirmed:
            return False
        return True

    def settle(  # noqa: PLR0913 - the job, how it was delivered, and how the attempt ended
        self,
        job: Job,
        message: Message,
        result: AttemptResult,
        *,
        delivery: int,
        received_at: float,
        trace: Trace | None = None,
    ) -> Settled:
        """Publish what the attempt leads to; never raises.

        Args:
            job: the job.
            message: the job's message, as delivered, with the attributes of the job.
            result: how the attempt ended.
            delivery: the number of this delivery, from 1; 0 if Pub/Sub does not count deliveries.
            received_at: when the push was received, monotonic seconds.
            trace: the trace of the attempt, which its outcome belongs to.
        """
        attempt = FinishedAttempt(job, message.data, delivery, result, self.now())
        disposition = self.ack_policy(attempt)
        deadline = received_at + self.request_seconds
        lane_seconds = _lane_seconds(job, result)
        hold_until = self.clock() + lane_seconds + 2 * self.publish_seconds
        if lane_seconds and hold_until > deadline and isinstance(disposition, Requeue):
            # The lane must stay closed for longer than this push can be held. An unacknowledged message keeps
            # its lane closed, since it is delivered again before all others of the lane. A dead letter is
            # published nevertheless, since otherwise the job would be requested again and again.
            disposition = Redeliver()
        settled = self._settle(disposition, message, result, deadline, trace)
        # The lane also stays closed if a publish failed: its message is then delivered to any instance again.
        # An acknowledgement is sent some seconds before the end of the request, so that it is not lost.
        last_answer_at = deadline - (2 * self.publish_seconds if settled.acknowledges else 0.0)
        held_seconds = min(lane_seconds, last_answer_at - self.clock())
        if held_seconds > 0:
            self.hold(held_seconds)
        return settled

    def _settle(
        self,
        disposition: Disposition,
        message: Message,
        result: AttemptResult,
        deadline: float,
        trace: Trace | None,
    ) -> Settled:
        record = _described(result.record, disposition)
        try:
            self._publish(self.outcomes_publisher, _outcome_message(record, trace), deadline)
            self._carry_out(disposition, message, result, record, deadline)
        except AttemptFailed as error:
            prefix = f"{result.reason}, but " if result.reason is not Reason.OK else ""
            return Settled(record, error.reason, f"{prefix}{error.detail}", result.error)
        except Exception as error:  # noqa: BLE001 - an unexpected exception must never acknowledge a message
            failure = internal_error(error)
            return Settled(record, failure.reason, failure.detail, error)
        is_acknowledged = not isinstance(disposition, Redeliver)
        return Settled(record, record.reason, record.detail, result.error, acknowledges=is_acknowledged)

    def _carry_out(
        self,
        disposition: Disposition,
        message: Message,
        result: AttemptResult,
        record: OutcomeRecord,
        deadline: float,
    ) -> None:
        if isinstance(disposition, DeadLetter):
            dead_letter = with_reason(message, record.reason, record.detail, record.attempt)
            self._publish(self.dead_letter_publisher, _with_all_attempts(dead_letter), deadline)
        elif isinstance(disposition, Requeue):
            self._publish(self.jobs_publisher, message._replace(data=disposition.data), deadline)
        elif result.next_job is not None:
            traceparent = message.attributes.get("traceparent", "")
            job = result.next_job
            following = Message(job.encode(), job.attributes(traceparent), job.ordering_key())
            self._publish(self.jobs_publisher, following, deadline)

    def _publish(self, publisher: Publisher, message: Message, deadline: float) -> None:
        if self.clock() + self.publish_seconds > deadline:
            detail = "the message was not published, because the time of the request is over"
            raise AttemptFailed(Reason.PUBLISH_UNCONFIRMED, detail)
        seconds = min(MAX_PUBLISH_SECONDS, (deadline - self.clock()) / 2)
        publisher.publish(message, max(seconds, self.publish_seconds))


def _lane_seconds(job: Job, result: AttemptResult) -> float:
    """Return for how many seconds the job's lane must stay closed, because its own host sent Retry-After."""
    is_own_host = host_of(result.record.final_url or job.url) == host_of(job.url)
    return (result.retry_after or 0.0) if job.politeness.lanes and is_own_host else 0.0


def _with_all_attempts(dead_letter: Message) -> Message:
    """Return the dead letter of a job that has all its attempts again when it is replayed."""
    job = Job.decode(dead_letter.data)
    if not (job.attempts or job.defers):
        return dead_letter
    return dead_letter._replace(data=requeued(dead_letter.data, not_before=None, defers=0, attempts=0))


def with_reason(message: Message, reason: Reason, detail: str, attempt: int) -> Message:
    """Return the dead letter of a message: the same message with the reason in its attributes."""
    return message._replace(attributes=message.attributes | dead_letter_attributes(reason, detail, attempt))


def _described(record: OutcomeRecord, disposition: Disposition) -> OutcomeRecord:
    """Return the record with the outcome that the disposition leads to, and with a remark about it."""
    if isinstance(disposition, Requeue):
        until = disposition.not_before
        when = f", not before {until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if until else ""
        return _with_remark(record, Outcome.DEFERRED, f"; published again{when}")
    if isinstance(disposition, DeadLetter) and record.outcome is not Outcome.FAILED:
        return _with_remark(record, Outcome.FAILED, f"; attempt {record.attempt} was the last one")
    return record


def _with_remark(record: OutcomeRecord, outcome: Outcome, remark: str) -> OutcomeRecord:
    detail = record.detail[: MAX_DETAIL_CHARACTERS - len(remark)] + remark
    return record.model_copy(update={"outcome": outcome, "detail": detail})


def _outcome_message(record: OutcomeRecord, trace: Trace | None) -> Message:
    traceparent = trace.traceparent(secrets.token_hex(8)) if trace else ""
    return Message(record.encode(), record.attributes(traceparent))
