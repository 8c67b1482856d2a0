"""Tests ACK_POLICY=settled with the real Flask app: which jobs are dead-lettered and which are requeued."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from contract.attempt import AttemptFailed
from contract.job import MAX_JOB_BYTES, Job, Politeness
from contract.outcome import ACKNOWLEDGING, Outcome, Reason
from contract.outcome_record import OutcomeRecord
from contract.reason_meanings import REASON_MEANINGS, status_of
from publishing.publisher import PublishUnconfirmed
from push_endpoint.authentication import accept_any_caller
from tests.servers.pushes import ATTRIBUTES, job, push
from tests.servers.recording_publisher import RecordingPublisher
from worker.ack_policy import MAX_DEFERS, SettledPolicy
from worker.app import make_app
from worker.budget import PageBudget
from worker.delayed import MAX_DEFERRAL_SECONDS, DelayedJobs
from worker.page import FetchedPage
from worker.push_delivery import PushConsumer
from worker.scrape import Scraper

NOW = datetime(2026, 11, 22, 6, 0, 4, tzinfo=UTC)
FAILURES = [reason for reason in Reason if REASON_MEANINGS[reason].outcome is Outcome.FAILED]
OTHER_REASONS = [
    reason for reason in Reason if REASON_MEANINGS[reason].outcome not in {Outcome.FAILED, Outcome.SUCCEEDED}
]


@contextmanager
def no_time_limit(_: PageBudget) -> Iterator[None]:
    """Set no time limit."""
    yield


@dataclass
class SettlingWorker:
    """A worker with ACK_POLICY=settled, which is called through its Flask app.

    Attributes:
        error: raised by every fetch; None to return a page.
        outcomes: publishes the outcomes.
        dead_letters: publishes the dead letters.
        jobs: publishes the requeued jobs.
        waits: the number of seconds that each delayed job waited.
    """

    error: AttemptFailed | None = None
    outcomes: RecordingPublisher = field(default_factory=RecordingPublisher)
    dead_letters: RecordingPublisher = field(default_factory=RecordingPublisher)
    jobs: RecordingPublisher = field(default_factory=RecordingPublisher)
    waits: list[float] = field(default_factory=list)

    def post(self, body: bytes) -> TestResponse:
        """Send a push request with this body."""
        delayed_jobs = DelayedJobs(slots=1, requeues=True, now=lambda: NOW, sleep=self.waits.append)
        scraper = Scraper(
            fetch=self.fetch,
            page_budget_seconds=40,
            time_limit=no_time_limit,
            now=lambda: NOW,
            name="r1/7",
            delay=delayed_jobs.wait_until_not_before,
        )
        policy = SettledPolicy(self.dead_letters, self.jobs, lambda: NOW)
        consumer = PushConsumer(accept_any_caller, scraper, self.outcomes, policy)
        return make_app(consumer).test_client().post("/", data=body, content_type="application/json")

    def fetch(self, url: str, politeness: Politeness, budget: PageBudget) -> FetchedPage:
        """Return a page, or raise `error`."""
        del politeness, budget
        if self.error is not None:
            raise self.error
        return FetchedPage(url, 200, "text/html", b"<h1>A Light in the Attic</h1>")

    def outcome(self) -> OutcomeRecord:
        """Return the only published outcome."""
        [message] = self.outcomes.published
        return OutcomeRecord.decode(message.data)


@pytest.fixture
def worker() -> SettlingWorker:
    """A worker with ACK_POLICY=settled."""
    return SettlingWorker()


def retry_after(seconds: float | None, reason: Reason = Reason.HTTP_429) -> AttemptFailed:
    """Return the error of a page whose site sent Retry-After."""
    return AttemptFailed(reason, "the site answered 429", http_status=429, retry_after=seconds)


class TestDeadLetter:
    @pytest.mark.parametrize("reason", FAILURES)
    def test_a_failed_job_is_dead_lettered_with_its_reason_and_acknowledged(
        self, worker: SettlingWorker, reason: Reason
    ) -> None:
        """The dead letter has the job's bytes, key, attributes and reason; an outcome is published."""
        worker.error = AttemptFailed(reason, "because")
        # When a job with fields of a later version fails
        data = job(added_later={"ä": 1})
        response = worker.post(push(data, attempt=3, ordering_key="shop.example#0", not_ours="x"))
        # Then its push is acknowledged
        assert (response.status_code, response.data) == (204, b"")
        # And the dead letter has the job and the reason
        [dead_letter] = worker.dead_letters.published
        assert (dead_letter.data, dead_letter.ordering_key) == (data, "shop.example#0")
        added = {"reason": reason.value, "detail": "because", "attempt": "3"}
        assert dead_letter.attributes == ATTRIBUTES | added
        # And the outcome is the same as with ACK_POLICY=success
        assert (worker.outcome().outcome, worker.outcome().reason) == (Outcome.FAILED, reason)
        assert worker.jobs.published == []

    def test_an_unconfirmed_dead_letter_is_not_acknowledged(self, worker: SettlingWorker) -> None:
        """If the dead letter is unconfirmed, the push fails with 422, and `detail` has both errors."""
        worker.error = AttemptFailed(Reason.HTTP_404, "the site answered 404")
        worker.dead_letters.error = PublishUnconfirmed("scrape-jobs-dead", "gone")
        assert worker.post(push()).status_code == 422
        assert worker.outcome().outcome is Outcome.FAILED
        assert worker.outcome().detail == (
            "the site answered 404; not settled: topic scrape-jobs-dead did not confirm: gone"
        )

    def test_a_dead_lettered_job_with_an_unconfirmed_outcome_is_not_acknowledged(
        self, worker: SettlingWorker
    ) -> None:
        """If the outcome is unconfirmed, the push fails after the dead letter was published.

        The job is then delivered and dead-lettered again; the ledger counts both dead letters as one.
        """
        worker.error = AttemptFailed(Reason.HTTP_404, "the site answered 404")
        worker.outcomes.error = PublishUnconfirmed("scrape-outcomes", "gone")
        assert worker.post(push()).status_code == 503
        assert len(worker.dead_letters.published) == 1

    def test_an_unexpected_exception_while_dead_lettering_fails_with_500(
        self, worker: SettlingWorker
    ) -> None:
        """If publishing the dead letter raises an unexpected exception, the push is not acknowledged."""
        worker.error = AttemptFailed(Reason.HTTP_404, "the site answered 404")
        worker.dead_letters.error = RuntimeError("boom")
        assert worker.post(push()).status_code == 500

    def test_the_detail_of_a_dead_letter_fits_into_an_attribute(self, worker: SettlingWorker) -> None:
        """A long detail is cut to 1,024 bytes (Pub/Sub's maximum), without splitting a character."""
        worker.error = AttemptFailed(Reason.HTTP_404, "ä日" * 600)
        worker.post(push())
        [dead_letter] = worker.dead_letters.published
        assert 1020 < len(dead_letter.attributes["detail"].encode()) <= 1024

    @pytest.mark.parametrize("reason", OTHER_REASONS)
    def test_retries_and_internal_errors_are_neither_dead_lettered_nor_acknowledged(
        self, worker: SettlingWorker, reason: Reason
    ) -> None:
        """Reasons whose outcome is not `failed` have the same HTTP status as with ACK_POLICY=success."""
        worker.error = AttemptFailed(reason, "because")
        response = worker.post(push())
        assert response.status_code == status_of(reason)
        assert response.status_code not in ACKNOWLEDGING
        assert worker.dead_letters.published == worker.jobs.published == []

    def test_an_unreadable_job_is_rejected_with_400_and_not_dead_lettered(
        self, worker: SettlingWorker
    ) -> None:
        """The worker does not dead-letter an unreadable job; Pub/Sub does so after its last attempt."""
        assert worker.post(push(b"job")).status_code == 400
        assert worker.dead_letters.published == []

    def test_a_success_publishes_only_its_outcome(self, worker: SettlingWorker) -> None:
        """A successful job is acknowledged, and neither dead-lettered nor requeued."""
        assert worker.post(push()).status_code == 204
        assert worker.outcome().outcome is Outcome.SUCCEEDED
        assert worker.dead_letters.published == worker.jobs.published == []


