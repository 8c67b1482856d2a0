"""Keeps the snapshots, and deletes snapshots and retained messages after their retention.

The rules are from the comments of pubsub.proto on Snapshot and CreateSnapshotRequest, and from
https://cloud.google.com/pubsub/docs/replay-overview.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from localpubsub.backlog.message_ids import MessageIds
from localpubsub.broker.catalogue import Catalogue
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.topic import Topic
from localpubsub.clock import Clock
from localpubsub.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, StoreFailure
from localpubsub.protocol.messages import FieldMaskPb, RequestPb, SnapshotPb
from localpubsub.protocol.messages import Snapshot as SnapshotMessage
from localpubsub.resources import limits
from localpubsub.resources.subscription import DELETED_TOPIC
from localpubsub.storage import slices
from localpubsub.storage.journal import Journal
from localpubsub.storage.slices import Selection
from localpubsub.storage.store import Store

#: Maximum lifetime, seconds. A new snapshot has this minus its oldest message's age (proto: expire_time).
MAX_LIFETIME: Final = 7 * 86_400
#: Minimum lifetime, seconds; a snapshot that would expire sooner is not created (proto: expire_time).
MIN_LIFETIME: Final = 3_600

_PUT: Final = "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?)"


@dataclass(slots=True, eq=False)
class Snapshot:
    """One snapshot of the server."""

    number: int  #: Identifies the snapshot in the store; it is never reused.
    resource: SnapshotPb
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  #: Held while a seek reads its messages.

    @property
    def name(self) -> str:
        """Full name, ``projects/P/snapshots/S``."""
        return str(self.resource.name)


class Snapshots:
    """Creates, changes and deletes snapshots, and deletes retained messages that are too old."""

    def __init__(
        self,
        catalogue: Catalogue,
        journal: Journal,
        clock: Clock,
        ids: MessageIds,
    ) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        self._catalogue = catalogue
        self._journal = journal
        self._clock = clock
        self._tasks = catalogue.tasks
        self._sweeper = catalogue.sweeper
        self._ids = ids
        catalogue.on_topic_deleted = self._on_topic_deleted

    def load(self, store: Store) -> None:
        """Read the snapshots from the store, after the topics."""
        rows = store.query(
            lambda database: database.execute("SELECT number, resource FROM snapshot").fetchall()
        )
        latest = int(self._clock.now() + MAX_LIFETIME)
        for number, encoded in rows:
            resource = SnapshotMessage.FromString(encoded)
            # It is later if the clock was set back, or was scaled when the snapshot was created.
            resource.expire_time.seconds = min(resource.expire_time.seconds, latest)
            self._add(Snapshot(number, resource))

    def snapshot(self, name: str) -> Snapshot:
        """Return the snapshot of this full name; NotFound if it does not exist."""
        snapshot = self.snapshots.get(name)
        if snapshot is None:
            raise NotFound(name)
        return snapshot

    async def create(self, request: RequestPb) -> Snapshot:
        """Create a snapshot, as a task of the broker.

        It retains the messages that are unacknowledged on its subscription now, and all messages published to
        the topic from now on.

        Raises:
            AlreadyExists: the name is taken.
            NotFound: the subscription does not exist.
            FailedPrecondition: the subscription has no topic, or its oldest message is too old.
            InvalidArgument: the name or a label is invalid.
            StoreFailure: nothing was changed.
        """
        limits.check_name(request.name, "snapshots")
        limits.check_labels(request.labels)
        self._check_new(request)
        return await self._tasks.run(self._create(request))

    async def _create(self, request: RequestPb) -> Snapshot:
        subscription = self._catalogue.subscription(request.subscription)
        async with subscription.lock:
            if self._check_new(request) is not subscription:
                raise NotFound(request.subscription)
            topic = subscription.resource.topic
            resource = SnapshotMessage(name=request.name, topic=topic, labels=request.labels)
            snapshot = Snapshot(self._catalogue.next_number(), resource)
            # From now on new messages are retained for the snapshot, and those that are acknowledged.
            retainers = self._catalogue.topic(topic).snapshots
            retainers.append(snapshot.number)
            subscription.copying.add(snapshot.number)
            try:
                await self._copy(snapshot, subscription)
                self._check_new(request)  # a deletion of the same name may have failed in the meantime
                self.snapshots[snapshot.name] = snapshot
                self._journal.next.resources.append((_PUT, _row(snapshot)))
                await self._journal.commit_or(lambda: self._forget(snapshot))
            except Exception:
                self._forget(snapshot)
                retainers[:] = [number for number in retainers if number != snapshot.number]
                self._journal.next.forget_owner(snapshot.number)
                self._sweeper.sweep("retained", snapshot.number)
                raise
            finally:
                subscription.copying.discard(snapshot.number)
        return snapshot

    def _check_new(self, request: RequestPb) -> Subscription:
        """Return the subscription of a snapshot to be created, or raise the reason why it cannot be."""
        subscription = self._catalogue.subscription(request.subscription)
        if subscription.resource.detached or subscription.resource.topic == DELETED_TOPIC:
            raise FailedPrecondition(f"The subscription has no topic (subscription={request.subscription}).")
        if request.name in self.snapshots:
            raise AlreadyExists(request.name)
        return subscription

    async def _copy(self, snapshot: Snapshot, subscription: Subscription) -> None:
        """Let the snapshot retain the messages of the subscription, in slices, and set its expire_time."""
        number = subscription.backlog_number
        await self._journal.commit()  # so that earlier acks and messages are on disk
        oldest = await self._journal.run(
            lambda store: store.query(lambda connection: slices.oldest(connection, number))
        )
        self._set_expire_time(snapshot, oldest)
        selection = Selection(
            number, keeps_backlog=True, owners=(), first=1, end=snapshot.number, filter="", ordered=False
        )
        last, complete, rows = 0, False, self._journal.first_slice_rows
        while not complete:
            job = partial(slices.retain, owner=snapshot.number, selection=selection, after=last)
            (last, complete), rows = await self._journal.slice(job, rows)

    def _forget(self, snapshot: Snapshot) -> None:
        if self.snapshots.get(snapshot.name) is snapshot:
            self._remove(snapshot)

    async def update(self, given: SnapshotPb, mask: FieldMaskPb) -> Snapshot:
        """Change the fields that the mask names: labels, expire_time, or both."""
        snapshot = self.snapshot(given.name)
        if not mask.paths or not set(mask.paths) <= {"labels", "expire_time"}:
            raise InvalidArgument(
                "Invalid update_mask: only labels and expire_time of a snapshot can be changed."
            )
        resource = SnapshotMessage()
        resource.CopyFrom(snapshot.resource)
        mask.MergeMessage(given, resource, replace_message_field=True, replace_repeated_field=True)
        limits.check_labels(resource.labels)
        limits.check_timestamp("expire_time", resource.expire_time)
        if not 0 < resource.expire_time.seconds - self._clock.now() <= MAX_LIFETIME:
            raise InvalidArgument("Invalid expire_time given: it must be within the next 7 days.")
        before, snapshot.resource = snapshot.resource, resource
        self._journal.next.resources.append((_PUT, _row(snapshot)))
        await self._journal.commit_or(lambda: setattr(snapshot, "resource", before))
        return snapshot

    async def delete(self, name: str) -> None:
        """Delete a snapshot, and the messages that only this snapshot retained."""
        snapshot = self.snapshot(name)
        self._remove(snapshot)
        self._journal.next.resources.append(("DELETE FROM snapshot WHERE number = ?", (snapshot.number,)))

        def done() -> None:
            self._tasks.start(self._release(snapshot))

        await self._journal.commit_or(lambda: self._add(snapshot), done)

    async def _release(self, snapshot: Snapshot) -> None:
        """End the retention of a deleted snapshot, after the seeks that use it."""
        async with snapshot.lock:
            self._journal.next.forget_owner(snapshot.number)
            self._sweeper.sweep("retained", snapshot.number)

    async def drop_expired(self, now: float) -> None:
        """Delete expired snapshots, and end the retention of messages that are too old for their owner."""
        for snapshot in list(self.snapshots.values()):
            # While another one was deleted, this one may have been replaced.
            is_current = self.snapshots.get(snapshot.name) is snapshot
            if is_current and snapshot.resource.expire_time.seconds <= now:
                with suppress(NotFound, StoreFailure):
                    await self.delete(snapshot.name)
        for topic in self._catalogue.topics.values():
            if topic.resource.HasField("message_retention_duration"):
                seconds = topic.resource.message_retention_duration.seconds
                self._sweeper.sweep("retained", topic.number, self._ids.oldest_retained_id(now, seconds))
        for subscription in self._catalogue.subscriptions.values():
            if subscription.retains_acked:
                oldest = self._ids.oldest_retained_id(now, subscription.backlog.policy.retention)
                self._sweeper.sweep("retained", subscription.number, oldest)

    def _on_topic_deleted(self, topic: Topic) -> Callable[[], None]:
        """Mark the topic as deleted in its snapshots, and return a function that undoes this in memory."""
        snapshots = [each for each in self.snapshots.values() if each.number in topic.snapshots]

        def set_topic(name: str) -> None:
            for snapshot in snapshots:
                snapshot.resource.topic = name

        set_topic(DELETED_TOPIC)
        self._journal.next.resources += [(_PUT, _row(snapshot)) for snapshot in snapshots]
        return lambda: set_topic(topic.name)

    def _set_expire_time(self, snapshot: Snapshot, oldest: int | None) -> None:
        """Set the snapshot's expire_time, for which ``oldest`` is the id of its oldest message, if any."""
        now = self._clock.now()
        age = self._ids.age(oldest, now) if oldest else 0.0
        if MAX_LIFETIME - age < MIN_LIFETIME:
            raise FailedPrecondition(
                "The backlog of the subscription is too old: the snapshot would expire in less than one hour."
            )
        snapshot.resource.expire_time.seconds = int(now + MAX_LIFETIME - age)

    def _add(self, snapshot: Snapshot) -> None:
        self.snapshots[snapshot.name] = snapshot
        if topic := self._catalogue.topics.get(snapshot.resource.topic):
            topic.snapshots.append(snapshot.number)

    def _remove(self, snapshot: Snapshot) -> None:
        self.snapshots.pop(snapshot.name, None)
        topic = self._catalogue.topics.get(snapshot.resource.topic)
        if topic is not None and snapshot.number in topic.snapshots:
            topic.snapshots.remove(snapshot.number)


def _row(snapshot: Snapshot) -> tuple[int, str, bytes]:
    return snapshot.number, snapshot.name, snapshot.resource.SerializeToString()
