"""Provides a worker for tests: the real Flask app, with a scripted site instead of the network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from werkzeug.test import TestResponse

from contract.job import Politeness
from contract.outcome_record import OutcomeRecord
from push_endpoint.authentication import accept_any_caller
from tests.servers.pushes import JOB
from tests.servers.recording_publisher import RecordingPublisher
from worker.app import make_app
from worker.budget import PageBudget
from worker.page import FetchedPage
from worker.push_delivery import PushConsumer
from worker.scrape import Scraper

NOW = datetime(2026, 11, 22, 6, 0, 4, tzinfo=UTC)
BODY = b"<h1>A Light in the Attic</h1>"
PAGE = FetchedPage("https://shop.example/one", 200, "text/html", BODY)


class ScriptedSite:
    """A site that has one page, or fails each fetch with a given error.

    Attributes:
        page: the page of every URL.
        error: raised by every fetch; None to return the page.
        requested: the requested URLs, in order.
    """

    def __init__(self) -> None:
        self.page = PAGE
        self.error: Exception | None = None
        self.requested: list[str] = []

    def fetch(self, url: str, politeness: Politeness, budget: PageBudget) -> FetchedPage:
        """Return the page, or raise `error`."""
        assert politeness == Politeness(**JOB["politeness"])
        assert budget.remaining() > 0
        self.requested.append(url)
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


@contextmanager
def no_time_limit(_: PageBudget) -> Iterator[None]:
    """Set no time limit."""
    yield


@dataclass
class WorkerUnderTest:
    """A worker that is called through its Flask app.

    Attributes:
        site: returns the pages.
        authenticator: accepts or rejects the pushes.
        publisher: records the outcomes.
    """

    site: ScriptedSite
    authenticator: FakeAuthenticator
    publisher: RecordingPublisher

    def __post_init__(self) -> None:
        """Create the worker's consumer and the client of its Flask app."""
        scraper = Scraper(
            fetch=self.site.fetch,
            page_budget_seconds=40,
            time_limit=no_time_limit,
            now=lambda: NOW,
            name="r1/7",
        )
        self.consumer = PushConsumer(self.authenticator, scraper, self.publisher)
        self.client = make_app(self.consumer).test_client()

    def post(self, body: bytes) -> TestResponse:
        """Send a push request with this body."""
        return self.client.post("/", data=body, content_type="application/json")

    def outcomes(self) -> list[OutcomeRecord]:
        """Return the published outcomes."""
        return [OutcomeRecord.decode(message.data) for message in self.publisher.published]


#: A function that returns the fields of each event `delivery_finished` that was logged so far.
LogEvents = Callable[[], list[dict[str, Any]]]
