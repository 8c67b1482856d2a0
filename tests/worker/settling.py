"""Settles attempts for tests: a settler whose publishers write into one journal, with a fake clock."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from contract.job import Job
from contract.outcome import Reason
from contract.outcome_record import OutcomeRecord
from contract.reason_meanings import REASON_MEANINGS
from publishing.publisher import Message
from tests.servers.pushes import ATTRIBUTES, TRACE, job
from tests.servers.recording_publisher import RecordingPublisher
from tests.worker.fetching import FakeClock
from tests.worker.worker_under_test import SETTLED
from worker.ack_policy import AckPolicy
from worker.attempt_result import AttemptResult
from worker.settlement import Settled, Settler

NOW = datetime(2026, 11, 22, 6, 0, 4, tzinfo=UTC)
RECEIVED_AT, REQUEST_SECONDS, PUBLISH_SECONDS = 1000.0, 570.0, 2.5


@dataclass
class Settlement:
    """A settler whose publishers write into one journal, with a fake clock.

    Attributes:
        policy: the ACK_POLICY.
        clock: the clock; it shows 40 s after the push was received.
        journal: the topic of each published message, and the seconds of each hold, in order.
    """

    policy: AckPolicy = SETTLED
    clock: FakeClock = field(default_factory=lambda: FakeClock(RECEIVED_AT + 40))
    journal: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Create the publishers."""
        self.outcomes = RecordingPublisher("outcomes", self.journal)
        self.jobs = RecordingPublisher("jobs", self.journal)
        self.dead_letters = RecordingPublisher("dead letters", self.journal)

    def hold(self, seconds: float) -> None:
        """Advance the clock."""
        self.journal.append(f"held for {seconds:g} s")
        self.clock.sleep(seconds)

    def settle(
        self,
        reason: Reason,
        *,
        detail: str = "because",
        data: bytes = job(),
        delivery: int = 1,
        ordering_key: str = "",
        retry_after: float | None = None,
        next_job: Job | None = None,
        error: Exception | None = None,
        final_url: str = "",
    ) -> Settled:
        """Settle an attempt that ended for `reason`."""
        decoded = Job.decode(data)
        record = OutcomeRecord(
            job_id=decoded.job_id,
            run_id=decoded.run_id,
            crawl=decoded.crawl,
            url=decoded.url,
            attempt=decoded.attempts + delivery,
            outcome=REASON_MEANINGS[reason].outcome,
            reason=reason,
            fetched_at=NOW,
            detail=detail,
            final_url=final_url,
        )
        settler = Settler(
            ack_policy=self.policy,
            outcomes_publisher=self.outcomes,
            jobs_publisher=self.jobs,
            dead_letter_publisher=self.dead_letters,
            request_seconds=REQUEST_SECONDS,
            publish_seconds=PUBLISH_SECONDS,
            clock=self.clock,
            now=lambda: NOW,
            hold=self.hold,
        )
        return settler.settle(
            decoded,
            Message(data, ATTRIBUTES, ordering_key),
            AttemptResult(record, error, retry_after, next_job),
            delivery=delivery,
            received_at=RECEIVED_AT,
            trace=TRACE,
        )

    def outcome(self) -> OutcomeRecord:
        """Return the only published outcome."""
        [message] = self.outcomes.published
        return OutcomeRecord.decode(message.data)
