"""Implements the service google.pubsub.v1.Publisher.

https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#publisher
"""

from collections.abc import Mapping, Sequence

from localpubsub.api.paging import list_page, list_project_page
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription_deletion import detach_subscription
from localpubsub.broker.transformer import Transformer
from localpubsub.errors import InvalidArgument, TransformFailed
from localpubsub.protocol.calls import Context, Method, StreamMethod
from localpubsub.protocol.messages import (
    DeleteTopicRequest,
    DetachSubscriptionRequest,
    DetachSubscriptionResponse,
    Empty,
    GetTopicRequest,
    ListTopicSnapshotsRequest,
    ListTopicSnapshotsResponse,
    ListTopicsRequest,
    ListTopicsResponse,
    ListTopicSubscriptionsRequest,
    ListTopicSubscriptionsResponse,
    PublishRequest,
    PublishResponse,
    PubsubMessagePb,
    RequestPb,
    ResponsePb,
    Topic,
    UpdateTopicRequest,
)
from localpubsub.resources import limits


class PublisherService:
    """The methods of the service; each may raise RequestRejected or StoreFailure."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._catalogue = broker.catalogue

    def methods(self) -> Mapping[str, Method | StreamMethod]:
        """Return ``{name: Method}``."""
        return {
            "CreateTopic": Method(Topic, self.create_topic),
            "GetTopic": Method(GetTopicRequest, self.get_topic),
            "UpdateTopic": Method(UpdateTopicRequest, self.update_topic),
            "ListTopics": Method(ListTopicsRequest, self.list_topics),
            "ListTopicSubscriptions": Method(ListTopicSubscriptionsRequest, self.list_topic_subscriptions),
            "DeleteTopic": Method(DeleteTopicRequest, self.delete_topic),
            "Publish": Method(PublishRequest, self.publish),
            "ListTopicSnapshots": Method(ListTopicSnapshotsRequest, self.list_topic_snapshots),
            "DetachSubscription": Method(DetachSubscriptionRequest, self.detach_subscription),
        }

    async def publish(self, request: RequestPb, _: Context) -> ResponsePb:
        """Publish messages; return their ids once all messages are on disk."""
        limits.check_publish(request)
        topic = self._catalogue.topic(request.topic)
        results: Sequence[PubsubMessagePb | None] = request.messages
        if topic.transformer is not None:
            results = await _transformed(topic.transformer, request.messages)
        messages = [message for message in results if message is not None]
        settings = topic.resource.schema_settings
        if settings.schema:
            self._catalogue.schemas.validate_messages(settings, messages)
        published = iter(await self._broker.publish(request.topic, messages) if messages else ())
        topic.published += len(messages)
        # A message that a transform filters has an id, too, but no subscription gets it.
        message_ids = [next(published) if each else self._broker.next_number() for each in results]
        return PublishResponse(message_ids=[str(message_id) for message_id in message_ids])

    async def create_topic(self, request: RequestPb, _: Context) -> ResponsePb:
        """Create a topic; the request is the topic itself."""
        topic = await self._catalogue.create_topic(request)
        return topic.resource

    async def get_topic(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return one topic by name."""
        return self._catalogue.topic(request.topic).resource

    async def update_topic(self, request: RequestPb, _: Context) -> ResponsePb:
        """Change the fields that the update mask names."""
        topic = await self._catalogue.update_topic(request.topic, request.update_mask)
        return topic.resource

    async def list_topics(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return the topics of a project, sorted by name."""
        topics = self._catalogue.topics
        found, token = list_project_page(topics, request.project, request.page_size, request.page_token)
        return ListTopicsResponse(topics=[topics[name].resource for name in found], next_page_token=token)

    async def list_topic_subscriptions(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return the names of a topic's subscriptions."""
        topic = self._catalogue.topic(request.topic)
        names = [subscription.name for subscription in topic.subscriptions]
        found, token = list_page(names, request.page_size, request.page_token)
        return ListTopicSubscriptionsResponse(subscriptions=found, next_page_token=token)

    async def delete_topic(self, request: RequestPb, _: Context) -> ResponsePb:
        """Delete a topic; its subscriptions remain."""
        await self._catalogue.delete_topic(request.topic)
        return Empty()

    async def list_topic_snapshots(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return the names of a topic's snapshots."""
        numbers = set(self._catalogue.topic(request.topic).snapshots)
        names = [each.name for each in self._broker.snapshots.snapshots.values() if each.number in numbers]
        found, token = list_page(names, request.page_size, request.page_token)
        return ListTopicSnapshotsResponse(snapshots=found, next_page_token=token)

    async def detach_subscription(self, request: RequestPb, _: Context) -> ResponsePb:
        """Detach a subscription: it remains, but loses its messages and receives no new ones."""
        await detach_subscription(self._catalogue, request.subscription)
        return DetachSubscriptionResponse()


async def _transformed(
    transformer: Transformer, messages: Sequence[PubsubMessagePb]
) -> list[PubsubMessagePb | None]:
    """Return each message after the topic's transforms, or None if it is filtered.

    Raises:
        InvalidArgument: a transform failed for one of the messages.
    """
    for message in messages:  # Only the server sets these fields; a function must not see a client's values.
        message.ClearField("message_id")
        message.ClearField("publish_time")
    try:
        return await transformer.run(lambda functions: [functions.transform(each) for each in messages])
    except TransformFailed as error:
        raise InvalidArgument(
            f"A message transform of the topic failed, so nothing is published: {error}"
        ) from error
