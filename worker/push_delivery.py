"""Consumes Pub/Sub pushes: checks the token, decodes the job, scrapes it, and only then acknowledges it.

A consumer for another broker would be one file next to this one; see `worker/scrape.py`.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from contract.attempt import internal_error
from contract.faults import UnreadableJob
from contract.job import Job, JobAttributes
from contract.outcome import OUTCOME_MEANINGS, Outcome, Reason
from contract.outcome_record import OutcomeRecord
from contract.reason_meanings import REASON_MEANINGS, status_of
from contract.trace import Trace
from extraction.selectors import JOB_CHECKS
from publishing.publisher import Message, Publisher
from push_endpoint.authentication import Authenticate
from push_endpoint.envelope import Envelope
from push_endpoint.receive import RejectedPush, receive
from worker.ack_policy import AckPolicy, success_policy
from worker.scrape import AttemptResult, Scraper


@dataclass(frozen=True)
class Delivery:
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
        settled_as: the outcome as which the ack policy settled the job; None if the job was not settled. The
            push of a settled job is acknowledged.
    """

    reason: Reason
    detail: str = ""
    message_id: str = ""
    attempt: int = 0
    attributes: JobAttributes = field(default_factory=JobAttributes)
    trace: Trace | None = None
    record: OutcomeRecord | None = None
    error: Exception | None = None
    settled_as: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """The outcome of the delivery."""
        return self.settled_as or REASON_MEANINGS[self.reason].outcome

    @property
    def status(self) -> int:
        """The HTTP status of the response; a 204 acknowledges the push."""
        return OUTCOME_MEANINGS[Outcome.SUCCEEDED].status if self.settled_as else status_of(self.reason)


@dataclass(frozen=True)
class PushConsumer:
    """Takes the pushes of the jobs subscription.

    Attributes:
        authenticate: checks the token of a push.
        scraper: scrapes the jobs.
        outcomes_publisher: publishes to the outcomes topic.
        ack_policy: dead-letters or requeues a job that did not succeed (ACK_POLICY).
    """

    authenticate: Authenticate
    scraper: Scraper
    outcomes_publisher: Publisher
    ack_policy: AckPolicy = success_policy

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
            result = self._scrape(push, delivery, received_at)
        except UnreadableJob as error:
            return replace(delivery, reason=Reason.BAD_JOB, detail=str(error))
        except Exception as error:  # noqa: BLE001 - an unexpected exception must never acknowledge a message
            return replace(delivery, detail=internal_error(error).detail, error=error)
        return replace(
            delivery,
            reason=result.reason,
            detail=result.detail,
            record=result.record,
            error=result.error,
            settled_as=result.settled_as,
        )

    def _scrape(self, push: Envelope, delivery: Delivery, received_at: float) -> AttemptResult:
        job = Job.decode(push.data, JOB_CHECKS)
        message = Message(push.data, job.attributes(delivery.attributes.traceparent), push.ordering_key)
        return self.scraper.scrape(
            job,
            delivery.attempt,
            received_at=received_at,
            publish=partial(self._publish_outcome, delivery.trace),
            settle=partial(self.ack_policy, message, job),
        )

    def _publish_outcome(self, trace: Trace | None, record: OutcomeRecord) -> None:
        traceparent = trace.traceparent(secrets.token_hex(8)) if trace else ""
        self.outcomes_publisher.publish(Message(record.encode(), record.attributes(traceparent)))
