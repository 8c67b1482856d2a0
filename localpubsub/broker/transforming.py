"""Applies the message transforms of a subscription to a message that is delivered."""

import logging
from typing import Final, Protocol

from localpubsub.backlog.lease import Lease
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.transformer import Transformer
from localpubsub.errors import TransformFailed
from localpubsub.log_throttle import LogThrottle

#: Seconds after which a message that cannot be transformed is delivered again, if no policy limits its
#: deliveries.
RETRY_DELAY: Final = 1.0

_throttle: Final = LogThrottle(logging.getLogger("localpubsub.broker.transforming"))


class Deliveries(Protocol):
    """The part of a broker that ends deliveries; see Broker."""

    def acknowledge(self, subscription: Subscription, lease: Lease) -> None:
        """Acknowledge a message."""

    def nack(self, subscription: Subscription, lease: Lease) -> None:
        """Nack a message."""

    def cancel_delivery(self, subscription: Subscription, lease: Lease, delay: float = 0.0) -> None:
        """Undo a delivery, so that it does not count."""


async def transformed(
    broker: Deliveries, subscription: Subscription, transformer: Transformer, lease: Lease, record: bytes
) -> bytes | None:
    """Return the transformed record, or None if the lease was ended here.

    A message that is filtered is acknowledged. One that cannot be transformed is nacked, so that the retry
    policy and the dead-letter policy apply to it; the dead letter is the original message.
    """
    try:
        result = await transformer.transform_record(record)
    except TransformFailed as error:
        _throttle.error("transform_failed", f"{subscription.name} message_id={lease.message_id}: {error}")
        policy = subscription.backlog.policy
        if policy.retry_policy is None and policy.dead_letter_policy is None:
            broker.cancel_delivery(subscription, lease, RETRY_DELAY)
        else:
            broker.nack(subscription, lease)
        return None
    if result is None:
        broker.acknowledge(subscription, lease)
    return result
