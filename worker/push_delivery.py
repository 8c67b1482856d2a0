"""Consumes Pub/Sub pushes: checks the token, decodes the job, scrapes it, and only then acknowledges it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.attempt import internal_error
from contract.faults import UnreadableJob
from contract.job import JobAttributes
from contract.job_template import decode_job
from contract.outcome import OUTCOME_MEANINGS, Cause, Outcome, Reason
from contract.outcome_record import OutcomeRecord
from contract.reason_meanings import REASON_MEANINGS, status_of
from contract.trace import Trace
from extraction.selectors import JOB_CHECKS
from publishing.publisher import Message
from push_endpoint.authentication import Authenticate
from push_endpoint.envelope import Envelope
from push_endpoint.receive import RejectedPush, receive
from worker.finished import FinishedMessages
from worker.scrape import Scraper
from worker.settlement import Settled, Settler


class Delivery(NamedTuple):
    """How the delivery of one push ended.

    Attributes:
        reason: why it ended as it did; the outcome and the HTTP status follow from it.
        detail: a sentence for people.
        message_id: the message's id, given by Pub/Sub; `""` if the push was rejected.
        attempt: the number of this delivery attempt, from 1; 0 if Pub/Sub does not count them.
        attributes: the message's attributes; a malformed one is empty.
        trace: the trace that the job's dispatch began; if missing, the request's trace; None if both are
            missing.
        record: the outcome record, as published; None if no job could be read.
        error: the unexpected exception of an `internal_error`, for its stack trace; else None.
        acknowledges: whether the push is acknowledged although its reason is one of a failure
            (ACK_POLICY=settled).
        is_last_attempt: whether the job becomes a dead letter because of this delivery.
    """

    reason: Reason
    detail: str = ""
    message_id: str = ""
    attempt: int = 0
    attributes: JobAttributes = JobAttributes()
    trace: Trace | None = None
    record: OutcomeRecord | None = None
    error: Exception | None = None
    acknowledges: bool = False
    is_last_attempt: bool = False

    @property
    def outcome(self) -> Outcome:
        """The outcome of the delivery."""
        if self.record is not None and self.record.reason is self.reason:
            return self.record.outcome
        return REASON_MEANINGS[self.reason].outcome

    @property
    def cause(self) -> Cause:
        """What ended the delivery."""
        return REASON_MEANINGS[self.reason].cause

    @property
    def status(self) -> int:
        """The HTTP status of the response; a 204 acknowledges the push."""
        return OUTCOME_MEANINGS[Outcome.SUCCEEDED].status if self.acknowledges else status_of(self.reason)


@dataclass(frozen=True)
class PushConsumer:
    """Takes the pushes of the jobs subscription.

    Attributes:
        authenticate: checks the token of a push.
        scraper: scrapes the jobs.
        settler: publishes what the attempts lead to.
        max_deliveries: number of deliveries after which Pub/Sub dead-letters a message.
        finished: the messages that this instance has finished.
        clock: returns monotonic seconds.
    """

    authenticate: Authenticate
    scraper: Scraper
    settler: Settler
    max_deliveries: int
    finished: FinishedMessages = field(default_factory=FinishedMessages)
    clock: Callable[[], float] = time.monotonic

    def deliver(
        self,
        authorization: str,
        read_body: Callable[[], bytes],
        *,
        received_at: float,
        trace: Trace | None = None,
    ) -> Delivery:
        """Handle one push, and return how its delivery ended; never raises.

        Args:
            authorization: the request's `Authorization` header; `""` if missing.
            read_body: returns the request's body, or raises `UnreadableEnvelope`; called after the token was
                accepted.
            received_at: when the request arrived, monotonic seconds.
            trace: the request's trace.
        """
        push = receive(self.authenticate, authorization, read_body)
        if isinstance(push, RejectedPush):
            return Delivery(push.reason, push.detail, trace=trace, error=push.error)
        attributes = JobAttributes.read(push.attributes)
        delivery = Delivery(
            Reason.INTERNAL_ERROR,
            message_id=push.message_id,
            attempt=push.delivery_attempt or 0,
            attributes=attributes,
            trace=Trace.parse(attributes.traceparent) or trace,
        )
        try:
            return self._deliver(push, delivery, received_at)
        except Exception as error:  # noqa: BLE001 - an unexpected exception must never acknowledge a message
            return delivery._replace(detail=internal_error(error).detail, error=error)

    def _deliver(self, push: Envelope, delivery: Delivery, received_at: float) -> Delivery:
        try:
            job = decode_job(push.data, JOB_CHECKS)
        except UnreadableJob as error:
            return self._unreadable(push, delivery, str(error))
        names = [push.message_id] if job.page == 1 else [push.message_id, job.job_id]
        now = self.clock()
        if any(self.finished.contains(name, now) for name in names):
            return delivery._replace(reason=Reason.DUPLICATE_DELIVERY, acknowledges=True)
        attributes = job.attributes(delivery.attributes.traceparent)
        message = Message(push.data, attributes, push.ordering_key or job.ordering_key())
        result = self.scraper.scrape(job, delivery.attempt, received_at=received_at)
        settled = self.settler.settle(
            job,
            message,
            result,
            delivery=delivery.attempt,
            received_at=received_at,
            trace=delivery.trace,
        )
        if settled.acknowledges:
            is_success = settled.reason is Reason.OK
            for name in names if is_success else names[:1]:
                self.finished.add(name, self.clock())
        return self._delivered(delivery, settled)

    def _unreadable(self, push: Envelope, delivery: Delivery, detail: str) -> Delivery:
        message = Message(push.data, push.attributes, push.ordering_key)
        is_settled = self.settler.settle_unreadable(message, Reason.BAD_JOB, detail, delivery.attempt)
        return delivery._replace(
            reason=Reason.BAD_JOB,
            detail=detail,
            acknowledges=is_settled,
            is_last_attempt=is_settled or delivery.attempt >= self.max_deliveries,
        )

    def _delivered(self, delivery: Delivery, settled: Settled) -> Delivery:
        is_exhausted = not settled.acknowledges and delivery.attempt >= self.max_deliveries
        is_dead_lettered = settled.acknowledges and settled.record.outcome is Outcome.FAILED
        return delivery._replace(
            reason=settled.reason,
            detail=settled.detail,
            record=settled.record,
            error=settled.error,
            acknowledges=settled.acknowledges,
            is_last_attempt=is_exhausted or is_dead_lettered,
        )
