"""Tests scraping a job without Pub/Sub: a consumer for another broker needs only `worker/scrape.py`."""

import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from contract.attempt import AttemptFailed
from contract.job import Job, Politeness
from contract.outcome import Outcome, Reason
from contract.outcome_record import OutcomeRecord
from extraction.selectors import CHECKS
from tests.repository.tree import ROOT
from tests.servers.pushes import job
from tests.servers.worker_process import environment
from worker.budget import PageBudget
from worker.page import FetchedPage
from worker.scrape import AttemptResult, Scraper

NOW = datetime(2026, 11, 22, 6, 0, 4, tzinfo=UTC)


def fetch_title(url: str, politeness: Politeness, budget: PageBudget) -> FetchedPage:
    """Return a page with a title."""
    del politeness, budget
    return FetchedPage(url, 200, "text/html", b"<h1>A Light in the Attic</h1>")


@contextmanager
def no_time_limit(_: PageBudget) -> Iterator[None]:
    """Set no time limit."""
    yield


@dataclass
class InMemoryBroker:
    """A minimal broker and its consumer. A message that is not acknowledged is put back into the queue.

    Attributes:
        queue: the waiting messages, each with the number of its previous delivery attempts.
        outcomes: the published outcomes.
        publish_error: raised when an outcome is published; None to publish it.
    """

    queue: deque[tuple[bytes, int]] = field(default_factory=deque)
    outcomes: list[OutcomeRecord] = field(default_factory=list)
    publish_error: Exception | None = None

    def publish(self, outcome: OutcomeRecord) -> None:
        """Publish an outcome."""
        if self.publish_error is not None:
            raise self.publish_error
        self.outcomes.append(outcome)

    def consume(self, scraper: Scraper) -> AttemptResult:
        """Scrape the first job, and acknowledge its message or put it back."""
        data, attempts = self.queue.popleft()
        result = scraper.scrape(Job.decode(data, CHECKS), attempts + 1, received_at=0.0, publish=self.publish)
        if not result.acknowledges:
            self.queue.append((data, attempts + 1))
        return result


def make_scraper(error: Exception | None = None) -> Scraper:
    """Return a scraper whose pages all have a title, or whose fetches raise `error`."""

    def fetch(url: str, politeness: Politeness, budget: PageBudget) -> FetchedPage:
        if error is not None:
            raise error
        return fetch_title(url, politeness, budget)

    # The budget is huge, because its start, `received_at`, is 0.0, and the monotonic clock already shows a
    # much later time.
    return Scraper(
        fetch=fetch, page_budget_seconds=1e12, time_limit=no_time_limit, now=lambda: NOW, name="r1/7"
    )


def test_scrape_publishes_the_items_and_acknowledges() -> None:
    """A consumer without HTTP or Pub/Sub acknowledges the job after its outcome was published."""
    broker = InMemoryBroker(deque([(job(), 0)]))
    result = broker.consume(make_scraper())
    assert not broker.queue
    assert (result.reason, result.error) == (Reason.OK, None)
    [outcome] = broker.outcomes
    assert (outcome.outcome, outcome.attempt) == (Outcome.SUCCEEDED, 1)
    assert outcome.items == '[{"title":"A Light in the Attic"}]'


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AttemptFailed(Reason.HTTP_404, "the site answered 404"), Reason.HTTP_404),
        (AttemptFailed(Reason.CONNECT, "no connection"), Reason.CONNECT),
        (RuntimeError("bug"), Reason.INTERNAL_ERROR),
    ],
)
def test_failed_scrape_publishes_an_outcome_and_does_not_acknowledge(
    error: Exception, reason: Reason
) -> None:
    """A failed job is delivered again; each attempt has an outcome with the attempt's number."""
    broker = InMemoryBroker(deque([(job(), 0)]))
    for _ in range(2):
        assert broker.consume(make_scraper(error)).reason is reason
    assert [(outcome.reason, outcome.attempt) for outcome in broker.outcomes] == [(reason, 1), (reason, 2)]
    assert len(broker.queue) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AttemptFailed(Reason.PUBLISH_UNCONFIRMED, "no response"), Reason.PUBLISH_UNCONFIRMED),
        (RuntimeError("bug"), Reason.INTERNAL_ERROR),
    ],
)
def test_job_with_an_unconfirmed_outcome_is_not_acknowledged(error: Exception, reason: Reason) -> None:
    """If the outcome cannot be published, the message is delivered again, even if the scrape succeeded."""
    broker = InMemoryBroker(deque([(job(), 0)]), publish_error=error)
    assert broker.consume(make_scraper()).reason is reason
    assert len(broker.queue) == 1


def test_scrape_imports_no_http_server_and_no_pubsub() -> None:
    """The module `worker.scrape` imports no web framework and no Pub/Sub client, directly or indirectly."""
    listed = subprocess.run(
        [sys.executable, "-c", "import sys, worker.scrape; print(*sys.modules)"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    imported = set(listed.stdout.split())
    assert "worker.scrape" in imported
    assert imported.isdisjoint({"flask", "werkzeug", "grpc", "google.cloud.pubsub_v1", "gunicorn"})
    assert not {name for name in imported if name.split(".")[0] in {"push_endpoint", "publishing"}}
