"""Decides what happens to a job after an attempt: ACK_POLICY. Pure.

- `success`: only a success is acknowledged, and a job whose run an operator or a limit has ended. Any
  other job is not acknowledged, so Pub/Sub delivers it again.
- `settled`: after a failure that no further request can mend, and after the last attempt, the worker
  publishes the job to the dead-letter topic, with the reason. Otherwise it publishes the job again, with the
  time of the next attempt. Then it acknowledges the message. A redelivered message is never published again.

docs/decisions/settled.md and docs/decisions/waiting-costs-no-attempt.md explain why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from contract.job import MAX_DEFERS, Job, requeued
from contract.outcome import Cause, Outcome, Reason
from contract.reason_meanings import REASON_MEANINGS
from worker.attempt_result import AttemptResult

#: A job that is not settled by a copy is dead-lettered, because of a failed request, at this delivery of its
#: message (ACK_POLICY=settled). Fewer than all of these deliveries may have been requests.
LAST_REDELIVERY = 20
#: Reasons after which a job is over, and needs no other message. A job of a run that an operator or a limit
#: has ended is the only one that is acknowledged without a success if ACK_POLICY=success.
ENDED = frozenset({Reason.OK, Reason.CANCELLED, Reason.RUN_LIMIT})
#: Reasons for which the worker has no time, or no publisher, to publish the job again.
_NEVER_REQUEUED = frozenset({Reason.SHUTDOWN, Reason.PUBLISH_UNCONFIRMED})
_MAX_DOUBLINGS = 60  # more would overflow a float


@dataclass(frozen=True)
class Redeliver:
    """Do not acknowledge the message, so that Pub/Sub delivers it again."""


@dataclass(frozen=True)
class Acknowledge:
    """Acknowledge the message."""


@dataclass(frozen=True)
class DeadLetter:
    """Publish the message to the dead-letter topic with the reason, then acknowledge it."""


@dataclass(frozen=True)
class Requeue:
    """Publish the job again, then acknowledge the message.

    Attributes:
        data: the message data of the job.
        not_before: the time of the next attempt; None for any time.
    """

    data: bytes
    not_before: datetime | None


Disposition = Redeliver | Acknowledge | DeadLetter | Requeue


@dataclass(frozen=True)
class FinishedAttempt:
    """An attempt that has ended, and the message that it belongs to.

    Attributes:
        job: the job.
        data: the message data of the job.
        delivery: the number of this delivery, from 1; 0 if Pub/Sub does not count deliveries.
        result: how the attempt ended.
        now: the current time, with a time zone.
    """

    job: Job
    data: bytes
    delivery: int
    result: AttemptResult
    now: datetime

    @property
    def cause(self) -> Cause:
        """What ended the attempt."""
        return REASON_MEANINGS[self.result.reason].cause


#: Decides what happens to a job after an attempt.
AckPolicy = Callable[[FinishedAttempt], Disposition]


def success_policy(attempt: FinishedAttempt) -> Disposition:
    """Apply ACK_POLICY=success."""
    return Acknowledge() if attempt.result.reason in ENDED else Redeliver()


@dataclass(frozen=True)
class SettledPolicy:
    """Applies ACK_POLICY=settled.

    A copy of a job is published only at the first delivery of its message. If the message is delivered again,
    an acknowledgement may have been lost after the copy was published, and a second copy would be published
    at each further delivery, and by each copy. So a redelivered message is never copied: it is redelivered by
    Pub/Sub until it succeeds, or until its request fails at delivery `LAST_REDELIVERY`.

    Attributes:
        max_attempts: number of failed requests after which a job is dead-lettered.
        minimum_backoff_seconds: seconds before the second attempt; they double with each further attempt.
        maximum_backoff_seconds: longest time between two attempts, unless Retry-After is longer.
    """

    max_attempts: int
    minimum_backoff_seconds: float
    maximum_backoff_seconds: float

    def __call__(self, attempt: FinishedAttempt) -> Disposition:
        """Decide what happens to the job; see `AckPolicy`."""
        if attempt.result.reason in ENDED:
            return Acknowledge()
        if REASON_MEANINGS[attempt.result.reason].outcome is Outcome.FAILED:
            return DeadLetter()
        if attempt.cause is Cause.PAGE or attempt.result.reason is Reason.INTERNAL_ERROR:
            return self._after_failed_request(attempt)
        if attempt.result.reason in _NEVER_REQUEUED:
            return Redeliver()
        return _copy(attempt, attempt.job.attempts, _wait_until(attempt, 0.0) or attempt.job.not_before)

    def backoff_seconds(self, attempts: int) -> float:
        """Return the seconds before the next attempt, after `attempts` (at least 1) failed requests."""
        doublings = min(attempts - 1, _MAX_DOUBLINGS)
        return min(self.maximum_backoff_seconds, self.minimum_backoff_seconds * 2.0**doublings)

    def _after_failed_request(self, attempt: FinishedAttempt) -> Disposition:
        attempts = attempt.job.attempts + 1
        if attempts >= self.max_attempts or attempt.delivery >= LAST_REDELIVERY:
            return DeadLetter()
        return _copy(attempt, attempts, _wait_until(attempt, self.backoff_seconds(attempts)))


def _wait_until(attempt: FinishedAttempt, seconds: float) -> datetime | None:
    seconds = max(seconds, attempt.result.retry_after or 0.0)
    return attempt.now + timedelta(seconds=seconds) if seconds else None


def _copy(attempt: FinishedAttempt, attempts: int, not_before: datetime | None) -> Disposition:
    # A pause may last for days, and its operator ends it, so its copies do not count.
    defers = attempt.job.defers + (attempt.result.reason is not Reason.PAUSED)
    if attempt.delivery > 1 or defers > MAX_DEFERS:
        return Redeliver()
    try:
        data = requeued(attempt.data, not_before=not_before, defers=defers, attempts=attempts)
    except ValueError:  # With the added fields, the job would exceed the maximum size.
        return Redeliver()
    return Requeue(data, not_before)
