"""The snapshots there are, and what else is kept for seek: for how long, and when it is let go.

proto: Snapshot, CreateSnapshotRequest. https://cloud.google.com/pubsub/docs/replay-overview
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from localpubsub.backlog.message import MICROSECONDS, oldest_retained_id
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

LIFETIME: Final = (
    7 * 86_400
)  #: seconds, less the age of the oldest message in it (proto: Snapshot.expire_time)
SHORTEST: Final = 3_600  #: seconds; a snapshot that would expire sooner is not made (idem)

_PUT: Final = "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?)"


@dataclass(slots=True, eq=False)
class Snapshot:
    """One snapshot while it exists. ``number`` names it in the store."""

    number: int
    resource: SnapshotPb

    @property
    def name(self) -> str:
        """Full name, ``projects/P/snapshots/S``."""
        return str(self.resource.name)


class Snapshots:
    """Creates, changes and deletes snapshots, and lets go of what is too old to be kept."""

    def __init__(
        self, catalogue: Catalogue, journal: Journal, clock: Clock, next_number: Callable[[], int]
    ) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        self._catalogue = catalogue
        self._journal = journal
        self._clock = clock
        self._next_number = next_number
        catalogue.topic_deleted = self._leave

    def load(self, store: Store) -> None:
        """Take over what the store holds; after the topics."""
        rows = store.query(
            lambda database: database.execute("SELECT number, resource FROM snapshot").fetchall()
        )
        for number, encoded in rows:
            self._add(Snapshot(number, SnapshotMessage.FromString(encoded)))

    def snapshot(self, name: str) -> Snapshot:
        """The snapshot of this name, or NotFound."""
        found = self.snapshots.get(name)
        if found is None:
            raise NotFound(name)
        return found

    async def create(self, request: RequestPb) -> Snapshot:
        """Keep what is unacknowledged on a subscription now, and all that its topic publishes from now on."""
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
        snapshot = Snapshot(self._next_number(), resource)
        self._add(snapshot)
        try:
            oldest = await self._journal.run(
                lambda store: store.query(
                    lambda database: seek_sql.oldest_unacknowledged(database, subscription.number)
                )
            )
            self._expire_by_age(snapshot, oldest)
            self._journal.next.resources += [
                seek_sql.retain_backlog(snapshot.number, subscription.number),
                (_PUT, _row(snapshot)),
            ]
            await self._journal.commit()
        except (FailedPrecondition, StoreFailure):
            self._remove(snapshot)
            raise
        return snapshot

    async def update(self, given: SnapshotPb, mask: FieldMaskPb) -> Snapshot:
        """Change labels or expire_time."""
        snapshot = self.snapshot(given.name)
        if not mask.paths or not set(mask.paths) <= {"labels", "expire_time"}:
            raise InvalidArgument(
                "Invalid update_mask: labels and expire_time are what can be changed of a snapshot."
            )
        resource = SnapshotMessage()
        resource.CopyFrom(snapshot.resource)
        mask.MergeMessage(given, resource, replace_message_field=True, replace_repeated_field=True)
        limits.check_labels(resource.labels)
        if not 0 < resource.expire_time.seconds - self._clock.now() <= LIFETIME:
            raise InvalidArgument("Invalid expire_time given: it must be within the next 7 days.")
        before, snapshot.resource = snapshot.resource, resource
        self._journal.next.resources.append((_PUT, _row(snapshot)))
        try:
            await self._journal.commit()
        except StoreFailure:
            snapshot.resource = before
            raise
        return snapshot

    async def delete(self, name: str) -> None:
        """Let go of a snapshot and of what nobody else keeps."""
        snapshot = self.snapshot(name)
        self._remove(snapshot)
        self._journal.next.resources += [
            ("DELETE FROM snapshot WHERE number = ?", (snapshot.number,)),
            *seek_sql.release(snapshot.number),
        ]
        try:
            await self._journal.commit()
        except StoreFailure:
            self._add(snapshot)
            raise

    async def drop_expired(self, now: float) -> None:
        """Let go of expired snapshots, and of messages that their topic or subscription kept long enough."""
        for snapshot in list(self.snapshots.values()):
            if snapshot.resource.expire_time.seconds <= now:
                with suppress(NotFound, StoreFailure):
                    await self.delete(snapshot.name)
        statements = []
        for topic in self._catalogue.topics.values():
            if topic.resource.HasField("message_retention_duration"):
                seconds = topic.resource.message_retention_duration.seconds
                statements += seek_sql.release(topic.number, oldest_retained_id(now, seconds))
        for subscription in self._catalogue.subscriptions.values():
            if subscription.retains:
                retention = subscription.backlog.policy.retention
                statements += seek_sql.release(subscription.number, oldest_retained_id(now, retention))
        if statements:
            self._journal.next.resources += statements
            self._journal.commit_soon()

    def _leave(self, topic: Topic) -> None:
        """The topic is deleted: its snapshots stay, with what they hold."""
        for snapshot in self.snapshots.values():
            if snapshot.number in topic.snapshots:
                snapshot.resource.topic = DELETED_TOPIC
                self._journal.next.resources.append((_PUT, _row(snapshot)))

    def _expire_by_age(self, snapshot: Snapshot, oldest: int | None) -> None:
        now = self._clock.now()
        age = max(0.0, now - oldest / MICROSECONDS) if oldest else 0.0
        if LIFETIME - age < SHORTEST:
            raise FailedPrecondition(
                "The backlog of the subscription is too old: the snapshot would expire in less than one hour."
            )
        snapshot.resource.expire_time.seconds = int(now + LIFETIME - age)

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
