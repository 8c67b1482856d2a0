"""The service google.pubsub.v1.Subscriber.

https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#subscriber
"""

import asyncio
from collections.abc import Mapping
from typing import Final, cast

from localpubsub.api.snapshots import SnapshotMethods
from localpubsub.broker.broker import Broker
from localpubsub.broker.catalogue import list_page
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import FailedPrecondition, InvalidAckIds, InvalidArgument
from localpubsub.protocol.calls import Context, Method, StreamMethod
from localpubsub.protocol.messages import (
    AcknowledgeRequest,
    DeleteSubscriptionRequest,
    Empty,
    GetSubscriptionRequest,
    ListSubscriptionsRequest,
    ListSubscriptionsResponse,
    ModifyAckDeadlineRequest,
    ModifyPushConfigRequest,
    PullRequest,
    PullResponse,
    RequestPb,
    ResponsePb,
    StreamingPullRequest,
    UpdateSubscriptionRequest,
)
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from localpubsub.pull.ack_ids import find_leases
from localpubsub.pull.receive import Wanted, receive
from localpubsub.pull.streaming_pull import stream
from localpubsub.resources import limits

#: Seconds a pull waits for a first message, when the caller would wait longer.
PATIENCE: Final = 90.0
#: Seconds left of the caller's own deadline for an empty answer to arrive before it.
_MARGIN: Final = 0.5


class SubscriberService:
    """What the service answers; every method raises Refusal or StoreFailure."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._catalogue = broker.catalogue

    def methods(self) -> Mapping[str, Method | StreamMethod]:
        """Name of each method → its request and function."""
        return {
            "CreateSubscription": Method(SubscriptionMessage, self.create_subscription),
            "GetSubscription": Method(GetSubscriptionRequest, self.get_subscription),
            "UpdateSubscription": Method(UpdateSubscriptionRequest, self.update_subscription),
            "ListSubscriptions": Method(ListSubscriptionsRequest, self.list_subscriptions),
            "DeleteSubscription": Method(DeleteSubscriptionRequest, self.delete_subscription),
            "ModifyPushConfig": Method(ModifyPushConfigRequest, self.modify_push_config),
            "Pull": Method(PullRequest, self.pull),
            "StreamingPull": StreamMethod(StreamingPullRequest, self.streaming_pull),
            "Acknowledge": Method(AcknowledgeRequest, self.acknowledge),
            "ModifyAckDeadline": Method(ModifyAckDeadlineRequest, self.modify_ack_deadline),
            **SnapshotMethods(self._broker).methods(),
        }

    async def create_subscription(self, request: RequestPb, _: Context) -> ResponsePb:
        """The request is the subscription itself."""
        subscription = await self._catalogue.create_subscription(request)
        return subscription.resource

    async def get_subscription(self, request: RequestPb, _: Context) -> ResponsePb:
        """One subscription by name."""
        return self._catalogue.subscription(request.subscription).resource

    async def update_subscription(self, request: RequestPb, _: Context) -> ResponsePb:
        """The fields of the update mask."""
        subscription = await self._catalogue.update_subscription(request.subscription, request.update_mask)
        return subscription.resource

    async def list_subscriptions(self, request: RequestPb, _: Context) -> ResponsePb:
        """Subscriptions of a project, by name."""
        limits.check_project(request.project)
        prefix = request.project + "/"
        subscriptions = self._catalogue.subscriptions
        names = [name for name in subscriptions if name.startswith(prefix)]
        found, token = list_page(names, request.page_size, request.page_token)
        resources = [subscriptions[name].resource for name in found]
        return ListSubscriptionsResponse(subscriptions=resources, next_page_token=token)

    async def delete_subscription(self, request: RequestPb, _: Context) -> ResponsePb:
        """The subscription goes, with its messages."""
        await self._catalogue.delete_subscription(request.subscription)
        return Empty()

    async def modify_push_config(self, request: RequestPb, _: Context) -> ResponsePb:
        """Replace the push config as a whole."""
        await self._catalogue.modify_push_config(request.subscription, request.push_config)
        return Empty()

    async def pull(self, request: RequestPb, context: Context) -> ResponsePb:
        """Messages as soon as there are any; none when none came in time."""
        if request.max_messages <= 0:
            raise InvalidArgument("You have specified an invalid maxMessages: it must be greater than 0.")
        subscription = self._pullable(request.subscription)
        patience = 0.0 if request.return_immediately else _patience(context)
        until = asyncio.get_running_loop().time() + patience
        arrived = asyncio.Event()
        subscription.consumers.add(arrived.set)
        try:
            while True:
                arrived.clear()
                seconds = subscription.backlog.policy.ack_deadline
                wanted = Wanted(request.max_messages, limits.MAX_PULL_BYTES, seconds)
                received = await receive(self._broker, self._pullable(request.subscription), wanted)
                if received.messages or not await _within(until, arrived):
                    return PullResponse(received_messages=received.messages)
        finally:
            subscription.consumers.discard(arrived.set)

    async def streaming_pull(self, context: Context) -> None:
        """See streaming_pull.py."""
        await stream(self._broker, self._pullable, context)

    async def acknowledge(self, request: RequestPb, _: Context) -> ResponsePb:
        """Answered once it is on disk. Acking what has expired does nothing.

        With exactly-once delivery it is an error; without, it is none.
        """
        subscription = self._attached(request.subscription)
        named = find_leases(subscription, request.ack_ids)
        for lease in named.leases:
            self._broker.acknowledge(subscription, lease)
        await self._broker.journal.commit()
        if named.ended and subscription.exactly_once:
            raise InvalidAckIds(named.ended)
        return Empty()

    async def modify_ack_deadline(self, request: RequestPb, _: Context) -> ResponsePb:
        """Move deadlines; 0 seconds refuses the messages."""
        subscription = self._attached(request.subscription)
        seconds = request.ack_deadline_seconds
        limits.check_between("ack deadline", seconds, limits.MODIFIED_ACK_DEADLINE)
        named = find_leases(subscription, request.ack_ids)
        for lease in named.leases:
            self._broker.modify_ack_deadline(subscription, lease, seconds)
        if named.ended and subscription.exactly_once:
            raise InvalidAckIds(named.ended)
        return Empty()

    def _attached(self, name: str) -> Subscription:
        subscription = self._catalogue.subscription(name)
        if subscription.resource.detached:
            raise FailedPrecondition(f"The subscription is detached from its topic (subscription={name}).")
        return subscription

    def _pullable(self, name: str) -> Subscription:
        subscription = self._attached(name)
        if subscription.endpoint:
            raise FailedPrecondition(
                "This method is not supported for this subscription type: it has a push endpoint "
                f"(subscription={name}). An empty push config turns it into a pull subscription."
            )
        if subscription.exports:
            raise FailedPrecondition(
                f"This method is not supported for this subscription type: it exports (subscription={name})."
            )
        return subscription


def _patience(context: Context) -> float:
    # None when the caller set no deadline, which grpc's stubs leave out.
    remaining = cast("float | None", context.time_remaining())
    if remaining is None:
        return PATIENCE
    return min(PATIENCE, max(remaining - _MARGIN, remaining / 2))


async def _within(until: float, arrived: asyncio.Event) -> bool:
    waiting = asyncio.ensure_future(arrived.wait())
    loop = asyncio.get_running_loop()
    try:
        await asyncio.wait([waiting], timeout=max(0.0, until - loop.time()))
    finally:
        waiting.cancel()
    return arrived.is_set()
