"""Implements the service google.pubsub.v1.Subscriber.

https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#subscriber
"""

import asyncio
from collections.abc import Mapping
from typing import Final, cast

from localpubsub.api.paging import list_project_page
from localpubsub.api.snapshots import SnapshotMethods
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.subscription_deletion import delete_subscription
from localpubsub.errors import FailedPrecondition, InvalidAckIds, InvalidArgument, NotFound
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
from localpubsub.pull.ack_ids import acknowledge, find_leases, modify_deadlines
from localpubsub.pull.flow_control import FlowControl
from localpubsub.pull.receive import PullLimits, receive
from localpubsub.pull.streaming_pull import serve_stream
from localpubsub.resources import limits

#: Maximum time that a pull waits for its first message, in seconds.
MAX_PULL_WAIT: Final = 90.0
#: An empty response is sent this many seconds before the caller's own deadline, so that it arrives in time.
_DEADLINE_MARGIN: Final = 0.5


class SubscriberService:
    """The methods of the service; each may raise RequestRejected or StoreFailure."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._catalogue = broker.catalogue

    def methods(self) -> Mapping[str, Method | StreamMethod]:
        """Return ``{name: Method}``."""
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
        """Create a subscription; the request is the subscription itself."""
        subscription = await self._catalogue.create_subscription(request)
        return subscription.resource

    async def get_subscription(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return one subscription by name."""
        return self._catalogue.subscription(request.subscription).resource

    async def update_subscription(self, request: RequestPb, _: Context) -> ResponsePb:
        """Change the fields that the update mask names."""
        subscription = await self._catalogue.update_subscription(request.subscription, request.update_mask)
        return subscription.resource

    async def list_subscriptions(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return the subscriptions of a project, sorted by name."""
        subscriptions = self._catalogue.subscriptions
        found, token = list_project_page(
            subscriptions, request.project, request.page_size, request.page_token
        )
        resources = [subscriptions[name].resource for name in found]
        return ListSubscriptionsResponse(subscriptions=resources, next_page_token=token)

    async def delete_subscription(self, request: RequestPb, _: Context) -> ResponsePb:
        """Delete a subscription with its messages."""
        await delete_subscription(self._catalogue, request.subscription)
        return Empty()

    async def modify_push_config(self, request: RequestPb, _: Context) -> ResponsePb:
        """Replace the whole push config."""
        await self._catalogue.modify_push_config(request.subscription, request.push_config)
        return Empty()

    async def pull(self, request: RequestPb, context: Context) -> ResponsePb:
        """Return messages as soon as some are ready, or an empty response if none becomes ready in time."""
        if request.max_messages <= 0:
            raise InvalidArgument(
                "You have passed an invalid argument to the service (argument=max_messages)."
            )
        subscription = self._pullable(request.subscription)
        wait = 0.0 if request.return_immediately else _pull_wait(context)
        until = asyncio.get_running_loop().time() + wait
        changed, flow = asyncio.Event(), FlowControl()
        subscription.consumers.add(changed.set)
        try:
            while True:
                changed.clear()
                lease_seconds = subscription.backlog.policy.ack_deadline
                count = min(request.max_messages, limits.MAX_PULL_MESSAGES)
                allowed = PullLimits(count, limits.MAX_PULL_BYTES, lease_seconds)
                if self._pullable(request.subscription) is not subscription:
                    # It was deleted, and created again with the same name.
                    raise NotFound(request.subscription)
                messages = await receive(self._broker, subscription, allowed, flow)
                if messages or not await _is_set_before(until, changed):
                    return PullResponse(received_messages=messages)
        finally:
            subscription.consumers.discard(changed.set)
            flow.close(subscription.backlog)

    async def streaming_pull(self, context: Context) -> None:
        """Serve one stream: see pull/streaming_pull.py."""

        def find(name: str) -> Subscription:
            limits.check_name(name, "subscriptions")
            return self._pullable(name)

        await serve_stream(self._broker, find, context)

    async def acknowledge(self, request: RequestPb, _: Context) -> ResponsePb:
        """Acknowledge messages; return once the acks are on disk.

        An ack id whose lease has ended is ignored. With exactly-once delivery, InvalidAckIds is raised for
        such ack ids, and for acks out of order, after the messages of all other ack ids were acknowledged.
        """
        limits.check_ack_request(request)
        subscription = self._attached(request.subscription)
        resolved = acknowledge(self._broker, subscription, request.ack_ids)
        await self._broker.journal.commit()
        if (resolved.invalid or resolved.unordered) and subscription.exactly_once:
            raise InvalidAckIds(resolved.invalid, resolved.unordered)
        return Empty()

    async def modify_ack_deadline(self, request: RequestPb, _: Context) -> ResponsePb:
        """Set how many seconds leases last from now on; 0 nacks their messages."""
        limits.check_ack_request(request)
        subscription = self._attached(request.subscription)
        seconds = request.ack_deadline_seconds
        limits.check_between("ack deadline", seconds, limits.MODIFIED_ACK_DEADLINE)
        resolved = find_leases(subscription, request.ack_ids)
        modify_deadlines(self._broker, subscription, [(lease, seconds) for lease in resolved.leases])
        if resolved.invalid and subscription.exactly_once:
            raise InvalidAckIds(resolved.invalid)
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
                f"This method is not supported for export subscriptions (subscription={name})."
            )
        return subscription


def _pull_wait(context: Context) -> float:
    """Return how long a pull may wait for a first message, in seconds."""
    # time_remaining returns None if the caller set no deadline, although grpc's type stubs declare a float.
    remaining = cast("float | None", context.time_remaining())
    if remaining is None:
        return MAX_PULL_WAIT
    return min(MAX_PULL_WAIT, max(remaining - _DEADLINE_MARGIN, remaining / 2))


async def _is_set_before(until: float, event: asyncio.Event) -> bool:
    """Wait for the event; return False if it is not set before ``until``, a time of the event loop."""
    waiting = asyncio.ensure_future(event.wait())
    loop = asyncio.get_running_loop()
    try:
        await asyncio.wait([waiting], timeout=max(0.0, until - loop.time()))
    finally:
        waiting.cancel()
    return event.is_set()
