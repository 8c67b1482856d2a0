"""ACK_POLICY=settled: a job that will not work, or not yet, is settled by us, and its push acknowledged.

A job that failed goes to the dead-letter topic, with its reason. One whose site asked to be left alone goes
to the end of the jobs topic, with the time to come back. What Pub/Sub does not confirm, or what is past a
bound, ends as with ACK_POLICY=success. Why it waits as it does: docs/decisions/settled.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from contract.dead_letter import dead_letter_attributes
from contract.job import Job, defer
from contract.outcome import MAX_DETAIL_CHARACTERS, Outcome, Reason
from publishing.publisher import Message, Publisher, PublishUnconfirmed
from push_endpoint.envelope import Envelope
from worker.delayed import MAX_DEFERRAL_SECONDS
from worker.deliver import Delivery

MAX_DEFERS = 5  #: then attempts are counted: a site that always says "later" must not keep a job for ever


@dataclass(frozen=True)
class Settlement:
    """Settles what can be settled.

    Attributes:
        letters: publishes to the dead-letter topic.
        jobs: publishes to the jobs topic.
        now: the time, with a time zone.
    """

    letters: Publisher
    jobs: Publisher
    now: Callable[[], datetime]

    def settle(self, envelope: Envelope, job: Job, delivery: Delivery) -> Delivery:
        """Return the delivery, settled once Pub/Sub has confirmed; or as it was."""
        record = delivery.record
        if record is None:
            return delivery
        attributes = job.attributes(delivery.attributes.traceparent)
        if record.outcome is Outcome.FAILED:
            letter = Message(
                envelope.data, attributes | dead_letter_attributes(record), envelope.ordering_key
            )
            return _settled(delivery, Outcome.FAILED, self.letters, letter)
        later = self._later(envelope, job, delivery)
        if later is None:
            return delivery
        data, until = later
        told = f"; published again, not before {until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        again = Message(data, attributes, envelope.ordering_key)
        return _settled(delivery, Outcome.DEFERRED, self.jobs, again, told)

    def _later(self, envelope: Envelope, job: Job, delivery: Delivery) -> tuple[bytes, datetime] | None:
        """Return the job as it is published again, and until when it waits; None where it is not."""
        if delivery.reason is Reason.NOT_BEFORE and job.not_before is not None:
            return envelope.data, job.not_before  # the same wait goes on
        seconds = delivery.retry_after or 0.0
        if not 0 < seconds <= MAX_DEFERRAL_SECONDS or job.defers >= MAX_DEFERS:
            return None
        until = self.now() + timedelta(seconds=seconds)
        try:
            return defer(envelope.data, until, job.defers + 1), until
        except ValueError:  # so near the largest size that the two fields do not fit in
            return None


def _settled(
    delivery: Delivery, outcome: Outcome, publisher: Publisher, message: Message, told: str = ""
) -> Delivery:
    settled: Outcome | None = outcome
    try:
        publisher.publish(message)
    except PublishUnconfirmed as wrong:
        settled, told = None, f"; not settled: {wrong}"
    detail = f"{delivery.detail[: MAX_DETAIL_CHARACTERS - len(told)]}{told}"[:MAX_DETAIL_CHARACTERS]
    record = delivery.record
    if record is not None:
        record = record.model_copy(update={"detail": detail, "outcome": settled or record.outcome})
    return replace(delivery, settled=settled, detail=detail, record=record)
