"""Messages leased and put into the shape in which a pull or a stream answers."""

from dataclasses import dataclass, field

from localpubsub.backlog.lease import Lease, LeaseHolder, ack_id
from localpubsub.broker.broker import UNREADABLE, Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import StoreFailure
from localpubsub.protocol.messages import ReceivedMessage, ResponsePb


@dataclass(slots=True)
class Received:
    """What one answer carries."""

    messages: list[ResponsePb] = field(default_factory=list)  #: ReceivedMessage
    sizes: dict[int, int] = field(default_factory=dict)  #: message id → bytes of its record


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the subscriber can take."""

    messages: int  #: at most
    size: int  #: bytes at most; one message that is larger than all of it is let through
    seconds: float  #: the lease


async def receive(
    broker: Broker, subscription: Subscription, wanted: Wanted, holder: LeaseHolder | None = None
) -> Received:
    """Lease what is ready and wanted, maybe nothing; StoreFailure when not even one could be read."""
    received = Received()
    size = 0
    while len(received.messages) < wanted.messages:
        lease = broker.deliver(subscription, wanted.seconds, holder)
        if lease is None:
            break
        try:
            record = await broker.record(subscription, lease.message_id)
        except StoreFailure:
            broker.cancel_delivery(subscription, lease, UNREADABLE)
            if received.messages:
                break
            raise
        if record is None:
            broker.acknowledge_missing(subscription, lease)
            continue
        size += len(record)
        if size > wanted.size and received.messages:
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