class TestRequeue:
    @pytest.mark.parametrize("reason", [Reason.HTTP_429, Reason.HTTP_5XX, Reason.RATE_LIMITED])
    def test_a_job_with_retry_after_is_requeued_with_not_before(
        self, worker: SettlingWorker, reason: Reason, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The same job with the same key is published; the outcome is `deferred` and keeps the reason."""
        caplog.set_level(logging.INFO, logger="scrapeq")
        worker.error = retry_after(90.5, reason)
        assert worker.post(push(job(added=[1]), ordering_key="shop.example#0")).status_code == 204
        [message] = worker.jobs.published
        assert (message.attributes, message.ordering_key) == (ATTRIBUTES, "shop.example#0")
        deferral = {"not_before": "2026-11-22T06:01:34.500Z", "defers": 1}
        assert json.loads(message.data) == json.loads(job(added=[1])) | deferral
        requeued = Job.decode(message.data)
        assert requeued.model_copy(update={"not_before": None, "defers": 0}) == Job.decode(job())
        outcome = worker.outcome()
        assert (outcome.outcome, outcome.reason) == (Outcome.DEFERRED, reason)
        assert outcome.detail == "the site answered 429; published again, not before 2026-11-22T06:01:34Z"
        [line] = [record for record in caplog.records if record.message == "delivery_finished"]
        fields: dict[str, Any] = line.__dict__["json_fields"]
        assert (fields["outcome"], fields["reason"], fields["status"]) == ("deferred", reason, 204)
        assert line.levelno == logging.INFO

    @pytest.mark.parametrize(
        "seconds", [None, 0.0, MAX_DEFERRAL_SECONDS + 1, 10 * 365 * 86400.0, 1e12, float("inf")]
    )
    def test_a_missing_or_too_long_retry_after_spends_an_attempt(
        self, worker: SettlingWorker, seconds: float | None
    ) -> None:
        """If Retry-After is missing, 0 or too long, the push fails with 429 and the job is not requeued.

        Pub/Sub then delivers the job again, and counts that as a further delivery attempt.
        """
        worker.error = retry_after(seconds)
        assert worker.post(push()).status_code == 429
        assert worker.jobs.published == []
        assert worker.outcome().outcome is Outcome.RETRY

    def test_a_job_is_requeued_at_most_max_defers_times(self, worker: SettlingWorker) -> None:
        """After MAX_DEFERS responses with Retry-After the job is not requeued again."""
        worker.error = retry_after(60)
        data, rounds = job(), 0
        while worker.post(push(data)).status_code == 204:
            rounds += 1
            data = job(**json.loads(worker.jobs.published[-1].data) | {"not_before": None})
        assert rounds == MAX_DEFERS

    def test_a_job_that_cannot_be_requeued_spends_an_attempt(self, worker: SettlingWorker) -> None:
        """If the publish is unconfirmed or the job becomes too large, the push fails with 429."""
        worker.error = retry_after(60)
        worker.jobs.error = PublishUnconfirmed("scrape-jobs", "gone")
        assert worker.post(push()).status_code == 429
        assert "not settled: topic scrape-jobs did not confirm" in worker.outcome().detail
        worker.jobs.error = None
        remaining_bytes = MAX_JOB_BYTES - len(job(padding=""))
        assert worker.post(push(job(padding="x" * (remaining_bytes - 10)))).status_code == 429
        assert worker.jobs.published == []


class TestNotBefore:
    def job_due_in(self, seconds: float) -> bytes:
        """Return a job whose `not_before` is `seconds` after NOW."""
        return job(not_before=(NOW + timedelta(seconds=seconds)).isoformat(), defers=2)

    def test_a_job_with_a_near_not_before_waits_and_is_scraped(self, worker: SettlingWorker) -> None:
        """A job whose `not_before` is near enough for its page budget waits and is then scraped."""
        assert worker.post(push(self.job_due_in(20))).status_code == 204
        assert worker.waits == [20]
        assert worker.outcome().reason is Reason.OK

    @pytest.mark.parametrize("seconds", [-3600, 0, MAX_DEFERRAL_SECONDS + 1, 10 * 365 * 86400])
    def test_a_past_or_too_far_not_before_is_ignored(self, worker: SettlingWorker, seconds: float) -> None:
        """A `not_before` in the past, or later than the worker itself would set, does not delay a job."""
        assert worker.post(push(self.job_due_in(seconds))).status_code == 204
        assert worker.waits == []
        assert worker.outcome().reason is Reason.OK

    def test_a_job_with_a_far_not_before_waits_and_is_requeued_unchanged(
        self, worker: SettlingWorker
    ) -> None:
        """A job with a far `not_before` waits and is then requeued, with the same `defers` as before."""
        data = self.job_due_in(600)
        assert worker.post(push(data, ordering_key="h#1")).status_code == 204
        [seconds] = worker.waits
        assert 29 < seconds <= 30
        [message] = worker.jobs.published
        assert (message.data, message.ordering_key) == (data, "h#1")
        assert (worker.outcome().outcome, worker.outcome().reason) == (Outcome.DEFERRED, Reason.NOT_BEFORE)
