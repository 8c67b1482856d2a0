"""Keeps the topics and subscriptions, by name. Every change is on disk before it is confirmed."""

from collections.abc import Callable

from localpubsub.broker import references
from localpubsub.broker.background_tasks import BackgroundTasks
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.sweeper import Sweeper
from localpubsub.broker.topic import Topic
from localpubsub.errors import AlreadyExists, NotFound
from localpubsub.protocol.messages import FieldMaskPb, PushConfigPb, SubscriptionPb, TopicPb
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from localpubsub.protocol.messages import Topic as TopicMessage
from localpubsub.resources import subscription as subscription_resource
from localpubsub.resources import topic as topic_resource
from localpubsub.resources.subscription import DELETED_TOPIC
from localpubsub.schemas.registry import DELETED_SCHEMA, SchemaRegistry
from localpubsub.storage.journal import Journal
from localpubsub.storage.store import Store

_PUT_TOPIC = "INSERT OR REPLACE INTO topic VALUES (?, ?, ?)"
# A change of the configuration must not change the number of the backlog, which a running seek may change.
PUT_SUBSCRIPTION = (
    "INSERT INTO subscription (number, name, resource, backlog) VALUES (?1, ?2, ?3, ?1) "
    "ON CONFLICT (number) DO UPDATE SET resource = excluded.resource"
)


