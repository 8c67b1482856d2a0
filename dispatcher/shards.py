"""Splits a dispatch into shards: limits each request, and publishes what the next one continues with."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from contract.shard import MAX_SHARD_BYTES, MAX_SHARDS, make_shard
from dispatcher.plan import Plan
from dispatcher.request_limit import RequestLimit
from publishing.publisher import Message, Publisher


@dataclass(frozen=True)
class NoShards:
    """Each dispatch is one request."""

    def limit(self) -> RequestLimit:
        """Return a limit that is never reached."""
        return RequestLimit()

    def publish(self, plan: Plan, started_at: datetime, number: int, counts: dict[str, int]) -> None:
        """Do nothing: without a limit nothing is left."""


@dataclass(frozen=True)
class Shards:
    """A dispatch is continued by further requests.

    Attributes:
        publisher: publishes to the topic that is pushed to the dispatcher.
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

    def publish(self, plan: Plan, started_at: datetime, number: int, counts: dict[str, int]) -> None:
        """Publish the rest of a plan, and wait for the confirmation.

        If the dispatch has had too many requests, or the message would be too large, nothing is published:
        the rest is recorded in the plan as unread.

        Args:
            plan: the plan, whose `rest` is set.
            started_at: when the run began.
            number: number of the request that continues.
            counts: the numbers of the run so far.

        Raises:
            PublishUnconfirmed: if Pub/Sub does not confirm the message.
        """
        if plan.rest is None:
            raise AssertionError("nothing is left")
        if number > MAX_SHARDS:
            plan.add_unread_rest(f"because the dispatch has had {MAX_SHARDS} requests, the maximum")
            return
        source, position = plan.rest
        shard = make_shard(
            plan.crawl,
            plan.run_id,
            number=number,
            source=source,
            position=position,
            started_at=started_at,
            counts=counts,
        )
        data = shard.encode()
        if len(data) > MAX_SHARD_BYTES:
            why = f"because its message would have {len(data)} bytes; the maximum is {MAX_SHARD_BYTES}"
            plan.add_unread_rest(why)
            return
        self.publisher.publish(Message(data, shard.attributes(plan.traceparent)))
