"""One StreamingPull: messages down, acks and deadlines up, within the subscriber's flow control.

proto: StreamingPullRequest. The official clients use it for every subscriber that has a callback.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from grpc import aio

from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import InvalidArgument
from localpubsub.protocol.calls import Context
from localpubsub.protocol.messages import RequestPb, ResponsePb, StreamingPullResponse
from localpubsub.pull.ack_ids import ResolvedAckIds, find_leases
from localpubsub.pull.receive import Received, Wanted, receive
from localpubsub.resources import limits

#: Messages of one answer at most: a stream's answers should be small, for each is handled whole.
_ANSWER_MESSAGES = 500


async def stream(broker: Broker, find: Callable[[str], Subscription], context: Context) -> None:
    """Serve one stream until the subscriber ends it; Refusal for a wrong request."""
    first = await context.read()
    if first is aio.EOF:
        return
    limits.check_between("stream ack deadline", first.stream_ack_deadline_seconds, limits.ACK_DEADLINE)
    serving = _Stream(broker, find(first.subscription), context, first)
    reading = asyncio.create_task(serving.read(first))
    try:
        await serving.write(reading, lambda: find(first.subscription))
    finally:
        serving.end()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


class _Stream:
    def __init__(
        self, broker: Broker, subscription: Subscription, context: Context, first: RequestPb
    ) -> None:
        self._broker = broker
        self._subscription = subscription
        self._context = context
        self._seconds: float = first.stream_ack_deadline_seconds
        # 0 and less mean no limit.
        self._most_messages: float = (
            first.max_outstanding_messages if first.max_outstanding_messages > 0 else float("inf")
        )
        self._most_bytes: float = (
            first.max_outstanding_bytes if first.max_outstanding_bytes > 0 else float("inf")
        )
        self._outstanding: dict[int, int] = {}
        self._outstanding_bytes = 0
        self._confirmations: deque[ResponsePb] = deque()
        self._changed = asyncio.Event()
        subscription.consumers.add(self._changed.set)

    def end(self) -> None:
        """No further deliveries; what was delivered stays leased until its deadline."""
        self._subscription.consumers.discard(self._changed.set)

    def lease_ended(self, lease: Lease) -> None:
        """A message of this stream was acknowledged, refused or expired: it no longer counts."""
        self._outstanding_bytes -= self._outstanding.pop(lease.message_id, 0)
        self._changed.set()

    async def write(self, reading: asyncio.Task[None], check: Callable[[], Subscription]) -> None:
        """Send what is ready while there is room; ends with ``reading``."""
        reading.add_done_callback(lambda _: self._changed.set())
        # Sent first: it tells the client how the subscription delivers (proto: SubscriptionProperties).
        answer = StreamingPullResponse()
        answer.subscription_properties.SetInParent()
        await self._context.write(self._answer(answer))
        while not reading.done():
            check()
            self._changed.clear()
            while self._confirmations:
                await self._context.write(self._answer(self._confirmations.popleft()))
            received = await self._receive()
            if received.messages:
                answer = StreamingPullResponse(received_messages=received.messages)
                await self._context.write(self._answer(answer))
            else:
                await self._changed.wait()
        reading.result()

    async def read(self, request: RequestPb) -> None:
        """Apply every request, from the first, until the subscriber ends the stream."""
        while request is not aio.EOF:
            self._apply_deadline(request)
            acknowledged = find_leases(self._subscription, request.ack_ids, allow_none=True)
            for lease in acknowledged.leases:
                self._broker.acknowledge(self._subscription, lease)
            modified = self._modify(request)
            if self._subscription.exactly_once:
                await self._confirm(acknowledged, modified)
            request = await self._context.read()

    def _apply_deadline(self, request: RequestPb) -> None:
        if request.stream_ack_deadline_seconds:
            limits.check_between(
                "stream ack deadline", request.stream_ack_deadline_seconds, limits.ACK_DEADLINE
            )
            self._seconds = request.stream_ack_deadline_seconds

    def _modify(self, request: RequestPb) -> ResolvedAckIds:
        ack_ids, seconds = request.modify_deadline_ack_ids, request.modify_deadline_seconds
        if len(seconds) != len(ack_ids):
            raise InvalidArgument(
                "modify_deadline_seconds and modify_deadline_ack_ids must be of the same length."
            )
        modified = ResolvedAckIds()
        for text, duration in zip(ack_ids, seconds, strict=True):
            limits.check_between("ack deadline", duration, limits.MODIFIED_ACK_DEADLINE)
            named = find_leases(self._subscription, [text])
            for lease in named.leases:
                self._broker.modify_ack_deadline(self._subscription, lease, duration)
            modified.add(named)
        return modified

    async def _confirm(self, acknowledged: ResolvedAckIds, modified: ResolvedAckIds) -> None:
        """Tell an exactly-once subscriber which of its acks hold; after they are on disk."""
        await self._broker.journal.commit()
        answer = StreamingPullResponse()
        if acknowledged:
            answer.acknowledge_confirmation.ack_ids[:] = acknowledged.ack_ids
            answer.acknowledge_confirmation.invalid_ack_ids[:] = acknowledged.ended
        if modified:
            answer.modify_ack_deadline_confirmation.ack_ids[:] = modified.ack_ids
            answer.modify_ack_deadline_confirmation.invalid_ack_ids[:] = modified.ended
        if acknowledged or modified:
            self._confirmations.append(answer)
            self._changed.set()

    def _answer(self, answer: ResponsePb) -> ResponsePb:
        """With the properties that the official clients look for in every answer."""
        if self._subscription.exactly_once:
            answer.subscription_properties.exactly_once_delivery_enabled = True
        if self._subscription.ordered:
            answer.subscription_properties.message_ordering_enabled = True
        return answer

    async def _receive(self) -> Received:
        room = min(self._most_messages - len(self._outstanding), _ANSWER_MESSAGES)
        size = self._most_bytes - self._outstanding_bytes
        if room <= 0 or (size <= 0 and self._outstanding):
            return Received()
        wanted = Wanted(int(room), int(min(size, limits.MAX_PULL_BYTES)), self._seconds)
        received = await receive(self._broker, self._subscription, wanted, holder=self)
        for message_id, bytes_ in received.sizes.items():
            self._outstanding[message_id] = bytes_
            self._outstanding_bytes += bytes_
        return received
