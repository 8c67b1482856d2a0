"""Declares the exchanges and queues of RabbitMQ, and checks those that exist.

- A topic is a durable exchange. That of the shards is of the type `headers`, since one of its queues takes
  only messages with the header `shard`; all others are of the type `fanout`.
- A subscription is a quorum queue. It moves a message to the dead-letter exchange after its deliveries, at
  least once: https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
- The labels of the jobs topic are a message of a queue (publishing/rabbitmq/labels.py).
- For each delay of the retry policy there is a queue without consumers, whose messages return to the
  subscription's queue at the end of their time. All messages of such a queue have the same time, so the first
  one is always the next to return (https://www.rabbitmq.com/docs/ttl#per-message-ttl-caveats).
- A subscription with partitions has a queue for each, behind an exchange of its name (partitions.py). The
  messages of its retry queues return to this exchange, and so into their partition.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pika
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel

from contract.broker_url import broker_address
from contract.topology import DEAD_LETTER_TOPIC, DISPATCH_TOPIC, JOBS_TOPIC, LEDGER_SUBSCRIPTIONS
from localpubsub.backlog.retry_policy import RetryPolicy
from publishing.message_id import new_message_id
from publishing.rabbitmq.connection import connection_parameters, describe_failure
from publishing.rabbitmq.labels import labels_queue, new_labels
from publishing.rabbitmq.wire import write_properties
from relay.broker import CannotRelay
from relay.rabbitmq.partitions import consumed_queues, refuse_other_number, relays_queue
from relay.subscriptions import Subscription

QUORUM: dict[str, object] = {"x-queue-type": "quorum"}
#: The delivery limit of a queue that keeps each message until it is acknowledged. Without one, RabbitMQ 4
#: drops a message after 20 returns: https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
#: RabbitMQ 4 documents -1 as no limit, but 3.10 accepts -1 and drops a message at its first return.
UNLIMITED = 2**31 - 1
#: Arguments of a queue that keeps each message until it is acknowledged.
KEPT: dict[str, object] = {**QUORUM, "x-delivery-limit": UNLIMITED}
#: At-least-once dead-lettering needs both of the other arguments; without it RabbitMQ moves messages at most
#: once, and loses those that no queue takes.
AT_LEAST_ONCE: dict[str, object] = {
    **QUORUM,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


@dataclass(frozen=True)
class Queue:
    """A queue.

    Attributes:
        name: its name.
        arguments: its arguments.
        exchange: the exchange that it is bound to; `""` if to none.
        header: the header that a message must have; `""` if the queue takes all.
        routing_keys: the routing keys of the messages that it takes from a direct exchange.
    """

    name: str
    arguments: dict[str, object]
    exchange: str = ""
    header: str = ""
    routing_keys: Sequence[str] = ("",)


def retry_queue(subscription: str, seconds: float) -> str:
    """Return the name of the queue in which messages wait for `seconds` until their next delivery."""
    return f"{subscription}.retry-{seconds:g}s"


def retry_delays(retry: RetryPolicy, max_attempts: int) -> list[float]:
    """Return the different delays between the deliveries of a message."""
    return sorted({retry.delay(failures) for failures in range(1, max_attempts)})


def queues_of(subscription: Subscription) -> Iterator[Queue]:
    """Yield the queue of a subscription, or those of its partitions, and its retry queues."""
    redelivery, name = subscription.redelivery, subscription.name
    if redelivery is None:
        yield Queue(name, KEPT, subscription.topic, subscription.attribute)
        return
    arguments: dict[str, object] = {
        **AT_LEAST_ONCE,
        "x-dead-letter-exchange": DEAD_LETTER_TOPIC,
        # The first delivery is not counted.
        "x-delivery-limit": redelivery.max_attempts - 1,
    }
    if redelivery.single_active or redelivery.partitions > 1:
        arguments["x-single-active-consumer"] = True
    if redelivery.partitions > 1:
        for partition, keys in consumed_queues(subscription).items():
            yield Queue(partition, arguments, name, routing_keys=keys)
        yield Queue(relays_queue(subscription), QUORUM)
        back = {"x-dead-letter-exchange": name}
    else:
        yield Queue(name, arguments, subscription.topic, subscription.attribute)
        back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name}
    for seconds in retry_delays(redelivery.retry, redelivery.max_attempts):
        milliseconds = {"x-message-ttl": max(1, round(1000 * seconds))}
        retry = retry_queue(name, seconds)
        exchange = retry if redelivery.partitions > 1 else ""
        yield Queue(retry, {**AT_LEAST_ONCE, **back, **milliseconds}, exchange)


def retry_exchanges(subscription: Subscription) -> list[str]:
    """Return the exchanges of the retry queues of a subscription with partitions; none without partitions."""
    redelivery = subscription.redelivery
    if redelivery is None or redelivery.partitions == 1:
        return []
    delays = retry_delays(redelivery.retry, redelivery.max_attempts)
    return [retry_queue(subscription.name, seconds) for seconds in delays]


@contextmanager
def _connection(url: str, name: str) -> Iterator[pika.BlockingConnection]:
    connection = pika.BlockingConnection(connection_parameters(url, name))
    try:
        yield connection
    finally:
        if connection.is_open:
            connection.close()


def create(url: str, subscriptions: Iterable[Subscription]) -> list[str]:
    """Declare exchanges, queues and bindings; those that exist are kept. Return the names of the queues.

    Raises:
        CannotRelay: if RabbitMQ refuses, for example because a queue exists with other arguments, or if a
            subscription exists with another number of partitions.
    """
    address, listed = broker_address(url), list(subscriptions)
    queues = [queue for subscription in listed for queue in queues_of(subscription)]
    try:
        with _connection(url, "scrapeq relay --create") as connection:
            for subscription in listed:
                refuse_other_number(connection, address, subscription)
            _create_labels(connection)
            _create_queues(connection.channel(), listed, queues)
    except (exceptions.AMQPError, OSError) as error:
        raise CannotRelay(describe_failure(address, error)) from None
    return [queue.name for queue in queues] + [labels_queue(JOBS_TOPIC)]


def _create_queues(
    channel: BlockingChannel, subscriptions: Iterable[Subscription], queues: Sequence[Queue]
) -> None:
    for topic in LEDGER_SUBSCRIPTIONS:
        channel.exchange_declare(topic, "headers" if topic == DISPATCH_TOPIC else "fanout", durable=True)
    partitioned = [each for each in subscriptions if each.redelivery and each.redelivery.partitions > 1]
    for subscription in partitioned:
        channel.exchange_declare(subscription.name, "direct", durable=True)
        for exchange in retry_exchanges(subscription):
            channel.exchange_declare(exchange, "fanout", durable=True)
    for queue in reversed(queues):  # so the first partition exists only if all do
        channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)
    for queue in queues:
        if queue.exchange:
            header = {"x-match": "all", queue.header: None} if queue.header else {"x-match": "all"}
            arguments = header if queue.exchange == DISPATCH_TOPIC else None
            for key in queue.routing_keys:
                channel.queue_bind(queue.name, queue.exchange, key, arguments)
    for subscription in partitioned:
        channel.exchange_bind(subscription.name, subscription.topic)


def _create_labels(connection: pika.BlockingConnection) -> None:
    """Create the queue of the labels, with a message that has none; do nothing if it exists."""
    name, channel = labels_queue(JOBS_TOPIC), connection.channel()
    try:
        connection.channel().queue_declare(name, passive=True)
    except exceptions.ChannelClosedByBroker as error:
        if error.reply_code != 404:
            raise
        channel.confirm_delivery()
        channel.exchange_declare(name, "fanout", durable=True)
        channel.queue_declare(name, durable=True, arguments=KEPT)
        channel.queue_bind(name, name)
        empty = new_labels({})
        properties = write_properties(empty, new_message_id())
        channel.basic_publish(name, "", empty.data, properties, mandatory=True)


def check(url: str, subscription: Subscription) -> None:
    """Check that the queues exist with the same arguments, and that messages can be moved.

    Raises:
        CannotRelay: if a queue is missing, or neither durable nor a quorum queue, if the subscription has
            another number of partitions, if the user may not publish to retry queues and the dead-letter
            exchange, or if RabbitMQ cannot be reached. A user without the permission to configure can only
            see whether a queue exists.
    """
    address = broker_address(url)
    try:
        with _connection(url, "scrapeq relay") as connection:
            refuse_other_number(connection, address, subscription)
            for queue in queues_of(subscription):
                connection.channel().queue_declare(queue.name, passive=True)
                try:
                    connection.channel().queue_declare(queue.name, durable=True, arguments=queue.arguments)
                except exceptions.ChannelClosedByBroker as error:
                    if error.reply_code != 403:
                        raise
            _check_exchanges(connection.channel(), subscription)
    except (exceptions.AMQPError, OSError) as error:
        raise CannotRelay(describe_failure(address, error)) from None


def _check_exchanges(channel: BlockingChannel, subscription: Subscription) -> None:
    """Publish in a transaction that is rolled back: https://www.rabbitmq.com/docs/semantics#tx.

    Without this permission, each message that is to be moved would close the channel, which costs every
    message that was received an attempt.
    """
    retry = retry_exchanges(subscription)
    if retry:
        channel.exchange_declare(subscription.name, passive=True)
    channel.tx_select()
    for exchange in ("", DEAD_LETTER_TOPIC, *retry):
        channel.basic_publish(exchange, "", b"")
    channel.tx_rollback()
