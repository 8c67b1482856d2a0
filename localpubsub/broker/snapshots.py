"""Keeps the snapshots, and deletes snapshots and retained messages after their retention.

The rules are from the comments of pubsub.proto on Snapshot and CreateSnapshotRequest, and from
https://cloud.google.com/pubsub/docs/replay-overview.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from localpubsub.backlog.message_ids import MessageIds
from localpubsub.broker.background_tasks import BackgroundTasks
from localpubsub.broker.catalogue import Catalogue
from localpubsub.broker.topic import Topic
from localpubsub.clock import Clock
from localpubsub.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, StoreFailure
from localpubsub.protocol.messages import FieldMaskPb, RequestPb, SnapshotPb
from localpubsub.protocol.messages import Snapshot as SnapshotMessage
from localpubsub.resources import limits
from localpubsub.resources.subscription import DELETED_TOPIC
from localpubsub.storage import seek_sql
from localpubsub.storage.journal import Journal
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
        tasks: BackgroundTasks,
    ) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        self._catalogue = catalogue
        self._journal = journal
        self._clock = clock
        self._tasks = tasks
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
        """Create a snapshot as a task of the broker; see ``_create``."""
        return await self._tasks.run(self._create(request))

    async def _create(self, request: RequestPb) -> Snapshot:
        """Create a snapshot.

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
        subscription = self._catalogue.subscription(request.subscription)
        if subscription.resource.detached or subscription.resource.topic == DELETED_TOPIC:
            raise FailedPrecondition(f"The subscription has no topic (subscription={request.subscription}).")
        if request.name in self.snapshots:
            raise AlreadyExists(request.name)
        resource = SnapshotMessage(
            name=request.name, topic=subscription.resource.topic, labels=request.labels
        )
        snapshot = Snapshot(self._catalogue.next_number(), resource)
        self._add(snapshot)
        try:
            oldest = await self._journal.run(
                lambda store: store.query(
                    lambda database: seek_sql.oldest_unacknowledged(database, subscription.number)
                )
            )
            self._set_expire_time(snapshot, oldest)
            self._journal.next.resources += [
                seek_sql.retain_backlog(snapshot.number, subscription.number),
                (_PUT, _row(snapshot)),
            ]
            await self._journal.commit()
        except BaseException:
            self._remove(snapshot)
            raise
        return snapshot

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
        self._journal.next.resources += [
            ("DELETE FROM snapshot WHERE number = ?", (snapshot.number,)),
            *seek_sql.release(snapshot.number),
        ]
        await self._journal.commit_or(lambda: self._add(snapshot))

    async def drop_expired(self, now: float) -> None:
        """Delete expired snapshots, and end the retention of messages that are too old for their owner."""
        for snapshot in list(self.snapshots.values()):
            if snapshot.resource.expire_time.seconds <= now:
                with suppress(NotFound, StoreFailure):
                    await self.delete(snapshot.name)
        statements = []
        for topic in self._catalogue.topics.values():
            if topic.resource.HasField("message_retention_duration"):
                seconds = topic.resource.message_retention_duration.seconds
                statements += seek_sql.release(topic.number, self._ids.oldest_retained_id(now, seconds))
        for subscription in self._catalogue.subscriptions.values():
            if subscription.retains_acked:
                retention = subscription.backlog.policy.retention
                statements += seek_sql.release(
                    subscription.number, self._ids.oldest_retained_id(now, retention)
                )
        if statements:
            self._journal.next.resources += statements
            self._journal.commit_soon()

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
