"""Provides a worker for tests: the real Flask app, with a scripted site instead of the network."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from werkzeug.test import TestResponse

from contract.job import Politeness
from contract.outcome_record import OutcomeRecord
from contract.request import PageRequest
from push_endpoint.authentication import accept_any_caller
from tests.servers.recording_publisher import RecordingPublisher
from worker.ack_policy import AckPolicy, SettledPolicy, success_policy
from worker.app import WorkerApp
from worker.budget import PageBudget
from worker.fetch import Stopwatch
from worker.host_slots import Lane
from worker.page import FetchedPage
from worker.permit import Permit
from worker.push_delivery import PushConsumer
from worker.scrape import Scraper
from worker.settlement import Settler

NOW = datetime(2026, 11, 22, 6, 0, 4, tzinfo=UTC)
BODY = b"<h1>A Light in the Attic</h1>"
PAGE = FetchedPage("https://shop.example/one", 200, "text/html", BODY)
MAX_DELIVERIES = 10  #: number of deliveries after which Pub/Sub dead-letters a message in the tests
SETTLED = SettledPolicy(max_attempts=10, minimum_backoff_seconds=10, maximum_backoff_seconds=600)


class ScriptedSite:
    """A site that has one page, or fails each fetch with a given error.

    Attributes:
        page: the page of every URL.
        error: raised by every fetch; None to return the page.
        requested: the requested URLs, in order.
        public_only: whether only public addresses may be contacted, for each of them.
    """

    def __init__(self) -> None:
        self.page = PAGE
        self.error: Exception | None = None
        self.requested: list[str] = []
        self.public_only: list[bool] = []

    def fetch(
        self,
        url: str,
        politeness: Politeness,
        budget: PageBudget,
        *,
        lane: Lane | None,
        stopwatch: Stopwatch,
        request: PageRequest,
        public_only: bool,
        permit: Permit,
    ) -> FetchedPage:
        """Return the page, or raise `error`."""
        del stopwatch, request, permit
        assert (lane is None) == (politeness.lanes == 0)
        assert budget.remaining() > 0
        self.requested.append(url)
        self.public_only.append(public_only)
        if self.error is not None:
            raise self.error
        return self.page


class FakeAuthenticator:
    """Accepts every push, or rejects each with a given error.

    Attributes:
        error: raised for every push; None to accept it.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __call__(self, authorization: str) -> None:
        """Raise `error`, if it is set."""
        accept_any_caller(authorization)
        if self.error is not None:
            raise self.error


@dataclass
class WorkerUnderTest:
    """A worker that is called through its Flask app.

    Attributes:
        policy: the worker's ACK_POLICY.
        site: returns the pages.
        authenticator: accepts or rejects the pushes.
        publisher: records the outcomes.
        jobs: records the jobs that the worker publishes.
        dead_letters: records the dead letters.
        holds: the seconds for which each settled push was held.
        unreadable_after: number of deliveries after which an unreadable message is dead-lettered.
    """

    policy: AckPolicy = success_policy
    site: ScriptedSite = field(default_factory=ScriptedSite)
    authenticator: FakeAuthenticator = field(default_factory=FakeAuthenticator)
    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)
    jobs: RecordingPublisher = field(default_factory=RecordingPublisher)
    dead_letters: RecordingPublisher = field(default_factory=RecordingPublisher)
    holds: list[float] = field(default_factory=list)
    unreadable_after: int | None = None

    def __post_init__(self) -> None:
        """Create the worker's consumer and the client of its Flask app."""
        scraper = Scraper(fetch=self.site.fetch, page_budget_seconds=40, now=lambda: NOW, name="r1/7")
        settler = Settler(
            ack_policy=self.policy,
            outcomes_publisher=self.publisher,
            jobs_publisher=self.jobs,
            dead_letter_publisher=self.dead_letters,
            request_seconds=570,
            publish_seconds=2.5,
            clock=time.monotonic,
            now=lambda: NOW,
            hold=self.holds.append,
            unreadable_after=self.unreadable_after,
        )
        self.consumer = PushConsumer(self.authenticator, scraper, settler, MAX_DELIVERIES)
        self.app = WorkerApp(self.consumer)
        self.client = self.app.test_client()

    def post(self, body: bytes) -> TestResponse:
        """Send a push request with this body."""
        return self.client.post("/", data=body, content_type="application/json")

    def outcomes(self) -> list[OutcomeRecord]:
        """Return the published outcomes."""
        return [OutcomeRecord.decode(message.data) for message in self.publisher.published]


#: A function that returns the fields of each event `delivery_finished` that was logged so far.
LogEvents = Callable[[], list[dict[str, Any]]]
