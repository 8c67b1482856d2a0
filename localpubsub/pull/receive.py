"""Leases messages and encodes them as the ReceivedMessages of a Pull or StreamingPull response."""

import asyncio
from dataclasses import dataclass

from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import READ_RETRY_DELAY, Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import StoreFailure
from localpubsub.protocol.messages import ReceivedMessage, ResponsePb
from localpubsub.pull.ack_ids import ack_id
from localpubsub.pull.flow_control import FlowControl


@dataclass(frozen=True, slots=True)
class PullLimits:
    """The limits of one response, and how long its messages are leased."""

    max_messages: int  #: The maximum number of messages.
    max_bytes: int  #: The maximum total size in bytes; a single larger message is still delivered.
    lease_seconds: float  #: How long the messages are leased, in seconds.


async def receive(
    broker: Broker, subscription: Subscription, limits: PullLimits, flow: FlowControl
) -> list[ResponsePb]:
    """Lease ready messages within ``limits``, and return their ReceivedMessages.

    A message whose lease ends before the return, for example by a seek, is left out. If the caller is
    cancelled, the deliveries are undone.

    Raises:
        StoreFailure: the first message could not be read.
    """
    response = _Response(broker, subscription, limits, flow)
    try:
        while await response.add_next():
            continue
    except asyncio.CancelledError:
        response.cancel_deliveries()
        raise
    return response.messages()


class _Response:
    """The messages of one response while it is made."""

    def __init__(
        self, broker: Broker, subscription: Subscription, limits: PullLimits, flow: FlowControl
    ) -> None:
        self._broker = broker
        self._subscription = subscription
        self._limits = limits
        self._flow = flow
        self._messages: dict[Lease, ResponsePb] = {}
        self._reading: Lease | None = None  #: The lease whose message is being read.
        self._size = 0

    async def add_next(self) -> bool:
        """Add the next ready message; return False if the response is complete."""
        broker, subscription, limits = self._broker, self._subscription, self._limits
        if len(self._messages) >= limits.max_messages:
            return False
        lease = self._reading = broker.deliver(subscription, limits.lease_seconds, self._flow)
        if lease is None:
            return False
        self._flow.add(lease)
        try:
            record = await broker.record(subscription, lease)
        except StoreFailure:
            broker.cancel_delivery(subscription, lease, READ_RETRY_DELAY)
            if self._messages:
                return False
            raise
        if record is None:
            broker.acknowledge_missing(subscription, lease)
            return True
        self._size += len(record)
        if self._size > limits.max_bytes and self._messages:
            broker.cancel_delivery(subscription, lease)
            return False
        self._flow.set_size(lease, len(record))
        self._messages[lease] = _received_message(subscription, lease, record)
        return True

    def cancel_deliveries(self) -> None:
        """Put the messages back into the backlog, the last one first."""
        for lease in (self._reading, *reversed(self._messages)):
            if lease is not None:
                self._broker.cancel_delivery(self._subscription, lease)

    def messages(self) -> list[ResponsePb]:
        """Return the ReceivedMessages of the leases that have not ended."""
        return [message for lease, message in self._messages.items() if self._subscription.is_current(lease)]


def _received_message(subscription: Subscription, lease: Lease, record: bytes) -> ResponsePb:
    message = ReceivedMessage(ack_id=ack_id(subscription, lease))
    message.message.MergeFromString(record)
    if (attempt := subscription.delivery_attempt(lease)) is not None:
        message.delivery_attempt = attempt
    return message
