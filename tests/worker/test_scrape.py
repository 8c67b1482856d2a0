"""Tests scraping a job without Pub/Sub: a consumer for another broker needs only `worker/scrape.py`."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.attempt import AttemptFailed
from contract.job import Job, Politeness, url_digest
from contract.outcome import Outcome, Reason
from contract.outcome_record import ListingEnd, OutcomeRecord
from contract.request import PageRequest
from extraction.selectors import CHECKS
from tests.repository.tree import ROOT
from tests.servers.pushes import job
from tests.servers.worker_process import environment
from tests.worker.fetching import FakeClock
from worker.attempt_result import AttemptResult
from worker.budget import Activity, NoActivity, PageBudget
from worker.fetch import Stopwatch
from worker.host_slots import Lane
from worker.page import FetchedPage
from worker.permit import Permit
from worker.scrape import Scraper

NOW = datetime(2026, 11, 22, 6, 0, 4, tzinfo=UTC)
TITLE = b"<h1>A Light in the Attic</h1>"
FIRST, SECOND = "https://shop.example/list", "https://shop.example/list?page=2"
LIST_RECIPE = {
    "name": "list",
    "items": "li",
    "fields": {"name": {"xpath": ".", "required": True}},
    "next": "a[rel=next]",
}


@dataclass
class TimedSite:
    """A site whose requests take time, and whose host is waited for, by a fake clock.

    Attributes:
        body: the body of every page.
        error: raised by each fetch after its request; None to return the page.
        redirect: URL to which every page redirects; `""` for none.
        lanes: the lane of each fetch.
        clock: the clock.
    """

    body: bytes = TITLE
    error: Exception | None = None
    redirect: str = ""
    lanes: list[Lane | None] = field(default_factory=list)
    clock: FakeClock = field(default_factory=lambda: FakeClock(1000.0))

    def fetch(
        self,
        url: str,
        politeness: Politeness,
        budget: PageBudget,
        *,
        lane: Lane | None,
        stopwatch: Stopwatch,
        request: PageRequest,
        public_only: bool = False,
        permit: Permit,
    ) -> FetchedPage:
        """Wait for 5 s, then request the page for 2 s; return it, or raise `error`."""
        del politeness, request, public_only, permit
        self.lanes.append(lane)
        with budget.waiting():
            self.clock.sleep(5)
        stopwatch.start()
        self.clock.sleep(2)
        stopwatch.stop()
        if self.error is not None:
            raise self.error
        return FetchedPage(self.redirect or url, 200, "text/html", self.body)

    def scrape(self, data: bytes, delivery: int = 1, **changed: Any) -> AttemptResult:  # noqa: ANN401 - arguments
        """Scrape a job that was received a second ago; `changed` are arguments of the scraper."""
        arguments: dict[str, Any] = {
            "fetch": self.fetch,
            "page_budget_seconds": 40,
            "wait_budget_seconds": 520,
            "now": lambda: NOW,
            "name": "r1/7",
            "clock": self.clock,
        }
        scraper = Scraper(**arguments | changed)
        return scraper.scrape(Job.decode(data, CHECKS), delivery, received_at=self.clock() - 1)


def list_job(url: str = FIRST, **changed: object) -> bytes:
    """Return a job whose recipe has `next`."""
    return job(url=url, recipe=LIST_RECIPE, **changed)


def list_page(*names: str, link: str = "") -> bytes:
    """Return the body of a page of a list."""
    items = "".join(f"<li>{name}</li>" for name in names)
    return f'<ul>{items}</ul><a rel="{"next" if link else ""}" href="{link}">on</a>'.encode()


def test_success_has_the_items_and_no_error() -> None:
    """A consumer without HTTP or Pub/Sub gets the outcome of a success, and publishes it itself."""
    result = TimedSite().scrape(job())
    assert (result.reason, result.error, result.retry_after, result.next_job) == (Reason.OK, None, None, None)
    assert (result.record.outcome, result.record.attempt) == (Outcome.SUCCEEDED, 1)
    assert result.record.items == '[{"title":"A Light in the Attic"}]'


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AttemptFailed(Reason.HTTP_404, "the site answered 404", retry_after=7), Reason.HTTP_404),
        (AttemptFailed(Reason.CONNECT, "no connection"), Reason.CONNECT),
        (RuntimeError("bug"), Reason.INTERNAL_ERROR),
    ],
)
def test_failure_has_an_outcome_and_raises_nothing(error: Exception, reason: Reason) -> None:
    """Every error of an attempt becomes an outcome; only an unexpected one is kept for its stack trace."""
    result = TimedSite(error=error).scrape(job())
    assert (result.reason, result.record.reason, result.next_job) == (reason, reason, None)
    assert result.error is (error if isinstance(error, RuntimeError) else None)
    assert result.retry_after == (error.retry_after if isinstance(error, AttemptFailed) else None)


@pytest.mark.parametrize("error", [None, AttemptFailed(Reason.HTTP_5XX)])
def test_waits_are_not_counted_as_fetching(error: Exception | None) -> None:
    """`fetch_seconds` has only the requests, `waited_seconds` only the waits, and the total has both."""
    site = TimedSite(error=error)

    def delay(_: Job, budget: PageBudget) -> None:
        with budget.waiting():
            site.clock.sleep(100)

    record = site.scrape(job(), delay=delay).record
    assert (record.fetch_seconds, record.waited_seconds, record.total_seconds) == (2, 105, 108)


@pytest.mark.parametrize(
    ("attempts", "delivery", "number"), [(0, 0, 0), (0, 1, 1), (0, 3, 3), (2, 0, 3), (2, 1, 3), (2, 2, 4)]
)
def test_attempts_of_earlier_messages_are_counted(attempts: int, delivery: int, number: int) -> None:
    """The number of an attempt is that of its delivery, after the failed requests of earlier messages."""
    assert TimedSite().scrape(job(attempts=attempts), delivery).record.attempt == number


@pytest.mark.parametrize(
    ("politeness", "lanes"),
    [({}, 0), ({"delay_seconds": 2}, 1), ({"per_host": 3}, 3), ({"delay_seconds": 2, "per_host": 3}, 3)],
)
def test_job_has_a_lane_if_its_crawl_limits_the_host(politeness: dict[str, Any], lanes: int) -> None:
    """The lane of a fetch is that of the job's ordering key; a job without one has no lane."""
    site, data = TimedSite(), job(politeness=politeness)
    site.scrape(data)
    assert site.lanes == [Lane(Job.decode(data).lane, lanes) if lanes else None]


