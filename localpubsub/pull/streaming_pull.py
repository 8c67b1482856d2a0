"""Serves StreamingPull: sends messages within the subscriber's flow control, and receives acks and deadlines.

See StreamingPullRequest in google/pubsub/v1/pubsub.proto. The official clients use StreamingPull for every
subscriber with a callback.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from grpc import aio

from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import InvalidArgument, NotFound
from localpubsub.protocol.calls import Context
from localpubsub.protocol.messages import RequestPb, ResponsePb, StreamingPullResponse
from localpubsub.pull.ack_ids import ResolvedAckIds, acknowledge, find_leases, modify_deadlines
from localpubsub.pull.flow_control import FlowControl
from localpubsub.pull.receive import PullLimits, receive
from localpubsub.resources import limits

_log = logging.getLogger("localpubsub.pull.streaming_pull")


async def serve_stream(broker: Broker, find: Callable[[str], Subscription], context: Context) -> None:
    """Serve one stream until the subscriber ends it.

    Args:
        broker: the broker.
        find: returns a subscription by name; raises RequestRejected if it cannot be pulled.
        context: the stream's gRPC context.

    Raises:
        RequestRejected: a request of the stream is invalid, or the subscription can no longer be pulled.
    """
    first = await context.read()
    if first is aio.EOF:
        return
    limits.check_between("stream ack deadline", first.stream_ack_deadline_seconds, limits.ACK_DEADLINE)
    stream = _Stream(broker, find(first.subscription), context, first)
    reader = asyncio.create_task(stream.read(first))
    try:
        await stream.write(reader, lambda: find(first.subscription))
    except (aio.InternalError, aio.UsageError) as error:
        # gRPC raises these if the subscriber has ended the stream, or lost its connection, during a write.
        _log.debug("stream_ended subscription=%s reason=%r", first.subscription, error)
    finally:
        stream.end()
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


def _check_later(request: RequestPb) -> None:
    """Reject a later request of a stream with a field that only the first one may set (pubsub.proto)."""
    for field in ("subscription", "max_outstanding_messages", "max_outstanding_bytes"):
        if getattr(request, field):
            raise InvalidArgument(f"Invalid {field} given: only the first request of a stream may set it.")


class _Stream:
    def __init__(
        self, broker: Broker, subscription: Subscription, context: Context, first: RequestPb
    ) -> None:
        self._broker = broker
        self._subscription = subscription
        self._context = context
        self._lease_seconds: float = first.stream_ack_deadline_seconds
        self._confirmations: deque[ResponsePb] = deque()
        self._changed = asyncio.Event()
        self._flow = FlowControl(
            first.max_outstanding_messages, first.max_outstanding_bytes, self._changed.set
        )
        subscription.consumers.add(self._changed.set)

    def end(self) -> None:
        """Deliver no further messages, and put those back of which the subscriber has confirmed no receipt.

        The official clients confirm every message at once, by modifying its ack deadline. So the other
        messages did not reach the subscriber. This is not counted as an attempt, because they were neither
        nacked nor did their ack deadline pass. A confirmed message stays leased until its ack deadline.
        """
        subscription = self._subscription
        subscription.consumers.discard(self._changed.set)
        self._flow.close(subscription.backlog)
        for lease in self._flow.unconfirmed():
            self._broker.cancel_delivery(subscription, lease)
        subscription.wake()

    async def write(self, reader: asyncio.Task[None], check: Callable[[], Subscription]) -> None:
        """Send confirmations, and ready messages within the flow control, until ``reader`` is done.

        ``check`` raises RequestRejected when the subscription can no longer be pulled.
        """
        reader.add_done_callback(lambda _: self._changed.set())
        # The first response has no messages, only the properties of the subscription (see pubsub.proto).
        response = StreamingPullResponse()
        response.subscription_properties.SetInParent()
        await self._context.write(self._with_properties(response))
        while not reader.done():
            if check() is not self._subscription:  # It was deleted, and created again with the same name.
                raise NotFound(self._subscription.name)
            self._changed.clear()
            while self._confirmations:
                await self._context.write(self._with_properties(self._confirmations.popleft()))
            messages = await self._receive()
            if messages:
                self._subscription.consumers.end_turn(self._changed.set)
                response = StreamingPullResponse(received_messages=messages)
                await self._context.write(self._with_properties(response))
            else:
                await self._changed.wait()
        reader.result()

    async def read(self, request: RequestPb) -> None:
        """Apply the first ``request`` and all later ones until the subscriber ends the stream."""
        while request is not aio.EOF:
            self._apply_deadline(request)
            acknowledged = acknowledge(self._broker, self._subscription, request.ack_ids, allow_empty=True)
            modified = self._modify(request)
            if self._subscription.exactly_once:
                await self._confirm(acknowledged, modified)
            request = await self._context.read()
            if request is not aio.EOF:
                _check_later(request)

    def _apply_deadline(self, request: RequestPb) -> None:
        if request.stream_ack_deadline_seconds:
            limits.check_between(
                "stream ack deadline", request.stream_ack_deadline_seconds, limits.ACK_DEADLINE
            )
            self._lease_seconds = request.stream_ack_deadline_seconds

    def _modify(self, request: RequestPb) -> ResolvedAckIds:
        ack_ids, seconds = request.modify_deadline_ack_ids, request.modify_deadline_seconds
        if len(seconds) != len(ack_ids):
            raise InvalidArgument(
                "modify_deadline_seconds and modify_deadline_ack_ids must be of the same length."
            )
        modified, leases = ResolvedAckIds(), list[tuple[Lease, float]]()
        for text, duration in zip(ack_ids, seconds, strict=True):
            limits.check_between("ack deadline", duration, limits.MODIFIED_ACK_DEADLINE)
            resolved = find_leases(self._subscription, [text])
            leases += [(lease, duration) for lease in resolved.leases]
            modified.add(resolved)
        modify_deadlines(self._broker, self._subscription, leases)
        return modified

    async def _confirm(self, acknowledged: ResolvedAckIds, modified: ResolvedAckIds) -> None:
        """Confirm the acks and deadlines of an exactly-once subscriber, once they are on disk."""
        await self._broker.journal.commit()
        response = StreamingPullResponse()
        if acknowledged:
            response.acknowledge_confirmation.ack_ids[:] = acknowledged.valid
            response.acknowledge_confirmation.invalid_ack_ids[:] = acknowledged.invalid
            response.acknowledge_confirmation.unordered_ack_ids[:] = acknowledged.unordered
        if modified:
            response.modify_ack_deadline_confirmation.ack_ids[:] = modified.valid
            response.modify_ack_deadline_confirmation.invalid_ack_ids[:] = modified.invalid
        if acknowledged or modified:
            self._confirmations.append(response)
            self._changed.set()

    def _with_properties(self, response: ResponsePb) -> ResponsePb:
        """Add the subscription properties, which the official clients read from every response."""
        if self._subscription.exactly_once:
            response.subscription_properties.exactly_once_delivery_enabled = True
        if self._subscription.ordered:
            response.subscription_properties.message_ordering_enabled = True
        return response

    async def _receive(self) -> list[ResponsePb]:
        messages, size = self._flow.allowed(limits.MAX_PULL_BYTES)
        if not messages:
            return []
        allowed = PullLimits(messages, size, self._lease_seconds)
        return await receive(self._broker, self._subscription, allowed, self._flow)
