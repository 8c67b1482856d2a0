"""Scrapes one job: fetches its pages, extracts the items, and publishes the outcome.

This module does not depend on how the job came to the worker. `worker/push_delivery.py` is the consumer for
Pub/Sub push. A consumer for another broker (RabbitMQ, Redis, SQS) needs only one new file next to it, which
decodes the job, calls `Scraper.scrape`, and acknowledges the message if `AttemptResult.acknowledges` is true.
"""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Protocol

from contract.attempt import AttemptFailed, internal_error
from contract.job import Job, Politeness
from contract.outcome import MAX_DETAIL_CHARACTERS, Outcome, Reason
from contract.outcome_record import OutcomeRecord, items_json
from contract.reason_meanings import REASON_MEANINGS
from worker.budget import PageBudget
from worker.page import FetchedPage
from worker.pagination import Paginator

MAX_ITEMS_BYTES = 4 * 1024 * 1024  #: largest size of all items, in bytes of the outcome's JSON


@dataclass(frozen=True)
class AttemptResult:
    """How one attempt ended.

    Attributes:
        record: the outcome record, as published.
        reason: why the attempt ended as it did. It differs from the record's if publishing the outcome
            failed.
        detail: a sentence for people.
        error: the unexpected exception of an `internal_error`, for its stack trace; else None.
        retry_after: seconds in the site's Retry-After header; None if the header is missing or invalid.
        settled_as: `failed` if the ack policy dead-lettered the job, `deferred` if it requeued the job, else
            None.
    """

    record: OutcomeRecord
    reason: Reason
    detail: str
    error: Exception | None = None
    retry_after: float | None = None
    settled_as: Outcome | None = None

    @property
    def acknowledges(self) -> bool:
        """Whether the message is acknowledged: the outcome is published, and no further attempt is needed."""
        return self.reason is Reason.OK or self.settled_as is not None


class Fetch(Protocol):
    """Fetches a page within a budget."""

    def __call__(self, url: str, politeness: Politeness, budget: PageBudget) -> FetchedPage:
        """Return the page.

        Raises:
            AttemptFailed: if the page cannot be fetched.
        """


#: Waits until a job's `not_before`, or raises `AttemptFailed` (`not_before`) if that time is too far away.
Delay = Callable[[Job, PageBudget], None]
#: Publishes an outcome; returns once the broker has confirmed it, or raises `AttemptFailed`.
PublishOutcome = Callable[[OutcomeRecord], None]
#: Applies the ack policy to a result before its outcome is published. Returns the result, with `settled_as`
#: if the job was settled.
Settle = Callable[[AttemptResult], AttemptResult]


def no_delay(job: Job, budget: PageBudget) -> None:
    """Ignore the `not_before` of a job."""
    del job, budget


def no_settlement(result: AttemptResult) -> AttemptResult:
    """Apply ACK_POLICY=success: only a success is acknowledged."""
    return result


@dataclass(frozen=True)
class Scraper:
    """Scrapes jobs, one per call. Many greenlets may call it at the same time.

    Attributes:
        fetch: fetches one page.
        page_budget_seconds: seconds for the pages of one job, from when it was received.
        time_limit: returns a context manager that ends its block when the budget is spent, by raising the
            exception of `budget.exceeded`.
        now: the current time, with a time zone.
        name: `revision/instance` of this worker, for the field `worker` of the outcome record.
        delay: lets a requeued job wait until its `not_before`.
    """

    fetch: Fetch
    page_budget_seconds: float
    time_limit: Callable[[PageBudget], AbstractContextManager[object]]
    now: Callable[[], datetime]
    name: str
    delay: Delay = no_delay

    def scrape(
        self,
        job: Job,
        attempt: int,
        *,
        received_at: float,
        publish: PublishOutcome,
        settle: Settle = no_settlement,
    ) -> AttemptResult:
        """Scrape `job` and publish its outcome.

        A failure of the attempt is returned as a result. Only an unexpected exception of `settle` is raised,
        and the message must then not be acknowledged.

        Args:
            job: what to scrape.
            attempt: the number of this delivery attempt, from 1; 0 if the broker does not count them.
            received_at: when the worker received the job, monotonic seconds.
            publish: publishes the outcome.
            settle: the ack policy.
        """
        result = settle(self._attempt(_Attempt(self, job, attempt, received_at)))
        try:
            publish(result.record)
        except AttemptFailed as error:
            prefix = f"{result.reason}, but " if result.reason is not Reason.OK else ""
            return replace(result, reason=error.reason, detail=f"{prefix}{error.detail}", settled_as=None)
        except Exception as error:  # noqa: BLE001 - an unexpected exception must never acknowledge a message
            failure = internal_error(error)
            return replace(result, reason=failure.reason, detail=failure.detail, error=error, settled_as=None)
        return result

    def _attempt(self, attempt: "_Attempt") -> AttemptResult:
        error: Exception | None = None
        retry_after: float | None = None
        try:
            record = attempt.scrape()
        except AttemptFailed as failure:
            record, retry_after = attempt.failed(failure), failure.retry_after
        except Exception as unexpected:  # noqa: BLE001 - an unexpected exception is reported as an outcome
            record, error = attempt.failed(internal_error(unexpected)), unexpected
        return AttemptResult(record, record.reason, record.detail, error, retry_after)


