"""Keeps the topics and subscriptions, by name. Every change is on disk before it is confirmed."""

from collections.abc import Callable

from localpubsub.broker import references
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.topic import Topic
from localpubsub.errors import AlreadyExists, NotFound
from localpubsub.protocol.messages import FieldMaskPb, PushConfigPb, SubscriptionPb, TopicPb
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from localpubsub.protocol.messages import Topic as TopicMessage
from localpubsub.resources import subscription as subscription_resource
from localpubsub.resources import topic as topic_resource
from localpubsub.resources.subscription import DELETED_TOPIC
from localpubsub.schemas.registry import DELETED_SCHEMA, SchemaRegistry
from localpubsub.storage import seek_sql
from localpubsub.storage.journal import Journal
from localpubsub.storage.store import Store

_PUT_TOPIC = "INSERT OR REPLACE INTO topic VALUES (?, ?, ?)"
_PUT_SUBSCRIPTION = "INSERT OR REPLACE INTO subscription VALUES (?, ?, ?)"


class Catalogue:
    """Creates, changes and deletes topics and subscriptions.

    Attributes:
        topics: full name → topic.
        subscriptions: full name → subscription.
        by_number: number in the store → subscription.
        on_topic_deleted: called before the deletion of a topic is committed; returns a function that undoes
            what the call changed in memory.
        listeners: functions to call with each subscription that was created, changed or deleted.
        schemas: the schema registry.
        next_number: allocates the number of a new resource.
    """

    def __init__(
        self, journal: Journal, next_number: Callable[[], int], *, service_agent_permissions: bool = True
    ) -> None:
        self.topics: dict[str, Topic] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.by_number: dict[int, Subscription] = {}
        self.on_topic_deleted: Callable[[Topic], Callable[[], None]] = lambda _: lambda: None
        self.listeners: list[Callable[[Subscription], None]] = []
        self.schemas = SchemaRegistry(journal, next_number)
        self._journal = journal
        self.next_number = next_number
        self._service_agent_permissions = service_agent_permissions

    def load(self, store: Store) -> None:
        """Read topics, subscriptions and schemas from the store, before the server serves."""
        self.schemas.load(store)
        for number, encoded in store.topics():
            self._add_topic(Topic(number, TopicMessage.FromString(encoded)))
        for number, encoded in store.subscriptions():
            self._add_subscription(self._new_subscription(number, SubscriptionMessage.FromString(encoded)))

    def topic(self, name: str) -> Topic:
        """Return the topic of this full name; NotFound if it does not exist."""
        topic = self.topics.get(name)
        if topic is None:
            raise NotFound(name)
        return topic

    def subscription(self, name: str) -> Subscription:
        """Return the subscription of this full name; NotFound if it does not exist."""
        subscription = self.subscriptions.get(name)
        if subscription is None:
            raise NotFound(name)
        subscription.used = True
        return subscription

    async def create_topic(self, given: TopicPb) -> Topic:
        """Create a topic.

        Raises:
            AlreadyExists: the name is taken.
            RequestRejected: the configuration is invalid or not supported.
            StoreFailure: nothing was changed.
        """
        resource = topic_resource.complete(given)
        if resource.name in self.topics:
            raise AlreadyExists(resource.name)
        references.check_topic(resource, self.schemas)
        topic = Topic(self.next_number(), resource)
        self._add_topic(topic)
        await self._put(_PUT_TOPIC, topic, undo=lambda: self._remove_topic(topic))
        return topic

    async def update_topic(self, given: TopicPb, mask: FieldMaskPb) -> Topic:
        """Change the fields that the mask names.

        Raises:
            NotFound: the topic does not exist.
            RequestRejected: a field cannot be changed or its value is invalid.
            StoreFailure: nothing was changed.
        """
        topic = self.topic(given.name)
        resource = topic_resource.updated(topic.resource, given, mask)
        references.check_topic(resource, self.schemas)
        before, topic.resource = topic.resource, resource
        if not topic.resource.HasField("message_retention_duration"):
            self._journal.next.resources += seek_sql.release(topic.number)

        def copy_retention() -> None:
            for subscription in topic.subscriptions:
                subscription_resource.copy_topic_retention(subscription.resource, topic.resource)

        await self._put(
            _PUT_TOPIC, topic, undo=lambda: setattr(topic, "resource", before), done=copy_retention
        )
        return topic

    async def delete_topic(self, name: str) -> None:
        """Delete a topic. Its subscriptions keep their messages; their topic becomes ``_deleted-topic_``."""
        topic = self.topic(name)
        self._remove_topic(topic)
        attached = [(subscription, subscription.resource) for subscription in topic.subscriptions]
        for subscription in topic.subscriptions:
            resource = SubscriptionMessage.FromString(subscription.resource.SerializeToString())
            resource.topic = DELETED_TOPIC
            subscription.resource = resource
            self._journal.next.resources.append((_PUT_SUBSCRIPTION, _row(subscription)))
        self._journal.next.resources.append(("DELETE FROM topic WHERE number = ?", (topic.number,)))
        self._journal.next.resources += seek_sql.release(topic.number)
        restore_snapshots = self.on_topic_deleted(topic)

        def undo() -> None:
            self._add_topic(topic)
            for subscription, resource in attached:
                subscription.resource = resource
            restore_snapshots()

        await self._journal.commit_or(undo)

    async def delete_schema(self, name: str) -> None:
        """Delete a schema. Topics with this schema are kept, but reject all messages."""
        self.schemas.revision(name)
        topics = [each for each in self.topics.values() if each.resource.schema_settings.schema == name]
        for topic in topics:
            topic.resource.schema_settings.schema = DELETED_SCHEMA
            self._journal.next.resources.append((_PUT_TOPIC, _row(topic)))

        def undo() -> None:
            for topic in topics:
                topic.resource.schema_settings.schema = name

        self._journal.next.undo.append(undo)
        await self.schemas.delete(name)

    async def create_subscription(self, given: SubscriptionPb) -> Subscription:
        """Create a subscription, which gets the messages published from now on.

        Raises:
            AlreadyExists: the name is taken.
            NotFound: the topic or the dead-letter topic does not exist.
            RequestRejected: the configuration is invalid or not supported.
            StoreFailure: nothing was changed.
        """
        resource = subscription_resource.complete(given)
        if resource.name in self.subscriptions:
            raise AlreadyExists(resource.name)
        self.topic(resource.topic)
        references.check_subscription(resource, self.topics)
        subscription = self._new_subscription(self.next_number(), resource)
        self._add_subscription(subscription)
        await self._put(
            _PUT_SUBSCRIPTION,
            subscription,
            undo=lambda: self._remove_subscription(subscription),
            done=lambda: self.notify_changed(subscription),
        )
        return subscription

    async def update_subscription(self, given: SubscriptionPb, mask: FieldMaskPb) -> Subscription:
        """Change the fields that the mask names.

        Raises:
            NotFound: the subscription or the dead-letter topic does not exist.
            RequestRejected: a field cannot be changed or its value is invalid.
            StoreFailure: nothing was changed.
        """
        subscription = self.subscription(given.name)
        resource = subscription_resource.updated(subscription.resource, given, mask)
        references.check_subscription(resource, self.topics)
        return await self._configure(subscription, resource)

    async def modify_push_config(self, name: str, push_config: PushConfigPb) -> Subscription:
        """Replace the push config and keep the backlog; an empty push config makes it a pull subscription."""
        subscription = self.subscription(name)
        resource = subscription_resource.with_push_config(subscription.resource, push_config)
        return await self._configure(subscription, resource)

    async def delete_subscription(self, name: str) -> None:
        """Delete a subscription and all of its messages."""
        subscription = self.subscription(name)
        self._remove_subscription(subscription)
        number = (subscription.number,)
        self._journal.next.resources += [
            ("DELETE FROM subscription WHERE number = ?", number),
            ("DELETE FROM backlog WHERE subscription = ?", number),
            *seek_sql.release(subscription.number),
            seek_sql.DELETE_ORPHANS,
        ]

        def done() -> None:
            subscription.deleted = True
            subscription.wake()
            self.notify_changed(subscription)

        await self._journal.commit_or(lambda: self._add_subscription(subscription), done)

    async def detach_subscription(self, name: str) -> None:
        """Detach a subscription from its topic: its messages are dropped, and it gets no new messages."""
        subscription = self.subscription(name)
        attached = subscription.resource
        resource = SubscriptionMessage.FromString(attached.SerializeToString())
        resource.detached = True
        self._remove_subscription(subscription)
        subscription.resource = resource
        self._add_subscription(subscription)
        self._journal.next.resources += [
            (_PUT_SUBSCRIPTION, _row(subscription)),
            ("DELETE FROM backlog WHERE subscription = ?", (subscription.number,)),
            *seek_sql.release(subscription.number),
            seek_sql.DELETE_ORPHANS,
        ]

        def undo() -> None:
            self._remove_subscription(subscription)
            subscription.resource = attached
            self._add_subscription(subscription)

        def done() -> None:
            for lease in list(subscription.backlog.outstanding.values()):
                lease.notify_holder()
            subscription.backlog = subscription.empty_backlog()
            subscription.wake()
            self.notify_changed(subscription)

        await self._journal.commit_or(undo, done)

    def notify_changed(self, subscription: Subscription) -> None:
        """Call the listeners after a subscription was created, changed or deleted."""
        for listener in self.listeners:
            listener(subscription)

    async def _configure(self, subscription: Subscription, resource: SubscriptionPb) -> Subscription:
        before = subscription.resource
        subscription.configure(resource)
        if before.retain_acked_messages and not resource.retain_acked_messages:
            self._journal.next.resources += seek_sql.release(subscription.number)
        await self._put(
            _PUT_SUBSCRIPTION,
            subscription,
            undo=lambda: subscription.configure(before),
            done=lambda: self.notify_changed(subscription),
        )
        return subscription

    async def _put(
        self,
        statement: str,
        resource: Topic | Subscription,
        undo: Callable[[], None],
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal.next.resources.append((statement, _row(resource)))
        await self._journal.commit_or(undo, done)

    def _add_topic(self, topic: Topic) -> None:
        self.topics[topic.name] = topic

    def _remove_topic(self, topic: Topic) -> None:
        self.topics.pop(topic.name, None)

    def _add_subscription(self, subscription: Subscription) -> None:
        self.subscriptions[subscription.name] = subscription
        self.by_number[subscription.number] = subscription
        topic = self.topics.get(subscription.resource.topic)
        if topic is not None and not subscription.resource.detached:
            subscription_resource.copy_topic_retention(subscription.resource, topic.resource)
            topic.subscriptions.append(subscription)

    def _new_subscription(self, number: int, resource: SubscriptionPb) -> Subscription:
        return Subscription(number, resource, service_agent_permissions=self._service_agent_permissions)

    def _remove_subscription(self, subscription: Subscription) -> None:
        self.subscriptions.pop(subscription.name, None)
        self.by_number.pop(subscription.number, None)
        topic = self.topics.get(subscription.resource.topic)
        if topic is not None and subscription in topic.subscriptions:
            topic.subscriptions.remove(subscription)


def _row(resource: Topic | Subscription) -> tuple[int, str, bytes]:
    return resource.number, resource.name, resource.resource.SerializeToString()
