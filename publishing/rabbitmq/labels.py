"""Keeps the labels of a topic in RabbitMQ, which has none itself: as the only message of a queue.

The queue `TOPIC.labels` has the maximum length 1, so that a new message replaces the one before. Who reads
the labels takes the message and returns it at once.
"""

from concurrent.futures import Future

import pika
from pika import spec

from contract.broker_url import BrokerAddress
from publishing.rabbitmq.confirms import NotConfirmed
from publishing.rabbitmq.connection import describe_failure


def labels_queue(topic: str) -> str:
    """Return the name of the queue with the labels of a topic, and of its exchange."""
    return f"{topic}.labels"


def read_labels(
    connection: pika.SelectConnection, address: BrokerAddress, queue: str, body: Future[bytes | None]
) -> None:
    """Read the message of the queue over a channel of its own, and leave it there; does not wait.

    Args:
        connection: an open connection, in its thread.
        address: the address of RabbitMQ, for error messages.
        queue: the queue.
        body: is set to the body, to None if another process has taken the message at this moment, or to
            `NotConfirmed`. If it was cancelled, nothing is read.
    """
    if not body.set_running_or_notify_cancel():
        return

    def on_open(channel: pika.channel.Channel) -> None:
        channel.add_callback(lambda _: finish(channel, None), [spec.Basic.GetEmpty])
        channel.basic_get(queue, on_message)

    def on_message(
        channel: pika.channel.Channel, method: spec.Basic.GetOk, _: pika.BasicProperties, found: bytes
    ) -> None:
        channel.basic_nack(method.delivery_tag, requeue=True)
        finish(channel, found)

    def finish(channel: pika.channel.Channel, found: bytes | None) -> None:
        body.set_result(found)
        channel.close()

    def on_close(_: pika.channel.Channel, error: Exception) -> None:
        if not body.done():
            body.set_exception(NotConfirmed(describe_failure(address, error), is_transient=True))

    connection.channel(on_open_callback=on_open).add_on_close_callback(on_close)
