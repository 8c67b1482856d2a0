"""Seeks a subscription to a time or a snapshot: acknowledges some messages and unacknowledges others.

The rules are from the comments of pubsub.proto on SeekRequest, and from
https://cloud.google.com/pubsub/docs/replay-overview.

A seek first ends all leases of the subscription and pauses its deliveries. Then it copies the messages that
are unacknowledged after the seek to a backlog with a new number, in slices. One small transaction gives the
subscription this number; until then nothing has changed. The old backlog is removed afterwards. Messages that
are published in the meantime are added to both backlogs.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from localpubsub.backlog.backlog import Backlog, DeliveryPolicy
from localpubsub.backlog.lease import LeaseHolder
from localpubsub.backlog.message_ids import MICROSECONDS
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import FailedPrecondition, InvalidArgument, NotFound
from localpubsub.protocol.messages import RequestPb
from localpubsub.resources import limits
from localpubsub.storage import slices
from localpubsub.storage.slices import Selection


class _PausedBacklog(Backlog):
    """A backlog that delivers nothing, and records what happens, for the backlog that follows it."""

    def __init__(self, policy: DeliveryPolicy) -> None:
        super().__init__(policy)
        self._keyed: list[tuple[int, int]] = []
        self._closed: list[LeaseHolder] = []

    def add_ordering_keys(self, keyed: Iterable[tuple[int, int]]) -> None:
        """Record ordering keys."""
        self._keyed += keyed

    def close_holder(self, holder: LeaseHolder) -> None:
        """Record a consumer that has ended."""
        self._closed.append(holder)

    def ready(self, now: float) -> int:  # noqa: ARG002 - Backlog.ready has this argument
        """Return 0: no message is delivered."""
        return 0

    def drop_expired(self, oldest: int) -> list[int]:  # noqa: ARG002 - Backlog.drop_expired has this argument
        """Drop nothing: the backlog that follows does this."""
        return []

    def next_event(self) -> float | None:
        """Return None: nothing happens."""
        return None

    def pass_on(self, backlog: Backlog, after: int) -> None:
        """Add the messages with ids above ``after`` to the backlog that follows."""
        backlog.add_ordering_keys(each for each in self._keyed if each[0] > after)
        backlog.enqueue(each for each in self.upcoming(len(self)) if each > after)
        for holder in self._closed:
            backlog.close_holder(holder)
        for not_before, message_id in self._delayed:
            if message_id > after:
                backlog.restore(message_id, self._attempts[message_id], not_before)


class SubscriptionSeeker:
    """Seeks subscriptions; on each subscription, one seek runs at a time."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def seek(self, request: RequestPb) -> None:
        """Seek a subscription as a task of the broker; return once the seek is on disk.

        Raises:
            RequestRejected: the subscription or snapshot does not exist, or they have different topics, or
                the subscription is detached, or the request has no target.
            StoreFailure: nothing was changed.
        """
        if request.WhichOneof("target") == "time":
            limits.check_timestamp("time", request.time)
        await self._broker.tasks.run(self._seek(request))

    async def _seek(self, request: RequestPb) -> None:
        subscription = self._attached(request.subscription)
        self._selection(subscription, request)  # raises if the request is invalid
        async with subscription.lock:
            if self._attached(request.subscription) is not subscription:
                raise NotFound(request.subscription)
            if request.WhichOneof("target") == "snapshot":
                async with self._broker.snapshots.snapshot(request.snapshot).lock:
                    await _Seek(self._broker, subscription).run(self._selection(subscription, request))
            else:
                await _Seek(self._broker, subscription).run(self._selection(subscription, request))

    def _attached(self, name: str) -> Subscription:
        subscription = self._broker.catalogue.subscription(name)
        if subscription.resource.detached:
            raise FailedPrecondition(f"The subscription is detached from its topic (subscription={name}).")
        return subscription

    def _selection(self, subscription: Subscription, request: RequestPb) -> Selection:
        select = partial(
            Selection,
            backlog=subscription.backlog_number,
            filter=subscription.resource.filter,
            ordered=subscription.ordered,
        )
        target = request.WhichOneof("target")
        if target == "time":
            micros = request.time.seconds * MICROSECONDS + -(-request.time.nanos // 1000)
            first = self._broker.ids.first_id_at(max(micros, 0))
            topic = self._broker.catalogue.topics.get(subscription.resource.topic)
            owners = [subscription.number] if subscription.retains_acked else []
            if topic is not None and topic.retains:
                owners.append(topic.number)
            end = self._broker.next_number()
            return select(keeps_backlog=True, owners=tuple(owners), first=min(max(first, 1), end), end=end)
        if target == "snapshot":
            snapshot = self._broker.snapshots.snapshot(request.snapshot)
            if snapshot.resource.topic != subscription.resource.topic:
                raise FailedPrecondition(
                    f"The subscription and the snapshot have different topics (snapshot={snapshot.name})."
                )
            end = self._broker.next_number()
            return select(keeps_backlog=False, owners=(snapshot.number,), first=1, end=end)
        raise InvalidArgument("A seek needs a time or a snapshot.")


class _Seek:
    """One seek of one subscription."""

    def __init__(self, broker: Broker, subscription: Subscription) -> None:
        self._broker = broker
        self._subscription = subscription
        self._before = subscription.backlog
        self._paused = _PausedBacklog(self._before.policy)
        self._after = subscription.empty_backlog()
        self._ended = False

    async def run(self, selection: Selection) -> None:
        """Seek; StoreFailure if nothing was changed.

        The id ``selection.end`` separates the messages that the seek selects from those that are published
        after its start. It is also the number of the new backlog.
        """
        subscription, journal, target = self._subscription, self._broker.journal, selection.end
        subscription.backlog, subscription.next_backlog_number = self._paused, target
        for lease in list(self._before.outstanding.values()):
            lease.notify_holder()
        try:
            while subscription.removals:
                await asyncio.wait(subscription.removals)
            await journal.commit()  # so that all messages before ``selection.end`` are on disk
            if subscription.retains_acked:
                await self._retain(selection)
            if selection.first < selection.end:
                await self._copy(selection, target)
            journal.next.resources.append(
                ("UPDATE subscription SET backlog = ? WHERE number = ?", (target, subscription.number))
            )
            await journal.commit_or(partial(self._undo, target), partial(self._switch, target))
        except Exception:
            # If the server stops, the task is cancelled. Then nothing is undone, because the transaction may
            # still be written.
            self._undo(target)
            raise

    async def _retain(self, selection: Selection) -> None:
        """Retain the messages that the seek acknowledges."""
        if selection.keeps_backlog:
            acknowledged = replace(selection, owners=(), end=selection.first)
        else:
            acknowledged = selection
        last, complete, rows = 0, False, self._broker.journal.first_slice_rows
        while not complete:
            job = partial(slices.retain, owner=self._subscription.number, selection=acknowledged, after=last)
            (last, complete), rows = await self._broker.journal.slice(job, rows)

    async def _copy(self, selection: Selection, target: int) -> None:
        """Copy the selected messages to the new backlog, on disk and in memory."""
        last, complete, rows = selection.first - 1, False, self._broker.journal.first_slice_rows
        while not complete:
            job = partial(slices.copy, selection=selection, target=target, after=last)
            copied, rows = await self._broker.journal.slice(job, rows)
            last, complete = copied.last, copied.complete
            refill(self._after, self._before, (copied.message_ids, copied.keys))

    def _switch(self, target: int) -> None:
        """Replace the backlog in memory; the new one is on disk."""
        if self._ended:
            return
        subscription, broker = self._subscription, self._broker
        removed = subscription.backlog_number
        self._ended = True
        broker.journal.next.forget_backlog(removed)
        subscription.next_backlog_number = None
        subscription.complete_before = target
        broker.catalogue.set_backlog_number(subscription, target)
        self._paused.pass_on(self._after, target)
        self._resume(self._after)
        broker.sweeper.sweep("backlog", removed)

    def _undo(self, target: int) -> None:
        """Continue with the backlog from before the seek, unless the seek has ended."""
        if self._ended:
            return
        self._ended = True
        self._broker.journal.next.forget_backlog(target)
        self._subscription.next_backlog_number = None
        self._paused.pass_on(self._before, 0)
        self._resume(self._before)
        # The holders of these leases were told that they have ended.
        for lease in reversed(list(self._before.outstanding.values())):
            self._broker.cancel_delivery(self._subscription, lease)
        self._broker.sweeper.sweep("backlog", target)

    def _resume(self, backlog: Backlog) -> None:
        backlog.policy = self._paused.policy  # the configuration may have changed in the meantime
        self._subscription.backlog = backlog
        self._subscription.wake()
        self._broker.alarm.set(backlog.next_event())


def refill(backlog: Backlog, before: Backlog, found: tuple[Sequence[int], Sequence[int]]) -> Backlog:
    """Add messages to a backlog, with their delivery counts from the backlog ``before``.

    ``found`` has the ids of the messages, oldest first, and their key numbers.
    """
    message_ids, keys = found
    backlog.add_ordering_keys(
        (message_id, key) for message_id, key in zip(message_ids, keys, strict=True) if key
    )
    backlog.enqueue(message_ids)
    backlog.carry_attempts(before.attempts(message_ids))
    return backlog