def test_job_that_may_not_run_yet_is_not_fetched() -> None:
    """An attempt that its delay ends requests nothing."""
    site = TimedSite()

    def delay(_: Job, __: PageBudget) -> None:
        raise AttemptFailed(Reason.NOT_BEFORE, "later")

    assert site.scrape(job(), delay=delay).reason is Reason.NOT_BEFORE
    assert site.lanes == []


class FullActivity:
    """An activity that never begins."""

    def begin(self, _: PageBudget) -> None:
        """Fail."""
        raise AttemptFailed(Reason.QUEUED_TOO_LONG, "full")

    def end(self) -> None:
        """Do nothing."""


def test_job_without_a_page_slot_is_not_fetched() -> None:
    """An attempt that gets no page slot requests nothing."""
    site = TimedSite()
    assert site.scrape(job(), activity=FullActivity).reason is Reason.QUEUED_TOO_LONG
    assert site.lanes == []


def test_fetched_at_is_the_time_of_the_first_request() -> None:
    """It is after the wait of 5 s before the request; without a request, it is when the attempt began."""
    for error in (None, AttemptFailed(Reason.HTTP_404)):
        assert TimedSite(error=error).scrape(job()).record.fetched_at == NOW + timedelta(seconds=5)
    assert TimedSite().scrape(job(), activity=FullActivity).record.fetched_at == NOW


