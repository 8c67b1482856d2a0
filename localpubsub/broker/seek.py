"""Seeks a subscription to a time or a snapshot: acknowledges some messages and unacknowledges others.

The rules are from the comments of pubsub.proto on SeekRequest, and from
https://cloud.google.com/pubsub/docs/replay-overview.

A seek first ends all leases of the subscription and pauses its deliveries. Then it changes the store in one
transaction, rebuilds the backlog in memory from the store, and ends the pause.
"""

import asyncio
from collections import defaultdict
from functools import partial

from localpubsub.backlog.backlog import Backlog
from localpubsub.backlog.message_ids import MICROSECONDS
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import FailedPrecondition, InvalidArgument, StoreFailure
from localpubsub.protocol.messages import RequestPb
from localpubsub.resources import limits
from localpubsub.storage import seek_sql
from localpubsub.storage.seek_sql import Statement, Unacknowledged


class _PausedBacklog(Backlog):
    """A backlog that accepts newly published messages, but delivers no messages."""

    def ready(self, now: float) -> int:  # noqa: ARG002 - Backlog.ready has this argument
        """Return 0: no message is delivered."""
        return 0


class SubscriptionSeeker:
    """Seeks subscriptions; on each subscription, one seek runs at a time."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def seek(self, request: RequestPb) -> None:
        """Seek a subscription as a task of the broker; return once the seek is on disk.

        Raises:
            RequestRejected: the subscription or snapshot does not exist, or they have different topics, or
                the subscription is detached, or the request has no target.
            StoreFailure: nothing was changed.
        """
        await self._broker.tasks.run(self._seek(request))

    async def _seek(self, request: RequestPb) -> None:
        subscription = self._broker.catalogue.subscription(request.subscription)
        if subscription.resource.detached:
            raise FailedPrecondition(
                f"The subscription is detached from its topic (subscription={subscription.name})."
            )
        statements = self._statements(subscription, request)
        async with self._locks[subscription.number]:
            await self._replace(subscription, statements)

    def _statements(self, subscription: Subscription, request: RequestPb) -> list[Statement]:
        filter_, retain = subscription.resource.filter, subscription.retains_acked
        target = request.WhichOneof("target")
        if target == "time":
            time = request.time
            limits.check_timestamp("time", time)
            micros = time.seconds * MICROSECONDS + -(-time.nanos // 1000)
            first = self._broker.ids.first_id_at(max(micros, 0))
            topic = self._broker.catalogue.topics.get(subscription.resource.topic)
            owner = topic.number if topic is not None else 0
            return seek_sql.seek_to_time(subscription.number, filter_, owner, first, retain=retain)
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
        paused = subscription.backlog = _PausedBacklog(before.policy)
        for lease in list(before.outstanding.values()):
            lease.notify_holder()
        journal.next.resources += statements
        try:
            await journal.commit()
        finally:
            # Whether or not the commit succeeded, the backlog is read from the store. The read includes all
            # changes that the journal wrote before it; messages published later are enqueued after the read.
            number = subscription.number
            try:
                found = await journal.run(
                    lambda store: store.query(partial(seek_sql.unacknowledged, subscription=number))
                )
            except StoreFailure:
                before.enqueue(paused.upcoming(len(paused)))
                subscription.backlog = before
            else:
                subscription.backlog = refill(subscription.empty_backlog(), before, found)
            subscription.wake()
            self._broker.alarm.set(subscription.backlog.next_event())


def refill(backlog: Backlog, before: Backlog, found: Unacknowledged) -> Backlog:
    """Fill an empty backlog with the messages ``found`` and with their delivery counts from ``before``."""
    message_ids, keys = found
    backlog.add_ordering_keys(
        (message_id, key) for message_id, key in zip(message_ids, keys, strict=True) if key
    )
    backlog.enqueue(message_ids)
    backlog.carry_attempts(before.attempts(message_ids))
    return backlog
