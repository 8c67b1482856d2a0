"""The topics and subscriptions there are, by name; every change is in the store before it is confirmed."""

from bisect import bisect_right
from collections.abc import Callable, Sequence

from localpubsub import subscription_resource, topic_resource
from localpubsub.errors import AlreadyExists, NotFound, StoreFailure
from localpubsub.journal import Journal
from localpubsub.limits import DEFAULT_PAGE, MAX_PAGE
from localpubsub.store import Store
from localpubsub.subscription import Subscription
from localpubsub.subscription_resource import DELETED_TOPIC
from localpubsub.topic import Topic
from localpubsub.wire import FieldMaskPb, PushConfigPb, SubscriptionPb, TopicPb
from localpubsub.wire import Subscription as SubscriptionMessage
from localpubsub.wire import Topic as TopicMessage

_PUT_TOPIC = "INSERT OR REPLACE INTO topic VALUES (?, ?, ?)"
_PUT_SUBSCRIPTION = "INSERT OR REPLACE INTO subscription VALUES (?, ?, ?)"


class Catalogue:
    """Creates, changes, lists and deletes. ``changed`` is told of each such subscription."""

    def __init__(self, journal: Journal, next_number: Callable[[], int]) -> None:
        self.topics: dict[str, Topic] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.numbered: dict[int, Subscription] = {}
        self.changed: Callable[[Subscription], None] = lambda _: None
        self._journal = journal
        self._next_number = next_number

    def load(self, store: Store) -> None:
        """Take over what the store holds; before the server serves."""
        for number, encoded in store.topics():
            self._add_topic(Topic(number, TopicMessage.FromString(encoded)))
        for number, encoded in store.subscriptions():
            self._add_subscription(Subscription(number, SubscriptionMessage.FromString(encoded)))

    def topic(self, name: str) -> Topic:
        """The topic of this name, or NotFound."""
        topic = self.topics.get(name)
        if topic is None:
            raise NotFound(name)
        return topic

    def subscription(self, name: str) -> Subscription:
        """The subscription of this name, or NotFound."""
        subscription = self.subscriptions.get(name)
        if subscription is None:
            raise NotFound(name)
        return subscription

    async def create_topic(self, given: TopicPb) -> Topic:
        """A new topic; AlreadyExists, InvalidArgument."""
        resource = topic_resource.complete(given)
        if resource.name in self.topics:
            raise AlreadyExists(resource.name)
        topic = Topic(self._next_number(), resource)
        self._add_topic(topic)
        await self._put(_PUT_TOPIC, topic, undo=lambda: self._remove_topic(topic))
        return topic

    async def update_topic(self, given: TopicPb, mask: FieldMaskPb) -> Topic:
        """Change the fields of the mask."""
        topic = self.topic(given.name)
        before, topic.resource = topic.resource, topic_resource.updated(topic.resource, given, mask)
        await self._put(_PUT_TOPIC, topic, undo=lambda: setattr(topic, "resource", before))
        return topic

    async def delete_topic(self, name: str) -> None:
        """Delete a topic. Its subscriptions stay, with their messages, and belong to ``_deleted-topic_``."""
        topic = self.topic(name)
        self._remove_topic(topic)
        for subscription in topic.subscriptions:
            resource = SubscriptionMessage.FromString(subscription.resource.SerializeToString())
            resource.topic = DELETED_TOPIC
            subscription.resource = resource
            self._journal.next.resources.append((_PUT_SUBSCRIPTION, _row(subscription)))
        self._journal.next.resources.append(("DELETE FROM topic WHERE number = ?", (topic.number,)))
        await self._confirmed(undo=lambda: self._add_topic(topic))

    async def create_subscription(self, given: SubscriptionPb) -> Subscription:
        """A subscription for what is published from now on; AlreadyExists, NotFound, InvalidArgument."""
        resource = subscription_resource.complete(given)
        if resource.name in self.subscriptions:
            raise AlreadyExists(resource.name)
        self.topic(resource.topic)
        self._check_dead_letter_topic(resource)
        subscription = Subscription(self._next_number(), resource)
        self._add_subscription(subscription)
        await self._put(_PUT_SUBSCRIPTION, subscription, undo=lambda: self._remove_subscription(subscription))
        self.changed(subscription)
        return subscription

    async def update_subscription(self, given: SubscriptionPb, mask: FieldMaskPb) -> Subscription:
        """Change the fields of the mask; NotFound, InvalidArgument for what cannot change."""
        subscription = self.subscription(given.name)
        resource = subscription_resource.updated(subscription.resource, given, mask)
        self._check_dead_letter_topic(resource)
        return await self._configure(subscription, resource)

    async def modify_push_config(self, name: str, push_config: PushConfigPb) -> Subscription:
        """Replace the push config as a whole; an empty one makes a pull subscription, with its backlog."""
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
            ("DELETE FROM message WHERE NOT EXISTS (SELECT 1 FROM backlog WHERE message = id)", ()),
        ]
        await self._confirmed(undo=lambda: self._add_subscription(subscription))
        subscription.deleted = True
        subscription.wake()
        self.changed(subscription)

    async def _configure(self, subscription: Subscription, resource: SubscriptionPb) -> Subscription:
        before = subscription.resource
        subscription.configure(resource)
        await self._put(_PUT_SUBSCRIPTION, subscription, undo=lambda: subscription.configure(before))
        self.changed(subscription)
        return subscription

    async def _put(self, statement: str, resource: Topic | Subscription, undo: Callable[[], None]) -> None:
        self._journal.next.resources.append((statement, _row(resource)))
        await self._confirmed(undo)

    async def _confirmed(self, undo: Callable[[], None]) -> None:
        try:
            await self._journal.commit()
        except StoreFailure:
            undo()
            raise

    def _check_dead_letter_topic(self, resource: SubscriptionPb) -> None:
        if resource.HasField("dead_letter_policy"):
            self.topic(resource.dead_letter_policy.dead_letter_topic)

    def _add_topic(self, topic: Topic) -> None:
        self.topics[topic.name] = topic

    def _remove_topic(self, topic: Topic) -> None:
        self.topics.pop(topic.name, None)

    def _add_subscription(self, subscription: Subscription) -> None:
        self.subscriptions[subscription.name] = subscription
        self.numbered[subscription.number] = subscription
        if topic := self.topics.get(subscription.resource.topic):
            topic.subscriptions.append(subscription)

    def _remove_subscription(self, subscription: Subscription) -> None:
        self.subscriptions.pop(subscription.name, None)
        self.numbered.pop(subscription.number, None)
        topic = self.topics.get(subscription.resource.topic)
        if topic is not None and subscription in topic.subscriptions:
            topic.subscriptions.remove(subscription)


def page(names: Sequence[str], size: int, token: str) -> tuple[list[str], str]:
    """One page of names in order, and the token of the next: the last name given, empty at the end."""
    ordered = sorted(names)
    start = bisect_right(ordered, token)
    end = start + min(size or DEFAULT_PAGE, MAX_PAGE)
    found = ordered[start:end]
    return found, found[-1] if end < len(ordered) else ""


def _row(resource: Topic | Subscription) -> tuple[int, str, bytes]:
    return resource.number, resource.name, resource.resource.SerializeToString()
