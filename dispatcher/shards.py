"""Splits a dispatch into shards: limits each request, and publishes the message with which it ends."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property

from contract.crawl import Crawl
from contract.dispatch_report import DispatchCounts, DispatchReport, ListedUrl, SourceCounts, dispatch_id
from contract.end_record import EndRecord
from contract.quoting import shorten
from contract.shard import MAX_SHARD_BYTES, MAX_SHARDS, Shard
from dispatcher.plan import Plan, Rejected
from dispatcher.request_limit import RequestLimit
from publishing.publisher import Message, Publisher

MAX_WHY_CHARACTERS = 500  #: maximum number of characters of a reason in a message


@dataclass(frozen=True)
class DispatchRequest:
    """One request of a dispatch.

    Attributes:
        crawl: the crawl.
        run_id: the id of the run.
        started_at: when the run began, with a time zone.
        traceparent: the W3C traceparent of the dispatch.
        shard: the shard that the request continues; None for the first request.
    """

    crawl: Crawl
    run_id: str
    started_at: datetime
    traceparent: str
    shard: Shard | None = None

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return 1 if self.shard is None else self.shard.number

    @property
    def before(self) -> DispatchReport:
        """What became of the URLs of the requests before."""
        return DispatchReport() if self.shard is None else self.shard.report

    @property
    def named_crawl(self) -> Crawl:
        """The crawl, with its run id."""
        return self.crawl.model_copy(update={"run_id": self.run_id})

    @cached_property
    def dispatch_id(self) -> str:
        """The id of the dispatch, which all its requests have."""
        return dispatch_id(self.named_crawl) if self.shard is None else self.shard.dispatch_id

    @property
    def request_id(self) -> str:
        """What its jobs are marked with: a repeated request has the same, and each further one another."""
        return f"{self.dispatch_id}-{self.number}"


@dataclass(frozen=True)
class NoShards:
    """Each dispatch is one request."""

    def limit(self) -> RequestLimit:
        """Return a limit that is never reached."""
        return RequestLimit()

    def publish(self, plan: Plan, request: DispatchRequest) -> dict[str, object]:
        """Publish nothing: without a limit nothing is left, and there is no topic for the end record."""
        del plan, request
        return {}


@dataclass(frozen=True)
class Shards:
    """A dispatch is continued by further requests, and its end is recorded.

    Attributes:
        publisher: publishes to the topic of which the shards are pushed to the dispatcher.
        max_urls: number of URLs after which a request stops.
        seconds: seconds after which it stops.
        clock: returns monotonic seconds.
    """

    publisher: Publisher
    max_urls: int
    seconds: float
    clock: Callable[[], float] = time.monotonic

    def limit(self) -> RequestLimit:
        """Return the limit of a request that begins now."""
        return RequestLimit(self.max_urls, self.seconds, continues=True, clock=self.clock)

    def publish(self, plan: Plan, request: DispatchRequest) -> dict[str, object]:
        """Publish the one message with which a request ends, and wait for the confirmation.

        It is the rest of the plan, or else the end record. If the dispatch has had too many requests, or the
        message would be too large, the rest is recorded in the plan as unread, and the dispatch ends.

        Args:
            plan: the plan, whose jobs are confirmed.
            request: the request.

        Returns:
            What the response has in addition.

        Raises:
            PublishUnconfirmed: if Pub/Sub does not confirm the message.
        """
        message = self._rest(plan, request) or _end(plan, request)
        self.publisher.publish(message)
        continues = {"continues": True} if plan.rest is not None else {}
        return continues | {"dispatch_id": request.dispatch_id}

    def _rest(self, plan: Plan, request: DispatchRequest) -> Message | None:
        """Return the message of what is left; None if nothing is left, or it is not read."""
        if plan.rest is None:
            return None
        if request.number == MAX_SHARDS:
            plan.add_unread_rest(f"because the dispatch has had {MAX_SHARDS} requests, the maximum")
            return None
        shard = Shard(
            crawl=request.named_crawl,
            number=request.number + 1,
            source=plan.rest.source,
            position=plan.rest.position,
            started_at=request.started_at,
            dispatch_id=request.dispatch_id,
            report=_report(plan, request),
        )
        data = shard.encode()
        if len(data) > MAX_SHARD_BYTES:
            why = f"because its message would have {len(data)} bytes; the maximum is {MAX_SHARD_BYTES}"
            plan.add_unread_rest(why)
            return None
        return Message(data, shard.attributes(request.traceparent))


def _end(plan: Plan, request: DispatchRequest) -> Message:
    record = EndRecord(
        run_id=request.run_id,
        crawl=request.crawl.name,
        dispatch_id=request.dispatch_id,
        requests=request.number,
        report=_report(plan, request),
        limits=request.crawl.limits,
    )
    return Message(record.encode(), record.attributes(request.traceparent))


def _report(plan: Plan, request: DispatchRequest) -> DispatchReport:
    """Return what became of the URLs of the dispatch, this request included."""
    own = DispatchReport(
        counts=DispatchCounts(**asdict(plan.totals)),
        sources=tuple(SourceCounts(source=name, **asdict(each)) for name, each in plan.sources.items()),
        rejected=_listed(plan.rejected),
        unread=_listed(plan.unread),
    )
    return request.before.plus(own)


def _listed(urls: list[Rejected]) -> tuple[ListedUrl, ...]:
    return tuple(ListedUrl(url=url, why=shorten(why, MAX_WHY_CHARACTERS)) for url, why in urls)
