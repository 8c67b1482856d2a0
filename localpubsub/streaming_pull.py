"""One StreamingPull: messages down, acks and deadlines up, within the subscriber's flow control.

proto: StreamingPullRequest. The official clients use it for every subscriber that has a callback.
"""

import asyncio
from collections.abc import Callable

from grpc import aio

from localpubsub import limits
from localpubsub.broker import Broker
from localpubsub.errors import InvalidArgument
from localpubsub.lease import Lease, parse_ack_id
from localpubsub.received import Received, Wanted, receive
from localpubsub.rpc import Context
from localpubsub.subscription import Subscription
from localpubsub.wire import RequestPb, StreamingPullResponse

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
        await self._context.write(answer)
        while not reading.done():
            check()
            self._changed.clear()
            received = await self._receive()
            if received.messages:
                await self._context.write(StreamingPullResponse(received_messages=received.messages))
            else:
                await self._changed.wait()
        reading.result()

    async def read(self, request: RequestPb) -> None:
        """Apply every request, from the first, until the subscriber ends the stream."""
        while request is not aio.EOF:
            self._apply(request)
            request = await self._context.read()

    def _apply(self, request: RequestPb) -> None:
        if request.stream_ack_deadline_seconds:
            limits.check_between(
                "stream ack deadline", request.stream_ack_deadline_seconds, limits.ACK_DEADLINE
            )
            self._seconds = request.stream_ack_deadline_seconds
        for lease in self._leases(request.ack_ids):
            if lease is not None:
                self._broker.acknowledge(self._subscription, lease)
        seconds = request.modify_deadline_seconds
        if len(seconds) != len(request.modify_deadline_ack_ids):
            raise InvalidArgument(
                "modify_deadline_seconds and modify_deadline_ack_ids must be of the same length."
            )
        for lease, duration in zip(self._leases(request.modify_deadline_ack_ids), seconds, strict=True):
            limits.check_between("ack deadline", duration, limits.MODIFIED_ACK_DEADLINE)
            if lease is not None:
                self._broker.modify(self._subscription, lease, duration)

    def _leases(self, ack_ids: list[str]) -> list[Lease | None]:
        named = [parse_ack_id(text, self._subscription.number) for text in ack_ids]
        return [self._subscription.backlog.find(message_id, attempt) for message_id, attempt in named]

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
