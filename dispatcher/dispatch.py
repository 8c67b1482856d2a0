"""Dispatches a crawl: publishes its jobs, waits for every confirmation, and then responds."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime

from contract.crawl import Crawl
from contract.faults import Fault, UnreadableCrawl
from contract.quoting import quote
from contract.shard import Position, Shard
from contract.since import cutoff
from dispatcher.plan import Counts, Plan
from dispatcher.request_limit import RequestLimit
from dispatcher.schedule import scheduled_time
from dispatcher.shards import DispatchRequest, NoShards, Shards
from dispatcher.sources.source import Source
from extraction.selectors import CHECKS
from publishing.publisher import Message, Publisher, PublishUnconfirmed

#: Makes the sources of a crawl; entries that were last changed before the time are too old, and the limit
#: decides when reading stops. In the service it is a `dispatcher.sources.opening.SourceOpener`.
OpenSources = Callable[[Crawl, datetime | None, RequestLimit], Iterable[Source]]


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
        shards: limits each request, and publishes what does not fit into it, or the end record.
    """

    publisher: Publisher
    open_sources: OpenSources
    now: Callable[[], datetime]
    shards: Shards | NoShards = field(default_factory=NoShards)

    def dispatch(self, body: bytes, *, schedule_time: str, traceparent: str) -> DispatchResponse:
        """Dispatch the crawl in `body`.

        Returns:
            200 if Pub/Sub confirmed every job of this request, and the message with which a further request
            continues, or which records the end of the dispatch. Sources, or parts of them, that cannot be
            read are in the body.
            400 with all faults if the crawl is invalid, or if no source can be read. 503 if a source or
            Pub/Sub was not available; the jobs of the other sources are published. If a request with the
            status 503 is repeated with the run_id of the response, the jobs get the same ids again.
        """
        try:
            crawl = Crawl.decode(body, CHECKS)
            _check_files(crawl, body)
            now = self.now()
            _check_until(crawl, body, now)
            started_at = scheduled_time(schedule_time, now)
        except UnreadableCrawl as error:
            return DispatchResponse(
                400, {"error": f"the crawl was not dispatched: {error}", **_faults(error.faults)}
            )
        return self._run(DispatchRequest(crawl, crawl.run_id_at(started_at), started_at, traceparent))

    def dispatch_shard(self, shard: Shard, *, traceparent: str) -> DispatchResponse:
        """Continue a dispatch where the request before stopped.

        Returns:
            200 or 503, as `dispatch` does. A source that cannot be read any more is in the body of a 200,
            since repeating the request would not help.
        """
        run_id = shard.crawl.run_id or ""
        return self._run(DispatchRequest(shard.crawl, run_id, shard.started_at, traceparent, shard))

    def _run(self, request: DispatchRequest) -> DispatchResponse:
        given = request.crawl.sources.since
        # The scheduled time is the same if the trigger is repeated.
        since = None if given is None else cutoff(given, request.started_at)
        plan = Plan(
            request.crawl,
            request.run_id,
            self.now(),
            request.traceparent,
            request.request_id,
            since,
            limit=self.shards.limit(),
            before=request.before.counts,
            is_continued=request.shard is not None,
        )
        failures, first_failure = self._publish(plan, request.shard)
        return _refusal(plan, failures, first_failure) or self._end(plan, request)

    def _end(self, plan: Plan, request: DispatchRequest) -> DispatchResponse:
        """Publish the request's last message, after Pub/Sub has confirmed all its jobs, and respond."""
        try:
            added = self.shards.publish(plan, request)
        except PublishUnconfirmed as error:
            what = "end" if plan.rest is None else "rest"
            why = _repeatable(plan, f"the {what} of the dispatch is not confirmed: {error.detail}")
            return DispatchResponse(503, {"error": why} | _counts(plan, plan.totals))
        return DispatchResponse(200, added | _counts(plan, plan.totals))

    def _publish(self, plan: Plan, shard: Shard | None) -> tuple[int, str]:
        """Publish the jobs; return the number of those that are not confirmed, and the first reason."""
        sent = deque[Counts]()  # the counts of each message whose confirmation is pending, in order
        failures, first_failure = 0, ""
        for confirmation in self.publisher.publish_all(self._messages(plan, sent, shard)):
            counts = sent.popleft()
            if isinstance(confirmation, PublishUnconfirmed):
                failures += 1
                first_failure = first_failure or confirmation.detail
            else:
                counts.published += 1
        return failures, first_failure

    def _messages(self, plan: Plan, sent: deque[Counts], shard: Shard | None) -> Iterator[Message]:
        for source, start in _from_shard(self.open_sources(plan.crawl, plan.since, plan.limit), shard):
            for message, counts in plan.jobs(source, start):
                sent.append(counts)
                yield Message(*message)


def _from_shard(sources: Iterable[Source], shard: Shard | None) -> Iterator[tuple[Source, Position | None]]:
    """Yield the sources that are to be read, each with the position after which reading begins."""
    is_before = shard is not None
    for source in sources:
        is_first = shard is not None and source.name == shard.source
        is_before = is_before and not is_first
        if not is_before:
            yield source, shard.position if shard is not None and is_first else None
    if is_before:
        raise AssertionError("the crawl of the shard does not have the source in which it continues")


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


def _check_until(crawl: Crawl, body: bytes, now: datetime) -> None:
    """Check that the time limit of the crawl has not passed, since no job of the run would be requested.

    Raises:
        UnreadableCrawl: if it has.
    """
    until = crawl.limits.until
    if until is not None and until <= now:
        raise UnreadableCrawl(
            body, [Fault("limits.until", f"this time has passed (got {until.isoformat()})")]
        )


def _refusal(plan: Plan, failures: int, first_failure: str) -> DispatchResponse | None:
    """Return the response to a request that must be repeated, or that found nothing; None for a success."""
    totals = plan.totals
    causes = [str(fault) for fault in plan.unavailable]
    if failures:
        jobs = totals.published + failures
        causes.append(f"{failures} of {jobs} jobs are not confirmed: {first_failure}")
    if causes:
        error = {"error": _repeatable(plan, "; ".join(causes)), "unconfirmed": failures}
        return DispatchResponse(503, error | _counts(plan, totals))
    is_whole = plan.rest is None and not plan.is_continued
    if plan.unreadable and is_whole and not totals.found:
        error = {"error": "; ".join(map(str, plan.unreadable)), **_faults(plan.unreadable)}
        return DispatchResponse(400, error | _counts(plan, totals))
    return None


def _repeatable(plan: Plan, why: str) -> str:
    return f"{why}. Repeat the request with run_id {plan.run_id} to make the same jobs."


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
