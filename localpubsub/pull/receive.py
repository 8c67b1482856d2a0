"""Leases messages and encodes them as the ReceivedMessages of a Pull or StreamingPull response."""

from dataclasses import dataclass, field

from localpubsub.backlog.lease import Lease, LeaseHolder, ack_id
from localpubsub.broker.broker import READ_RETRY_DELAY, Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import StoreFailure
from localpubsub.protocol.messages import ReceivedMessage, ResponsePb


@dataclass(slots=True)
class Received:
    """The messages of one response."""

    messages: list[ResponsePb] = field(default_factory=list)  #: ReceivedMessage protobufs.
    sizes: dict[int, int] = field(default_factory=dict)  #: Message id → size of the encoded message in bytes.


@dataclass(frozen=True, slots=True)
class PullLimits:
    """The limits of one response, and how long its messages are leased."""

    max_messages: int  #: The maximum number of messages.
    max_bytes: int  #: The maximum total size in bytes; a single larger message is still delivered.
    lease_seconds: float  #: How long the messages are leased, in seconds.


async def receive(
    broker: Broker, subscription: Subscription, limits: PullLimits, holder: LeaseHolder | None = None
) -> Received:
    """Lease ready messages within ``limits``; the result is empty if no message is ready.

    Raises:
        StoreFailure: the first message could not be read.
    """
    received = Received()
    size = 0
    while len(received.messages) < limits.max_messages:
        lease = broker.deliver(subscription, limits.lease_seconds, holder)
        if lease is None:
            break
        try:
            record = await broker.record(subscription, lease.message_id)
        except StoreFailure:
            broker.cancel_delivery(subscription, lease, READ_RETRY_DELAY)
            if received.messages:
                break
            raise
        if record is None:
            broker.acknowledge_missing(subscription, lease)
            continue
        size += len(record)
        if size > limits.max_bytes and received.messages:
            broker.cancel_delivery(subscription, lease)
            break
        received.messages.append(_received_message(subscription, lease, record))
        received.sizes[lease.message_id] = len(record)
    return received


def _received_message(subscription: Subscription, lease: Lease, record: bytes) -> ResponsePb:
    message = ReceivedMessage(ack_id=ack_id(subscription.number, lease))
    message.message.MergeFromString(record)
    if (attempt := subscription.delivery_attempt(lease)) is not None:
        message.delivery_attempt = attempt
    return message
