"""ACK_POLICY=settled, through the real Flask app: what is settled, where it goes, and what is as before."""

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
from contract.outcome import ACKNOWLEDGING, REASON_MEANINGS, Outcome, Reason, status_of
from contract.outcome_record import OutcomeRecord
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
OTHERS = [
    reason for reason in Reason if REASON_MEANINGS[reason].outcome not in {Outcome.FAILED, Outcome.SUCCEEDED}
]


@contextmanager
def no_time_limit(_: PageBudget) -> Iterator[None]:
    """End nothing."""
    yield


@dataclass
class Desk:
    """A worker that settles, on small real things.

    Attributes:
        ending: what a fetch ends with; None gives a page.
        held: for how many seconds jobs were held.
    """

    settles: bool = True
    ending: AttemptFailed | None = None
    outcomes: RecordingPublisher = field(default_factory=RecordingPublisher)
    letters: RecordingPublisher = field(default_factory=RecordingPublisher)
    jobs: RecordingPublisher = field(default_factory=RecordingPublisher)
    held: list[float] = field(default_factory=list)

    def post(self, body: bytes) -> TestResponse:
        """Push a body."""
        due = DelayedJobs(slots=1, requeues=self.settles, now=lambda: NOW, sleep=self.held.append)
        scraper = Scraper(
            fetch=self.fetch,
            page_budget_seconds=40,
            time_limit=no_time_limit,
            now=lambda: NOW,
            name="r1/7",
            delay=due.wait_until_not_before,
        )
        policy = SettledPolicy(self.letters, self.jobs, lambda: NOW)
        consumer = PushConsumer(accept_any_caller, scraper, self.outcomes, policy)
        return make_app(consumer).test_client().post("/", data=body, content_type="application/json")

    def fetch(self, url: str, politeness: Politeness, budget: PageBudget) -> FetchedPage:
        """Give the page, or end."""
        del politeness, budget
        if self.ending is not None:
            raise self.ending
        return FetchedPage(url, 200, "text/html", b"<h1>A Light in the Attic</h1>")

    def outcome(self) -> OutcomeRecord:
        """Return the one outcome there is."""
        [message] = self.outcomes.published
        return OutcomeRecord.decode(message.data)


@pytest.fixture
def desk() -> Desk:
    """A worker that settles."""
    return Desk()


def later(seconds: float | None, reason: Reason = Reason.HTTP_429) -> AttemptFailed:
    """Return the ending of a page whose site asks to be left alone."""
    return AttemptFailed(reason, "the site answered 429", http_status=429, retry_after=seconds)


class TestFailed:
    @pytest.mark.parametrize("reason", FAILURES)
    def test_what_will_not_work_is_buried_with_its_reason_and_acknowledged(
        self, desk: Desk, reason: Reason
    ) -> None:
        """The job byte for byte, its key, our attributes and why; and an outcome as ever."""
        desk.ending = AttemptFailed(reason, "because")
        # When a job that holds fields of a later version fails
        data = job(added_later={"ä": 1})
        answer = desk.post(push(data, attempt=3, ordering_key="shop.example#0", not_ours="x"))
        # Then its push is acknowledged
        assert (answer.status_code, answer.data) == (204, b"")
        # And its letter says it all
        [letter] = desk.letters.published
        assert (letter.data, letter.ordering_key) == (data, "shop.example#0")
        death = {"reason": reason.value, "detail": "because", "attempt": "3"}
        assert letter.attributes == ATTRIBUTES | death
        # And the outcome is what it is without settling
        assert (desk.outcome().outcome, desk.outcome().reason) == (Outcome.FAILED, reason)
        assert desk.jobs.published == []

    def test_a_letter_that_is_not_confirmed_settles_nothing(self, desk: Desk) -> None:
        """Then the job's attempts are counted, as with ACK_POLICY=success, and the outcome says both."""
        desk.ending = AttemptFailed(Reason.HTTP_404, "the site answered 404")
        desk.letters.error = PublishUnconfirmed("scrape-jobs-dead", "gone")
        assert desk.post(push()).status_code == 422
        assert desk.outcome().outcome is Outcome.FAILED
        assert desk.outcome().detail == (
            "the site answered 404; not settled: topic scrape-jobs-dead did not confirm: gone"
        )

    def test_an_outcome_that_is_not_confirmed_is_not_acknowledged_though_buried(self, desk: Desk) -> None:
        """The job comes again and has a second letter, which the ledger counts once: no outcome is lost."""
        desk.ending = AttemptFailed(Reason.HTTP_404, "the site answered 404")
        desk.outcomes.error = PublishUnconfirmed("scrape-outcomes", "gone")
        assert desk.post(push()).status_code == 503
        assert len(desk.letters.published) == 1

    def test_a_bug_in_settling_is_never_acknowledged(self, desk: Desk) -> None:
        """500, as for whatever nobody foresaw."""
        desk.ending = AttemptFailed(Reason.HTTP_404, "the site answered 404")
        desk.letters.error = RuntimeError("boom")
        assert desk.post(push()).status_code == 500

    def test_a_detail_fits_into_an_attribute(self, desk: Desk) -> None:
        """At most 1,024 bytes (Pub/Sub's quotas page), in whole characters."""
        desk.ending = AttemptFailed(Reason.HTTP_404, "ä日" * 600)
        desk.post(push())
        [letter] = desk.letters.published
        assert 1020 < len(letter.attributes["detail"].encode()) <= 1024

    @pytest.mark.parametrize("reason", OTHERS)
    def test_nothing_else_is_buried_or_acknowledged(self, desk: Desk, reason: Reason) -> None:
        """Retries, bugs and what is unreadable end as ever."""
        desk.ending = AttemptFailed(reason, "because")
        answer = desk.post(push())
        assert answer.status_code == status_of(reason)
        assert answer.status_code not in ACKNOWLEDGING
        assert desk.letters.published == desk.jobs.published == []

    def test_an_unreadable_job_is_refused_as_ever(self, desk: Desk) -> None:
        """There is no job to bury: its attempts lead it to the dead letters."""
        assert desk.post(push(b"job")).status_code == 400
        assert desk.letters.published == []

    def test_a_success_is_settled_by_nobody(self, desk: Desk) -> None:
        """204, an outcome, and nothing else."""
        assert desk.post(push()).status_code == 204
        assert desk.outcome().outcome is Outcome.SUCCEEDED
        assert desk.letters.published == desk.jobs.published == []


