"""Dispatches a crawl: publishes its jobs, waits for every confirmation, and then responds."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from contract.crawl import Crawl
from contract.faults import Fault, UnreadableCrawl
from contract.quoting import quote
from contract.since import cutoff
from dispatcher.plan import Counts, Plan
from dispatcher.run_id import make_run_id, scheduled_time
from dispatcher.sources.source import Source
from extraction.selectors import CHECKS
from publishing.publisher import Message, Publisher, PublishUnconfirmed

#: Makes the sources of a crawl; entries that were last changed before the time are too old. In the service it
#: is a `dispatcher.sources.opening.SourceOpener`.
OpenSources = Callable[[Crawl, datetime | None], Iterable[Source]]


@dataclass(frozen=True)
class DispatchResponse:
    """The response to a dispatch.

    Attributes:
        status: the HTTP status.
        body: the JSON body.
    """

    status: int
    body: dict[str, object]


@dataclass(frozen=True)
class Dispatcher:
    """Turns crawls into published jobs.

    Attributes:
        publisher: publishes to the jobs topic.
        open_sources: makes the sources of a crawl.
        now: returns the current time, with a time zone.
    """

    publisher: Publisher
    open_sources: OpenSources
    now: Callable[[], datetime]

    def dispatch(self, body: bytes, *, schedule_time: str, traceparent: str) -> DispatchResponse:
        """Dispatch the crawl in `body`.

        Returns:
            200 if Pub/Sub confirmed every job, even if some of the sources, or parts of them, cannot be read:
            they are in the body. 400 with all faults if the crawl is invalid, or if no source can be read.
            503 if a source or Pub/Sub was not available; the jobs of the other sources are published. If a
            request with the status 503 is repeated with the run_id of the response, the jobs get the same
            ids again.
        """
        try:
            crawl = Crawl.decode(body, CHECKS)
            _check_files(crawl, body)
            now = self.now()
            started_at = scheduled_time(schedule_time, now)
        except UnreadableCrawl as error:
            return DispatchResponse(
                400, {"error": f"the crawl was not dispatched: {error}", **_faults(error.faults)}
            )
        given = crawl.sources.since
        # The scheduled time is the same if the trigger is repeated.
        since = None if given is None else cutoff(given, started_at)
        plan = Plan(crawl, make_run_id(crawl, started_at), now, traceparent, since)
        return self._publish(plan)

    def _publish(self, plan: Plan) -> DispatchResponse:
        sent = deque[Counts]()  # the counts of each message whose confirmation is pending, in order
        failures, first_failure = 0, ""
        for confirmation in self.publisher.publish_all(self._messages(plan, sent)):
            counts = sent.popleft()
            if isinstance(confirmation, PublishUnconfirmed):
                failures += 1
                first_failure = first_failure or confirmation.detail
            else:
                counts.published += 1
        return _respond(plan, failures, first_failure)

    def _messages(self, plan: Plan, sent: deque[Counts]) -> Iterator[Message]:
        for source in self.open_sources(plan.crawl, plan.since):
            for message, counts in plan.jobs(source):
                sent.append(counts)
                yield Message(*message)


def _check_files(crawl: Crawl, body: bytes) -> None:
    """Check that the crawl names no file of this machine.

    Raises:
        UnreadableCrawl: if it does.
    """
    file = crawl.sources.urls_file
    if file is not None and file.is_local:
        why = (
            "only `scrapeq dispatch` reads a path; give an http or https URL, or gs://bucket/object "
            f"(got {quote(file.url)})"
        )
        raise UnreadableCrawl(body, [Fault("sources.urls_file.url", why)])


def _respond(plan: Plan, failures: int, first_failure: str) -> DispatchResponse:
    totals = plan.totals
    causes = [str(fault) for fault in plan.unavailable]
    if failures:
        jobs = totals.published + failures
        causes.append(f"{failures} of {jobs} jobs are not confirmed: {first_failure}")
    if causes:
        repeat = f"Repeat the request with run_id {plan.run_id} to make the same jobs."
        error = {"error": f"{'; '.join(causes)}. {repeat}", "unconfirmed": failures}
        return DispatchResponse(503, error | _counts(plan, totals))
    if plan.unreadable and not totals.found:
        error = {"error": "; ".join(map(str, plan.unreadable)), **_faults(plan.unreadable)}
        return DispatchResponse(400, error | _counts(plan, totals))
    return DispatchResponse(200, _counts(plan, totals))


def _counts(plan: Plan, totals: Counts) -> dict[str, object]:
    return {
        "run_id": plan.run_id,
        "found": totals.found,
        "published": totals.published,
        "duplicates": totals.duplicates,
        "rejected": [{"url": url, "why": why} for url, why in plan.rejected],
        "rejected_count": totals.rejected,
        "filtered": totals.filtered,
        "outdated": totals.outdated,
        "outdated_sitemaps": totals.outdated_sitemaps,
        "unread": [{"url": url, "why": why} for url, why in plan.unread],
        "unread_count": totals.unread,
        "over_limit": totals.over_limit,
        "sources": [{"source": name, **asdict(counts)} for name, counts in plan.sources.items()],
    }


def _faults(faults: list[Fault]) -> dict[str, object]:
    return {"faults": [{"path": fault.path, "why": fault.message} for fault in faults]}
