"""A delivery's life: authenticate, decode, fetch, extract, publish, and only then acknowledge."""

import json
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Protocol

from contract.attempt import AttemptFailed
from contract.faults import UnreadableEnvelope, UnreadableJob
from contract.job import Job, JobAttributes, Politeness
from contract.outcome import (
    MAX_DETAIL_CHARACTERS,
    OUTCOME_MEANINGS,
    REASON_MEANINGS,
    Outcome,
    Reason,
    status_of,
)
from contract.outcome_record import OutcomeRecord, items_json
from contract.trace import Trace
from extraction.selectors import CHECKS
from publishing.publisher import Message, Publisher, PublishUnconfirmed
from push_endpoint.authentication import Authenticate, AuthenticationError
from push_endpoint.envelope import Envelope
from worker.budget import Budget
from worker.page import Page
from worker.pagination import Pages

MAX_ITEMS_BYTES = 4 * 1024 * 1024  #: as they travel: a JSON string inside the outcome's JSON


AwaitDue = Callable[[Job, Budget], None]  #: returns when the job may be tried, or raises `AttemptFailed`
Settle = Callable[[Envelope, Job, "Delivery"], "Delivery"]  #: the delivery, settled or as it was


class Fetch(Protocol):
    """Whatever fetches a page within a budget."""

    def __call__(self, url: str, politeness: Politeness, budget: Budget) -> Page:
        """Return the page, or raise `AttemptFailed`."""


@dataclass(frozen=True)
class Delivery:
    """How one push ended, with all that is known of it.

    Attributes:
        reason: of the closed set; the answer follows from it.
        detail: for people.
        attributes: the message's own, as far as well formed.
        trace: the job's, from its dispatch on; else the request's own.
        record: the outcome as published; None where no job could be read.
        error: the exception nobody foresaw.
        retry_after: for how many seconds the site asked to be left alone.
        settled: as what the worker settled the job itself (ACK_POLICY), which acknowledges; None: it did not.
    """

    reason: Reason
    detail: str = ""
    message_id: str = ""
    attempt: int = 0
    attributes: JobAttributes = field(default_factory=JobAttributes)
    trace: Trace | None = None
    record: OutcomeRecord | None = None
    error: Exception | None = None
    retry_after: float | None = None
    settled: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return self.settled or REASON_MEANINGS[self.reason].outcome

    @property
    def status(self) -> int:
        """The HTTP answer."""
        return OUTCOME_MEANINGS[Outcome.SUCCEEDED].status if self.settled else status_of(self.reason)


def _at_once(job: Job, budget: Budget) -> None:
    """Hold no job."""
    del job, budget


def _as_it_was(envelope: Envelope, job: Job, delivery: Delivery) -> Delivery:
    """Settle nothing (ACK_POLICY=success)."""
    del envelope, job
    return delivery