def listing(record: OutcomeRecord) -> dict[str, object]:
    """Return the fields of an outcome that concern its listing."""
    return record.model_dump(include={"page", "listing", "listing_end", "next_url"})


def test_page_of_a_listing_has_its_items_and_the_next_job() -> None:
    """The outcome of a page has the page's own items; the next page is a job that is returned with it."""
    first = TimedSite(list_page("a", "b", link="?page=2#top")).scrape(list_job())
    job_id = first.record.job_id
    assert json.loads(first.record.items) == [{"name": "a"}, {"name": "b"}]
    assert listing(first.record) == {"page": 1, "listing": job_id, "listing_end": "", "next_url": SECOND}
    assert first.next_job is not None
    # And the next page ends the listing, if it has no link
    second = TimedSite(list_page()).scrape(first.next_job.encode())
    assert (second.reason, second.record.item_count, second.record.detail) == (Reason.OK, 0, "")
    end = {"page": 2, "listing": job_id, "listing_end": ListingEnd.LAST_PAGE, "next_url": ""}
    assert listing(second.record) == end
    assert second.next_job is None


@pytest.mark.parametrize("link", ["javascript:void(0)", "mailto:a@shop.example", "http://[::1"])
def test_invalid_link_to_the_next_page_fails_nothing(link: str) -> None:
    """A page whose link to the next page is invalid succeeds, and `detail` warns that the listing ends."""
    result = TimedSite(list_page("a", link=link)).scrape(list_job())
    assert (result.reason, result.next_job, result.record.item_count) == (Reason.OK, None, 1)
    assert result.record.listing_end is ListingEnd.BAD_NEXT
    assert f"the listing ends at page 1: next leads to {link!r}" in result.record.detail


def test_page_that_redirects_back_has_no_items() -> None:
    """The items of a page that redirects to an earlier page of the listing are not counted twice."""
    data = list_job(SECOND, page=2, listing="0" * 32, visited=[url_digest(FIRST)])
    result = TimedSite(list_page("a"), redirect=FIRST).scrape(data)
    assert (result.reason, result.record.items, result.next_job) == (Reason.OK, "[]", None)
    assert result.record.listing_end is ListingEnd.LOOP
    assert f"which redirects back to {FIRST}" in result.record.detail


def test_first_page_without_items_fails_and_a_later_one_does_not() -> None:
    """A later page may have no items; if the first page has no items, the job fails with `missing_field`."""
    failed = TimedSite(list_page(link="?page=2")).scrape(list_job())
    assert (failed.reason, failed.next_job) == (Reason.MISSING_FIELD, None)
    job_id = failed.record.job_id
    assert listing(failed.record) == {"page": 1, "listing": job_id, "listing_end": "", "next_url": ""}


@pytest.mark.parametrize("activity", [FullActivity, NoActivity])
def test_outcome_of_a_page_without_listing_has_no_listing(activity: Callable[[], Activity]) -> None:
    """Whether it fails or succeeds, a job whose recipe has no `next` belongs to no listing."""
    record = TimedSite().scrape(job(), activity=activity).record
    assert listing(record) == {"page": 1, "listing": "", "listing_end": "", "next_url": ""}


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


def test_a_crowded_worker_limits_the_wait_for_a_host() -> None:
    """While `hold_seconds` returns a limit, a job may wait for its host only so long."""
    site = TimedSite()
    waits = list[float]()

    def fetch(url: str, politeness: Politeness, budget: PageBudget, **_: object) -> FetchedPage:
        del politeness
        waits.append(budget.remaining_hold())
        return FetchedPage(url, 200, "text/html", TITLE)

    site.scrape(job(), fetch=fetch, hold_seconds=lambda: None)
    site.scrape(job(), fetch=fetch, hold_seconds=lambda: 30.0)
    # The job was received a second before it was scraped, and that second is no wait.
    assert waits == [520.0, 30.0]
