"""Applies ACK_POLICY to a job that did not succeed, before its outcome is published.

- `success`: the job is not acknowledged, so Pub/Sub delivers it again.
- `settled`: a failed job is published to the dead-letter topic, with the reason. A job whose site sent
  Retry-After is published to the jobs topic again, with the time from which it may be tried. Such a job is
  then acknowledged. If Pub/Sub does not confirm the message, or a limit is exceeded, the job is handled as
  with `success`.

docs/decisions/settled.md explains why.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from contract.dead_letter import dead_letter_attributes
from contract.job import Job, requeued
from contract.outcome import MAX_DETAIL_CHARACTERS, Outcome, Reason
from publishing.publisher import Message, Publisher, PublishUnconfirmed
from worker.delayed import MAX_DEFERRAL_SECONDS
from worker.scrape import AttemptResult

#: Maximum number of requeues of one job. After them, the job is not acknowledged and is redelivered, which
#: counts as an attempt; a requeue does not count.
MAX_DEFERS = 5

#: Takes the job's message, the job and the result. Returns the result, with `settled_as` if the job was
#: settled.
AckPolicy = Callable[[Message, Job, AttemptResult], AttemptResult]


def success_policy(message: Message, job: Job, result: AttemptResult) -> AttemptResult:
    """Apply ACK_POLICY=success."""
    del message, job
    return result


@dataclass(frozen=True)
class SettledPolicy:
    """Applies ACK_POLICY=settled.

    Attributes:
        dead_letter_publisher: publishes to the dead-letter topic.
        jobs_publisher: publishes to the jobs topic.
        now: the current time, with a time zone.
    """

    dead_letter_publisher: Publisher
    jobs_publisher: Publisher
    now: Callable[[], datetime]

    def __call__(self, message: Message, job: Job, result: AttemptResult) -> AttemptResult:
        """Dead-letter a failed job, or requeue a job whose site sent Retry-After; see `AckPolicy`."""
        if result.record.outcome is Outcome.FAILED:
            return self.dead_letter(message, result)
        return self.requeue(message, job, result)

    def dead_letter(self, message: Message, result: AttemptResult) -> AttemptResult:
        """Publish the message to the dead-letter topic, with the reason in its attributes."""
        attributes = message.attributes | dead_letter_attributes(result.record)
        dead_letter = message._replace(attributes=attributes)
        return _publish_as(Outcome.FAILED, self.dead_letter_publisher, dead_letter, result)

    def requeue(self, message: Message, job: Job, result: AttemptResult) -> AttemptResult:
        """Publish the job to the jobs topic again, with `not_before`, if its site sent Retry-After."""
        deferral = self._deferral(message.data, job, result)
        if deferral is None:
            return result
        data, until = deferral
        suffix = f"; published again, not before {until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return _publish_as(
            Outcome.DEFERRED, self.jobs_publisher, message._replace(data=data), result, suffix=suffix
        )

    def _deferral(self, data: bytes, job: Job, result: AttemptResult) -> tuple[bytes, datetime] | None:
        """Return the data to publish and its `not_before`; None if the job is not requeued."""
        if result.reason is Reason.NOT_BEFORE and job.not_before is not None:
            # The job waits until the same time as before, so `defers` stays the same.
            return data, job.not_before
        seconds = result.retry_after or 0.0
        if not 0 < seconds <= MAX_DEFERRAL_SECONDS or job.defers >= MAX_DEFERS:
            return None
        until = self.now() + timedelta(seconds=seconds)
        try:
            return requeued(data, not_before=until, defers=job.defers + 1, attempts=0), until
        except ValueError:  # With the two fields, the job would exceed the maximum size.
            return None


def _publish_as(
    outcome: Outcome, publisher: Publisher, message: Message, result: AttemptResult, *, suffix: str = ""
) -> AttemptResult:
    """Publish `message`; return the result settled as `outcome`, or unsettled if Pub/Sub did not confirm."""
    settled_as: Outcome | None = outcome
    try:
        publisher.publish(message)
    except PublishUnconfirmed as error:
        settled_as, suffix = None, f"; not settled: {error.detail}"
    suffix = suffix[:MAX_DETAIL_CHARACTERS]
    detail = result.detail[: MAX_DETAIL_CHARACTERS - len(suffix)] + suffix
    record = result.record.model_copy(
        update={"detail": detail, "outcome": settled_as or result.record.outcome}
    )
    return replace(result, settled_as=settled_as, detail=detail, record=record)
