"""Names the partitions of a subscription, and refuses another number of them than that which exists.

With partitions, a subscription is a direct exchange of its name, and a queue for each partition. The routing
key of a message is a slot, a hash of its ordering key (`publishing.rabbitmq.wire.routing_key`). Each queue is
bound to some slots. The queue of a retry delay is behind an exchange of its own, so that its messages keep
their routing key, and return by it into their partition.
"""

from itertools import count, takewhile

import pika
from pika import exceptions

from contract.broker_url import BrokerAddress
from publishing.rabbitmq.wire import SLOTS
from relay.broker import CannotRelay
from relay.subscriptions import Subscription

_INFIX = ".partition-"


def consumed_queues(subscription: Subscription) -> dict[str, list[str]]:
    """Return the queues that a relay consumes: that of the subscription, or its partitions.

    Each has the routing keys of its messages. A message without one is not of Scrapeq's publishers; it comes
    into the first partition, whose relay dead-letters it.
    """
    redelivery = subscription.redelivery
    if redelivery is None or redelivery.partitions == 1:
        return {subscription.name: [""]}
    partitions = redelivery.partitions
    queues = {
        _partition(subscription, number): [str(slot) for slot in range(number, SLOTS, partitions)]
        for number in range(partitions)
    }
    queues[_partition(subscription, 0)].append("")
    return queues


def relays_queue(subscription: Subscription) -> str:
    """Return the queue without messages whose consumers are the relays of a subscription with partitions."""
    return f"{subscription.name}.relays"


def subscription_name(queue: str) -> str:
    """Return the name of the subscription to which a queue belongs that relays consume."""
    return queue.partition(_INFIX)[0]


def refuse_other_number(
    connection: pika.BlockingConnection, address: BrokerAddress, subscription: Subscription
) -> None:
    """Check that a subscription has so many partitions as it should, or that it does not exist yet.

    Otherwise jobs would wait in queues that no relay consumes.

    Raises:
        CannotRelay: if it has another number.
    """
    if subscription.redelivery is None:
        return
    wanted = subscription.redelivery.partitions

    def exists(number: int) -> bool:
        return _exists(connection, _partition(subscription, number))

    if wanted == 1:
        is_other = exists(0)
    else:
        # The first partition is created last.
        is_incomplete = exists(0) and not exists(wanted - 1)
        is_other = _exists(connection, subscription.name) or exists(wanted) or is_incomplete
    if is_other:
        found = sum(1 for _ in takewhile(exists, count())) or 1
        raise CannotRelay(
            f"{subscription.name} of RabbitMQ at {address} was created with --partitions {found}, and not"
            f" {wanted}: give {found}, or change the number as docs/brokers.md says"
        )


def _partition(subscription: Subscription, number: int) -> str:
    return f"{subscription.name}{_INFIX}{number:02d}"


def _exists(connection: pika.BlockingConnection, queue: str) -> bool:
    channel = connection.channel()
    try:
        channel.queue_declare(queue, passive=True)
    except exceptions.ChannelClosedByBroker as error:
        if error.reply_code != 404:
            raise
        return False
    channel.close()
    return True
