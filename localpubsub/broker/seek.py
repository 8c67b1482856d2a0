"""Seek: a subscription's messages become (un)acknowledged in bulk, as of a time or of a snapshot.

proto: SeekRequest. https://cloud.google.com/pubsub/docs/replay-overview

The store decides, in one transaction; then the backlog in memory is made anew from it. In between the
subscription delivers nothing, and all of its leases end.
"""

import asyncio
from collections import defaultdict
from functools import partial

from localpubsub.backlog.backlog import Backlog
from localpubsub.backlog.message import MICROSECONDS
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import FailedPrecondition, InvalidArgument, StoreFailure
from localpubsub.protocol.messages import RequestPb
from localpubsub.storage import seek_sql
from localpubsub.storage.seek_sql import Statement, Unacknowledged


class _Parked(Backlog):
    """Takes newly published messages, and delivers none."""

    def ready(self, now: float) -> int:  # noqa: ARG002 - nothing is ever ready
        """See Backlog."""
        return 0


class SubscriptionSeeker:
    """Seeks subscriptions, each one at a time."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def seek(self, request: RequestPb) -> None:
        """Return once it is on disk; Refusal or StoreFailure when nothing was changed."""
        subscription = self._broker.catalogue.subscription(request.subscription)
        if subscription.resource.detached:
            raise FailedPrecondition(
                f"The subscription is detached from its topic (subscription={subscription.name})."
            )
        statements = self._statements(subscription, request)
        async with self._locks[subscription.number]:
            await self._replace(subscription, statements)

    def _statements(self, subscription: Subscription, request: RequestPb) -> list[Statement]:
        filter_, retain = subscription.resource.filter, subscription.retains
        target = request.WhichOneof("target")
        if target == "time":
            time = request.time
            first = time.seconds * MICROSECONDS + -(-time.nanos // 1000)
            topic = self._broker.catalogue.topics.get(subscription.resource.topic)
            owner = topic.number if topic is not None else 0
            return seek_sql.seek_to_time(subscription.number, filter_, owner, max(first, 0), retain=retain)
        if target == "snapshot":
            snapshot = self._broker.snapshots.snapshot(request.snapshot)
            if snapshot.resource.topic != subscription.resource.topic:
                raise FailedPrecondition(
                    f"The subscription and the snapshot have different topics (snapshot={snapshot.name})."
                )
            return seek_sql.seek_to_snapshot(subscription.number, filter_, snapshot.number, retain=retain)
        raise InvalidArgument("A seek needs a time or a snapshot.")

    async def _replace(self, subscription: Subscription, statements: list[Statement]) -> None:
        journal = self._broker.journal
        before = subscription.backlog
        parked = subscription.backlog = _Parked(before.policy)
        for lease in list(before.outstanding.values()):
            if lease.holder is not None:
                lease.holder.lease_ended(lease)
        journal.next.resources += statements
        try:
            await journal.commit()
        finally:
            # Whether or not it was written: what is in the store is what there is. Everything the journal
            # wrote before this reading is in ``found``; everything later is enqueued after it.
            number = subscription.number
            try:
                found = await journal.run(
                    lambda store: store.query(partial(seek_sql.unacknowledged, subscription=number))
                )
            except StoreFailure:
                before.enqueue(parked.upcoming(len(parked)))
                subscription.backlog = before
            else:
                subscription.backlog = refill(subscription.empty_backlog(), before, found)
            subscription.wake()
            self._broker.alarm.set(subscription.backlog.next_event())


def refill(backlog: Backlog, before: Backlog, found: Unacknowledged) -> Backlog:
    """Fill an empty backlog with messages, oldest first, and the deliveries counted before."""
    message_ids, keys = found
    backlog.add_ordering_keys(
        (message_id, key, 0) for message_id, key in zip(message_ids, keys, strict=True) if key
    )
    backlog.enqueue(message_ids)
    backlog.carry_attempts(before.attempts(message_ids))
    return backlog
