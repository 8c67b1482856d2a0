"""Scrapes one job: fetches its page and extracts the items.

This module does not depend on how the job came to the worker, publishes nothing, and acknowledges nothing:
`worker/push_delivery.py` receives the job by a push, and `worker/settlement.py` decides what follows.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from contract.attempt import AttemptFailed, internal_error
from contract.job import Job, Politeness
from contract.outcome import MAX_DETAIL_CHARACTERS, Reason
from contract.outcome_record import OutcomeRecord
from contract.quoting import shorten
from contract.reason_meanings import REASON_MEANINGS
from contract.recipe import Recipe
from contract.request import PageRequest
from extraction.errors import ExtractionError
from extraction.extract_items import ExtractedItems, extract_items
from worker.attempt_result import AttemptResult
from worker.budget import Activity, NoActivity, PageBudget
from worker.fetch import Stopwatch
from worker.host_slots import Lane
from worker.page import FetchedPage
from worker.pagination import NextPage, is_repeated, next_page, without_secret
from worker.permit import ALWAYS_PERMITTED, Permit
from worker.request_policy import PLAIN_REQUESTS, RequestPolicy


class Fetch(Protocol):
    """Fetches a page within a budget."""

    def __call__(  # noqa: PLR0913 - the arguments are those of Fetcher.fetch
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
        """Return the page.

        Raises:
            AttemptFailed: if the page cannot be fetched.
        """


class Extract(Protocol):
    """Extracts the items of a page within a budget."""

    def __call__(
        self, recipe: Recipe, page: FetchedPage, budget: PageBudget, *, may_be_empty: bool
    ) -> ExtractedItems:
        """Return the items.

        Raises:
            AttemptFailed: if the items cannot be extracted.
        """


def extract_here(
    recipe: Recipe, page: FetchedPage, budget: PageBudget, *, may_be_empty: bool
) -> ExtractedItems:
    """Extract the items in this process, without any limit."""
    del budget
    return extract_items(recipe, page, may_be_empty=may_be_empty)


#: Waits until a job's `not_before`, or raises `AttemptFailed` (`not_before`) if that time is too far away.
Delay = Callable[[Job, PageBudget], None]


def no_delay(job: Job, budget: PageBudget) -> None:
    """Ignore the `not_before` of a job."""
    del job, budget


def no_control(job: Job, budget: PageBudget) -> AbstractContextManager[Permit]:
    """Let no operator control an attempt."""
    del job, budget
    return nullcontext(ALWAYS_PERMITTED)


@dataclass(frozen=True)
class Scraper:
    """Scrapes jobs, one per call. Many greenlets may call it at the same time.

    Attributes:
        fetch: fetches one page.
        extract: extracts its items.
        page_budget_seconds: seconds for the page of one job.
        now: the current time, with a time zone.
        name: `revision/instance` of this worker, for the field `worker` of the outcome record.
        wait_budget_seconds: seconds for which one job may wait.
        hold_seconds: returns for how many seconds a job may wait for its host or its `not_before`; None if
            only the wait budget limits it.
        delay: lets a job wait until its `not_before`.
        running: returns a context manager in which the attempt runs; it may end the attempt by
            `AttemptFailed`, as at a shutdown.
        controlled: returns a context manager in which the attempt runs, under the control of the operator,
            who may end it; it has the permit that each request needs.
        activity: returns what an attempt occupies while it works on its page.
        policy: hides the secrets that a site has repeated.
        clock: returns monotonic seconds.
    """

    fetch: Fetch
    page_budget_seconds: float
    now: Callable[[], datetime]
    name: str
    wait_budget_seconds: float = 0.0
    hold_seconds: Callable[[], float | None] = lambda: None
    delay: Delay = no_delay
    running: Callable[[], AbstractContextManager[object]] = nullcontext
    controlled: Callable[[Job, PageBudget], AbstractContextManager[Permit]] = no_control
    activity: Callable[[], Activity] = NoActivity
    extract: Extract = extract_here
    policy: RequestPolicy = PLAIN_REQUESTS
    clock: Callable[[], float] = time.monotonic

    def scrape(self, job: Job, attempt: int, *, received_at: float) -> AttemptResult:
        """Scrape `job`; never raises.

        Args:
            job: what to scrape.
            attempt: the number of this delivery, from 1; 0 if the broker does not count deliveries.
            received_at: when the worker received the job, monotonic seconds.
        """
        running = _Attempt(self, job, attempt, received_at)
        try:
            return running.scrape()
        except AttemptFailed as failure:
            return AttemptResult(running.failed(failure), retry_after=failure.retry_after)
        except Exception as error:  # noqa: BLE001 - an unexpected exception is reported as an outcome
            return AttemptResult(running.failed(internal_error(error)), error)


class _Attempt:
    """One attempt at one job, with its measurements."""

    def __init__(self, scraper: Scraper, job: Job, delivery: int, received_at: float) -> None:
        self._scraper = scraper
        self._job = job
        self._number = job.attempts + max(delivery, 1 if job.attempts else 0)
        self._began, self._began_at = scraper.clock(), scraper.now()
        self._received_at = received_at
        self._page: FetchedPage | None = None
        self._stopwatch = Stopwatch(scraper.clock)
        self._budget = PageBudget(
            scraper.page_budget_seconds,
            wait_seconds=scraper.wait_budget_seconds,
            hold_seconds=scraper.hold_seconds(),
            received_at=received_at,
            clock=scraper.clock,
        )

    def scrape(self) -> AttemptResult:
        """Return the result of a success.

        Raises:
            AttemptFailed: if the items cannot be scraped.
        """
        job, budget, scraper = self._job, self._budget, self._scraper
        with scraper.running(), scraper.controlled(job, budget) as permit:
            scraper.delay(job, budget)
            with budget.active(scraper.activity()):
                page = self._page = scraper.fetch(
                    job.url,
                    job.politeness,
                    budget,
                    lane=_lane_of(job),
                    stopwatch=self._stopwatch,
                    request=job.request,
                    public_only=job.public_only,
                    permit=permit,
                )
                extracted = self._extract(page)
        following = next_page(job, page.url, extracted.next_url, public_only=page.is_public)
        following = without_secret(following, job, scraper.policy.secrets.contains_any)
        warnings = "; ".join(filter(None, [*extracted.warnings, following.warning]))
        fields = _listing_fields(job, following)
        fields |= {"items": extracted.items, "item_count": extracted.item_count}
        record = self._record(Reason.OK, warnings, **fields)
        return AttemptResult(record, next_job=following.job)

    def _extract(self, page: FetchedPage) -> ExtractedItems:
        job = self._job
        if is_repeated(job, page.url):
            return ExtractedItems("[]", 0, [], "")  # the items of this page are those of the earlier page
        try:
            return self._scraper.extract(job.recipe, page, self._budget, may_be_empty=job.page > 1)
        except ExtractionError as error:
            raise AttemptFailed(error.reason, error.detail) from None

    def failed(self, failure: AttemptFailed) -> OutcomeRecord:
        """Return the record of a failed attempt, with the URL and the status of the page, if known."""
        if self._page is not None:
            return self._record(failure.reason, failure.detail)
        final_url = failure.final_url or self._job.url
        return self._record(
            failure.reason, failure.detail, final_url=final_url, http_status=failure.http_status
        )

    def _fetched_at(self) -> datetime:
        requested = self._stopwatch.started_at
        waited = 0.0 if requested is None else requested - self._began
        return self._began_at + timedelta(seconds=waited)

    def _page_fields(self) -> dict[str, str | int]:
        page = self._page
        if page is None:
            return {}
        return {
            "body_bytes": len(page.body),
            "body_sha256": hashlib.sha256(page.body).hexdigest(),
            "final_url": page.url,
            "http_status": page.http_status,
        }

    def _record(self, reason: Reason, detail: str, **fields: str | int) -> OutcomeRecord:
        job = self._job
        record = OutcomeRecord.model_validate(
            {
                "job_id": job.job_id,
                "run_id": job.run_id,
                "crawl": job.crawl,
                "url": job.url,
                "recipe": job.recipe.name,
                "attempt": self._number,
                "outcome": REASON_MEANINGS[reason].outcome,
                "reason": reason,
                "fetched_at": self._fetched_at(),
                "fetch_seconds": round(self._stopwatch.seconds, 3),
                "waited_seconds": round(self._budget.waited, 3),
                "total_seconds": round(self._scraper.clock() - self._received_at, 3),
                "detail": shorten(detail, MAX_DETAIL_CHARACTERS),
                "worker": self._scraper.name,
                "page": job.page,
                "listing": job.listing_id if job.recipe.next is not None else "",
                "original": job.original or "",
                **self._page_fields(),
                **fields,
            }
        )
        return self._scraper.policy.hide_secrets(record)


def _lane_of(job: Job) -> Lane | None:
    return Lane(job.lane, job.politeness.lanes) if job.politeness.lanes else None


def _listing_fields(job: Job, following: NextPage) -> dict[str, str | int]:
    if job.recipe.next is None:
        return {}
    return {
        "listing_end": following.end or "",
        "next_url": following.job.url if following.job else "",
    }