@dataclass(frozen=True)
class Worker:
    """Takes deliveries.

    Attributes:
        authenticate: decides who is heard.
        fetch: a URL in, a page out.
        publisher: of the outcomes topic.
        page_budget_seconds: for everything about one page.
        limit: a context that ends, with the budget's exception, whatever outlasts it.
        now: the time, with a time zone.
        name: revision/instance.
        await_due: holds a job that was deferred.
        settle: what ACK_POLICY does about a job that did not succeed.
    """

    authenticate: Authenticate
    fetch: Fetch
    publisher: Publisher
    page_budget_seconds: float
    limit: Callable[[Budget], AbstractContextManager[object]]
    now: Callable[[], datetime]
    name: str
    await_due: AwaitDue = _at_once
    settle: Settle = _as_it_was

    def deliver(
        self,
        authorization: str,
        read_body: Callable[[], bytes],
        *,
        arrived: float,
        trace: Trace | None = None,
    ) -> Delivery:
        """Take one push from its token to its ending; never raises.

        Args:
            authorization: the request's header of that name.
            read_body: asked once the token is known to be good; may raise `UnreadableEnvelope`.
            arrived: monotonic seconds.
            trace: the request's.
        """
        try:
            self.authenticate(authorization)
            envelope = Envelope.parse(read_body())
        except AuthenticationError as wrong:
            return Delivery(wrong.reason, wrong.detail, trace=trace)
        except UnreadableEnvelope as wrong:
            return Delivery(Reason.BAD_ENVELOPE, str(wrong), trace=trace)
        except Exception as bug:  # noqa: BLE001 - nothing unknown is ever acknowledged
            return Delivery(Reason.INTERNAL_ERROR, _bug(bug).detail, trace=trace, error=bug)
        attributes = JobAttributes.read(envelope.attributes)
        delivery = Delivery(
            Reason.INTERNAL_ERROR,
            message_id=envelope.message_id,
            attempt=envelope.delivery_attempt or 0,
            attributes=attributes,
            trace=Trace.parse(attributes.traceparent) or trace,
        )
        try:
            job = Job.decode(envelope.data, CHECKS)
            return self._report(self.settle(envelope, job, self._attempt(delivery, job, arrived)))
        except UnreadableJob as wrong:
            return replace(delivery, reason=Reason.BAD_JOB, detail=str(wrong))
        except Exception as bug:  # noqa: BLE001 - nothing unknown is ever acknowledged
            return replace(delivery, detail=_bug(bug).detail, error=bug)

    def _attempt(self, delivery: Delivery, job: Job, arrived: float) -> Delivery:
        """Try the job; return the delivery with its record, not published yet."""
        attempt = _Attempt(self, job, delivery.attempt, arrived)
        error: Exception | None = None
        retry_after: float | None = None
        try:
            record = attempt.scrape()
        except AttemptFailed as ended:
            record, retry_after = attempt.end(ended), ended.retry_after
        except Exception as bug:  # noqa: BLE001 - nothing unknown is ever acknowledged
            error, record = bug, attempt.end(_bug(bug))
        known = replace(delivery, reason=record.reason, detail=record.detail, record=record)
        return replace(known, error=error, retry_after=retry_after)

    def _report(self, delivery: Delivery) -> Delivery:
        """Publish the outcome; return once Pub/Sub has confirmed it, or with `publish_unconfirmed`."""
        record, trace = delivery.record, delivery.trace
        if record is None:
            raise AssertionError("an attempt has a record")
        attributes = record.attributes(trace.traceparent(secrets.token_hex(8)) if trace else "")
        try:
            self.publisher.publish(Message(record.encode(), attributes))
        except PublishUnconfirmed as wrong:
            before = f"{delivery.reason}, but " if delivery.reason is not Reason.OK else ""
            return replace(
                delivery, reason=Reason.PUBLISH_UNCONFIRMED, detail=f"{before}{wrong}", settled=None
            )
        except Exception as bug:  # noqa: BLE001 - nothing unknown is ever acknowledged
            return replace(
                delivery, reason=Reason.INTERNAL_ERROR, detail=_bug(bug).detail, error=bug, settled=None
            )
        return delivery


def _bug(bug: Exception) -> AttemptFailed:
    return AttemptFailed(Reason.INTERNAL_ERROR, f"{type(bug).__name__}: {bug}")


class _Attempt:
    """One try at one job, with its stopwatch."""

    def __init__(self, worker: Worker, job: Job, number: int, arrived: float) -> None:
        self._worker = worker
        self._job = job
        self._number = number
        self._fetched_at = worker.now()
        self._arrived = arrived
        self._pages: Pages | None = None

    def scrape(self) -> OutcomeRecord:
        budget = Budget(self._worker.page_budget_seconds, arrived=self._arrived)
        budget.begin()
        with self._worker.limit(budget):
            self._worker.await_due(self._job, budget)
            fetch = partial(self._worker.fetch, politeness=self._job.politeness, budget=budget)
            pages = self._pages = Pages(fetch, check_deadline=budget.left)
            extracted = pages.scrape(self._job.recipe, self._job.url)
        items = items_json(extracted.items)
        size = len(json.dumps(items, ensure_ascii=False).encode(errors="replace"))
        if size > MAX_ITEMS_BYTES:
            raise AttemptFailed(Reason.TOO_LARGE, f"the items have {size} bytes of {MAX_ITEMS_BYTES}")
        warnings = "; ".join(extracted.warnings)
        return self._record(Reason.OK, warnings, items=items, item_count=len(extracted.items))

    def end(self, ended: AttemptFailed) -> OutcomeRecord:
        """Return the record of an attempt that gave no items; of the page it says what is known."""
        pages = self._pages
        if pages is not None and pages.last is not None:
            return self._record(ended.reason, ended.detail)
        final_url = ended.final_url or (self._job.url if pages is None else pages.url)
        return self._record(ended.reason, ended.detail, final_url=final_url, http_status=ended.http_status)

    def _fetched(self) -> dict[str, str | int | float]:
        pages = self._pages
        if pages is None:
            return {}
        fetched: dict[str, str | int | float] = {
            "fetch_seconds": round(pages.fetch_seconds, 3),
            "body_bytes": pages.body_bytes,
            "body_sha256": pages.body_sha256,
        }
        if pages.last is not None:
            fetched |= {"final_url": pages.last.url, "http_status": pages.last.http_status}
        return fetched

    def _record(self, reason: Reason, detail: str, **measured: str | int) -> OutcomeRecord:
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
                "total_seconds": round(time.monotonic() - self._arrived, 3),
                "detail": detail[:MAX_DETAIL_CHARACTERS],
                "worker": self._worker.name,
                **self._fetched(),
                **measured,
            }
        )