class _Attempt:
    """One attempt at one job, with its measurements."""

    def __init__(self, scraper: Scraper, job: Job, number: int, received_at: float) -> None:
        self._scraper = scraper
        self._job = job
        self._number = number
        self._fetched_at = scraper.now()
        self._received_at = received_at
        self._pages: Paginator | None = None

    def scrape(self) -> OutcomeRecord:
        """Return the record of a success.

        Raises:
            AttemptFailed: if the items cannot be scraped.
        """
        budget = PageBudget(self._scraper.page_budget_seconds, received_at=self._received_at)
        budget.start()
        with self._scraper.time_limit(budget):
            self._scraper.delay(self._job, budget)
            fetch = partial(self._scraper.fetch, politeness=self._job.politeness, budget=budget)
            pages = self._pages = Paginator(fetch, check_deadline=budget.remaining)
            extracted = pages.scrape(self._job.recipe, self._job.url)
        items = items_json(extracted.items)
        size = len(json.dumps(items, ensure_ascii=False).encode(errors="replace"))
        if size > MAX_ITEMS_BYTES:
            raise AttemptFailed(
                Reason.TOO_LARGE, f"the items have {size} bytes; the maximum is {MAX_ITEMS_BYTES}"
            )
        warnings = "; ".join(extracted.warnings)
        return self._record(Reason.OK, warnings, items=items, item_count=len(extracted.items))

    def failed(self, failure: AttemptFailed) -> OutcomeRecord:
        """Return the record of a failed attempt, with the URL and the status of the last page, if known."""
        pages = self._pages
        if pages is not None and pages.last_page is not None:
            return self._record(failure.reason, failure.detail)
        final_url = failure.final_url or (self._job.url if pages is None else pages.url)
        return self._record(
            failure.reason, failure.detail, final_url=final_url, http_status=failure.http_status
        )

    def _page_fields(self) -> dict[str, str | int | float]:
        pages = self._pages
        if pages is None:
            return {}
        fields: dict[str, str | int | float] = {
            "fetch_seconds": round(pages.fetch_seconds, 3),
            "body_bytes": pages.body_bytes,
            "body_sha256": pages.body_sha256,
        }
        if pages.last_page is not None:
            fields |= {"final_url": pages.last_page.url, "http_status": pages.last_page.http_status}
        return fields

    def _record(self, reason: Reason, detail: str, **fields: str | int) -> OutcomeRecord:
        job = self._job
        return OutcomeRecord.model_validate(
            {
                "job_id": job.job_id,
                "run_id": job.run_id,
                "crawl": job.crawl,
                "url": job.url,
                "recipe": job.recipe.name,
                "attempt": self._number,
                "outcome": REASON_MEANINGS[reason].outcome,
                "reason": reason,
                "fetched_at": self._fetched_at,
                "total_seconds": round(time.monotonic() - self._received_at, 3),
                "detail": detail[:MAX_DETAIL_CHARACTERS],
                "worker": self._scraper.name,
                **self._page_fields(),
                **fields,
            }
        )
