"""Defines how an attempt ended, before anything is published. Pure."""

from dataclasses import dataclass

from contract.job import Job
from contract.outcome import Reason
from contract.outcome_record import OutcomeRecord


@dataclass(frozen=True)
class AttemptResult:
    """How one attempt ended, before anything is published.

    Attributes:
        record: the outcome record.
        error: the unexpected exception of an `internal_error`, for its stack trace; else None.
        retry_after: seconds for which the site's host must not be requested (Retry-After); None if it may be.
        next_job: the job of the listing's next page; None if no page follows.
    """

    record: OutcomeRecord
    error: Exception | None = None
    retry_after: float | None = None
    next_job: Job | None = None

    @property
    def reason(self) -> Reason:
        """Why the attempt ended as it did."""
        return self.record.reason
