"""Declares the exchanges and queues of RabbitMQ, and checks those that exist.

- A topic is a durable exchange. That of the shards is of the type `headers`, since one of its queues takes
  only messages with the header `shard`; all others are of the type `fanout`.
- A subscription is a quorum queue. It moves a message to the dead-letter exchange after its deliveries, at
  least once: https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
- The labels of the jobs topic are a message of a queue (publishing/rabbitmq/labels.py).
- For each delay of the retry policy there is a queue without consumers, whose messages return to the
  subscription's queue at the end of their time. All messages of such a queue have the same time, so the first
  one is always the next to return (https://www.rabbitmq.com/docs/ttl#per-message-ttl-caveats).
"""

from collections.abc import Iterable, Iterator
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
from relay.subscriptions import Subscription

QUORUM: dict[str, object] = {"x-queue-type": "quorum"}
#: The delivery limit of a queue that keeps each message until it is acknowledged. Without one, RabbitMQ 4
#: drops a message after 20 returns: https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
#: RabbitMQ 4 documents -1 as no limit, but 3.10 accepts -1 and drops a message at its first return.
UNLIMITED = 2**31 - 1
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
        topic: the exchange that it is bound to; `""` if to none.
        header: the header that a message must have; `""` if the queue takes all.
    """

    name: str
    arguments: dict[str, object]
    topic: str = ""
    header: str = ""


def retry_queue(subscription: str, seconds: float) -> str:
    """Return the name of the queue in which messages wait for `seconds` until their next delivery."""
    return f"{subscription}.retry-{seconds:g}s"


def retry_delays(retry: RetryPolicy, max_attempts: int) -> list[float]:
    """Return the different delays between the deliveries of a message."""
    return sorted({retry.delay(failures) for failures in range(1, max_attempts)})


def queues_of(subscription: Subscription) -> Iterator[Queue]:
    """Yield the queue of a subscription, and its retry queues."""
    redelivery = subscription.redelivery
    if redelivery is None:
        kept: dict[str, object] = {**QUORUM, "x-delivery-limit": UNLIMITED}
        yield Queue(subscription.name, kept, subscription.topic, subscription.attribute)
        return
    arguments: dict[str, object] = {
        **AT_LEAST_ONCE,
        "x-dead-letter-exchange": DEAD_LETTER_TOPIC,
        # The first delivery is not counted.
        "x-delivery-limit": redelivery.max_attempts - 1,
    }
    if redelivery.single_active:
        arguments["x-single-active-consumer"] = True
    yield Queue(subscription.name, arguments, subscription.topic, subscription.attribute)
    for seconds in retry_delays(redelivery.retry, redelivery.max_attempts):
        back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": subscription.name}
        milliseconds = {"x-message-ttl": max(1, round(1000 * seconds))}
        yield Queue(retry_queue(subscription.name, seconds), {**AT_LEAST_ONCE, **back, **milliseconds})


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
        CannotRelay: if RabbitMQ refuses, for example because a queue exists with other arguments.
    """
    address = broker_address(url)
    queues = [queue for subscription in subscriptions for queue in queues_of(subscription)]
    try:
        with _connection(url, "scrapeq relay --create") as connection:
            channel = connection.channel()
            _create_labels(connection)
            for topic in LEDGER_SUBSCRIPTIONS:
                kind = "headers" if topic == DISPATCH_TOPIC else "fanout"
                channel.exchange_declare(topic, kind, durable=True)
            for queue in queues:
                channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)
                if queue.topic:
                    header = {"x-match": "all", queue.header: None} if queue.header else {"x-match": "all"}
                    is_filtered = queue.topic == DISPATCH_TOPIC
                    channel.queue_bind(queue.name, queue.topic, arguments=header if is_filtered else None)
    except (exceptions.AMQPError, OSError) as error:
        raise CannotRelay(describe_failure(address, error)) from None
    return [queue.name for queue in queues] + [labels_queue(JOBS_TOPIC)]


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
        kept = {**QUORUM, "x-delivery-limit": UNLIMITED}
        channel.queue_declare(name, durable=True, arguments=kept)
        channel.queue_bind(name, name)
        empty = new_labels({})
        properties = write_properties(empty, new_message_id())
        channel.basic_publish(name, "", empty.data, properties, mandatory=True)


def check(url: str, queues: list[Queue]) -> None:
    """Check that the queues exist with the same arguments, and that messages can be moved.

    Raises:
        CannotRelay: if a queue is missing, or neither durable nor a quorum queue, or if the user may not
            publish to retry queues and the dead-letter exchange, or if RabbitMQ cannot be reached. A user
            without the permission to configure can only see whether a queue exists.
    """
    address = broker_address(url)
    try:
        with _connection(url, "scrapeq relay") as connection:
            for queue in queues:
                connection.channel().queue_declare(queue.name, passive=True)
                try:
                    connection.channel().queue_declare(queue.name, durable=True, arguments=queue.arguments)
                except exceptions.ChannelClosedByBroker as error:
                    if error.reply_code != 403:
                        raise
            _check_write_permission(connection.channel())
    except (exceptions.AMQPError, OSError) as error:
        raise CannotRelay(describe_failure(address, error)) from None


def _check_write_permission(channel: BlockingChannel) -> None:
    """Publish in a transaction that is rolled back: https://www.rabbitmq.com/docs/semantics#tx.

    Without this permission, each message that is to be moved would close the channel, which costs every
    message that was received an attempt.
    """
    channel.tx_select()
    for exchange in ("", DEAD_LETTER_TOPIC):
        channel.basic_publish(exchange, "", b"")
    channel.tx_rollback()