class TestDeferred:
    @pytest.mark.parametrize("reason", [Reason.HTTP_429, Reason.HTTP_5XX, Reason.RATE_LIMITED])
    def test_a_job_whose_site_says_later_is_published_again_for_then(
        self, desk: Desk, reason: Reason, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The same job and key, due when the site says; deferred is the outcome, the reason stays."""
        caplog.set_level(logging.INFO, logger="scrapeq")
        desk.ending = later(90.5, reason)
        assert desk.post(push(job(added=[1]), ordering_key="shop.example#0")).status_code == 204
        [message] = desk.jobs.published
        assert (message.attributes, message.ordering_key) == (ATTRIBUTES, "shop.example#0")
        waits = {"not_before": "2026-11-22T06:01:34.500Z", "defers": 1}
        assert json.loads(message.data) == json.loads(job(added=[1])) | waits
        again = Job.decode(message.data)
        assert again.model_copy(update={"not_before": None, "defers": 0}) == Job.decode(job())
        outcome = desk.outcome()
        assert (outcome.outcome, outcome.reason) == (Outcome.DEFERRED, reason)
        assert outcome.detail == "the site answered 429; published again, not before 2026-11-22T06:01:34Z"
        [line] = [record for record in caplog.records if record.message == "delivery_finished"]
        told: dict[str, Any] = line.__dict__["json_fields"]
        assert (told["outcome"], told["reason"], told["status"]) == ("deferred", reason, 204)
        assert line.levelno == logging.INFO

    @pytest.mark.parametrize(
        "seconds", [None, 0.0, MAX_DEFERRAL_SECONDS + 1, 10 * 365 * 86400.0, 1e12, float("inf")]
    )
    def test_a_time_that_is_none_or_too_far_away_costs_an_attempt(
        self, desk: Desk, seconds: float | None
    ) -> None:
        """A site may say ten years: then the job's attempts are counted, and it ends as a dead letter."""
        desk.ending = later(seconds)
        assert desk.post(push()).status_code == 429
        assert desk.jobs.published == []
        assert desk.outcome().outcome is Outcome.RETRY

    def test_a_site_that_always_says_later_is_believed_a_few_times(self, desk: Desk) -> None:
        """A job goes round so often, each time for an hour at most, and then its attempts are counted."""
        desk.ending = later(60)
        data, rounds = job(), 0
        while desk.post(push(data)).status_code == 204:
            rounds += 1
            data = job(**json.loads(desk.jobs.published[-1].data) | {"not_before": None})
        assert rounds == MAX_DEFERS

    def test_a_job_that_cannot_be_published_again_costs_an_attempt(self, desk: Desk) -> None:
        """Unconfirmed, or so large that its new fields do not fit: as with ACK_POLICY=success."""
        desk.ending = later(60)
        desk.jobs.error = PublishUnconfirmed("scrape-jobs", "gone")
        assert desk.post(push()).status_code == 429
        assert "not settled: topic scrape-jobs did not confirm" in desk.outcome().detail
        desk.jobs.error = None
        room = MAX_JOB_BYTES - len(job(padding=""))
        assert desk.post(push(job(padding="x" * (room - 10)))).status_code == 429
        assert desk.jobs.published == []


class TestNotDue:
    def due(self, seconds: float) -> bytes:
        """Return a job that is due in so many seconds."""
        return job(not_before=(NOW + timedelta(seconds=seconds)).isoformat(), defers=2)

    def test_a_job_that_is_due_soon_waits_for_it(self, desk: Desk) -> None:
        """Within its budget it is held, then scraped."""
        assert desk.post(push(self.due(20))).status_code == 204
        assert desk.held == [20]
        assert desk.outcome().reason is Reason.OK

    @pytest.mark.parametrize("seconds", [-3600, 0, MAX_DEFERRAL_SECONDS + 1, 10 * 365 * 86400])
    def test_a_time_that_is_over_or_that_no_worker_wrote_holds_nothing(
        self, desk: Desk, seconds: float
    ) -> None:
        """No job goes round for years because somebody published such a time."""
        assert desk.post(push(self.due(seconds))).status_code == 204
        assert desk.held == []
        assert desk.outcome().reason is Reason.OK

    def test_a_job_that_is_due_later_waits_and_is_published_again_as_it_is(self, desk: Desk) -> None:
        """No attempt and no defer is spent on waiting, and no job goes round without a pause."""
        data = self.due(600)
        assert desk.post(push(data, ordering_key="h#1")).status_code == 204
        [held] = desk.held
        assert 29 < held <= 30
        [message] = desk.jobs.published
        assert (message.data, message.ordering_key) == (data, "h#1")
        assert (desk.outcome().outcome, desk.outcome().reason) == (Outcome.DEFERRED, Reason.NOT_BEFORE)