class Catalogue:
    """Creates, changes and deletes topics and subscriptions.

    Attributes:
        topics: full name → topic.
        subscriptions: full name → subscription.
        by_backlog: number of a backlog in the store → subscription.
        on_topic_deleted: called before the deletion of a topic is committed; returns a function that undoes
            what the call changed in memory.
        journal: writes the changes.
        next_number: allocates the numbers of new resources.
        tasks: runs operations that await more than once.
        sweeper: removes the rows of what was deleted.
        listeners: functions to call with each subscription that was created, changed or deleted.
        schemas: the schema registry.
    """

    def __init__(
        self,
        journal: Journal,
        next_number: Callable[[], int],
        tasks: BackgroundTasks,
        sweeper: Sweeper,
        *,
        service_agent_permissions: bool = True,
    ) -> None:
        self.topics: dict[str, Topic] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.by_backlog: dict[int, Subscription] = {}
        self.on_topic_deleted: Callable[[Topic], Callable[[], None]] = lambda _: lambda: None
        self.listeners: list[Callable[[Subscription], None]] = []
        self.schemas = SchemaRegistry(journal, next_number)
        self.journal = journal
        self.next_number = next_number
        self.tasks = tasks
        self.sweeper = sweeper
        self._service_agent_permissions = service_agent_permissions

    def load(self, store: Store) -> None:
        """Read topics, subscriptions and schemas from the store, before the server serves."""
        self.schemas.load(store)
        for number, encoded in store.topics():
            self._add_topic(Topic(number, TopicMessage.FromString(encoded)))
        for number, encoded, backlog_number in store.subscriptions():
            subscription = self._new_subscription(number, SubscriptionMessage.FromString(encoded))
            subscription.backlog_number = backlog_number
            self.add_subscription(subscription)

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
        end = self.next_number()

        def done() -> None:
            if not resource.HasField("message_retention_duration"):
                # Messages with higher ids are retained if the retention is set again in the meantime.
                self.sweeper.sweep("retained", topic.number, end)
            for subscription in topic.subscriptions:
                subscription_resource.copy_topic_retention(subscription.resource, topic.resource)

        await self._put(_PUT_TOPIC, topic, undo=lambda: setattr(topic, "resource", before), done=done)
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
            self.journal.next.resources.append((PUT_SUBSCRIPTION, row(subscription)))
        self.journal.next.resources.append(("DELETE FROM topic WHERE number = ?", (topic.number,)))
        restore_snapshots = self.on_topic_deleted(topic)

        def undo() -> None:
            self._add_topic(topic)
            for subscription, resource in attached:
                subscription.resource = resource
            restore_snapshots()

        await self.journal.commit_or(undo, lambda: self.sweeper.sweep("retained", topic.number))

    async def delete_schema(self, name: str) -> None:
        """Delete a schema. Topics with this schema are kept, but reject all messages."""
        self.schemas.revision(name)
        topics = [each for each in self.topics.values() if each.resource.schema_settings.schema == name]
        for topic in topics:
            topic.resource.schema_settings.schema = DELETED_SCHEMA
            self.journal.next.resources.append((_PUT_TOPIC, row(topic)))

        def undo() -> None:
            for topic in topics:
                topic.resource.schema_settings.schema = name

        self.journal.next.undo.append(undo)
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
        self.add_subscription(subscription)
        await self._put(
            PUT_SUBSCRIPTION,
            subscription,
            undo=lambda: self.remove_subscription(subscription),
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
        if given.retain_acked_messages and not subscription.retains_acked:
            # Otherwise a removal that still runs would remove what is retained from now on.
            await self.sweeper.finished("retained", subscription.number)
            subscription = self.subscription(given.name)
        resource = subscription_resource.updated(subscription.resource, given, mask)
        references.check_subscription(resource, self.topics)
        return await self._configure(subscription, resource)

    async def modify_push_config(self, name: str, push_config: PushConfigPb) -> Subscription:
        """Replace the push config and keep the backlog; an empty push config makes it a pull subscription."""
        subscription = self.subscription(name)
        resource = subscription_resource.with_push_config(subscription.resource, push_config)
        return await self._configure(subscription, resource)

    def set_backlog_number(self, subscription: Subscription, number: int) -> None:
        """Note that the subscription has another backlog in the store."""
        if self.by_backlog.pop(subscription.backlog_number, None):
            self.by_backlog[number] = subscription
        subscription.backlog_number = number

    def notify_changed(self, subscription: Subscription) -> None:
        """Call the listeners after a subscription was created, changed or deleted."""
        for listener in self.listeners:
            listener(subscription)

    async def _configure(self, subscription: Subscription, resource: SubscriptionPb) -> Subscription:
        before = subscription.resource
        subscription.configure(resource)

        def done() -> None:
            if before.retain_acked_messages and not subscription.retains_acked:
                self.sweeper.sweep("retained", subscription.number)
            self.notify_changed(subscription)

        await self._put(
            PUT_SUBSCRIPTION, subscription, undo=lambda: subscription.configure(before), done=done
        )
        return subscription

    async def _put(
        self,
        statement: str,
        resource: Topic | Subscription,
        undo: Callable[[], None],
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self.journal.next.resources.append((statement, row(resource)))
        await self.journal.commit_or(undo, done)

    def _add_topic(self, topic: Topic) -> None:
        self.topics[topic.name] = topic

    def _remove_topic(self, topic: Topic) -> None:
        self.topics.pop(topic.name, None)

    def add_subscription(self, subscription: Subscription) -> None:
        """Add a subscription, in memory only, and its topic's future messages to it."""
        self.subscriptions[subscription.name] = subscription
        self.by_backlog[subscription.backlog_number] = subscription
        topic = self.topics.get(subscription.resource.topic)
        if topic is not None and not subscription.resource.detached:
            subscription_resource.copy_topic_retention(subscription.resource, topic.resource)
            topic.subscriptions.append(subscription)

    def _new_subscription(self, number: int, resource: SubscriptionPb) -> Subscription:
        return Subscription(number, resource, service_agent_permissions=self._service_agent_permissions)

    def remove_subscription(self, subscription: Subscription) -> None:
        """Remove a subscription, in memory only; it gets no more messages."""
        self.subscriptions.pop(subscription.name, None)
        self.by_backlog.pop(subscription.backlog_number, None)
        topic = self.topics.get(subscription.resource.topic)
        if topic is not None and subscription in topic.subscriptions:
            topic.subscriptions.remove(subscription)


def row(resource: Topic | Subscription) -> tuple[int, str, bytes]:
    """Return the values of the statements that write a topic or subscription."""
    return resource.number, resource.name, resource.resource.SerializeToString()
