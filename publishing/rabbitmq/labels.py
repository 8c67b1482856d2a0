"""Keeps the labels of a topic in RabbitMQ, which has none itself: as the only message of a queue.

The queue `TOPIC.labels` has the maximum length 1, so that a new message replaces the one before. Who reads
the labels takes the message and returns it at once.
"""

import json
from collections.abc import Mapping
from concurrent.futures import Future

import pika
from pika import spec

from contract.broker_url import BrokerAddress
from publishing.rabbitmq.confirms import NotConfirmed
from publishing.rabbitmq.connection import describe_failure

MAX_LABELS_BYTES = 100_000  #: maximum size of the message; 64 labels have less than 10 kB


class NoLabels(Exception):
    """The labels cannot be read; the text says why."""


def labels_queue(topic: str) -> str:
    """Return the name of the queue with the labels of a topic, and of its exchange."""
    return f"{topic}.labels"


def encode_labels(labels: Mapping[str, str]) -> bytes:
    """Return the labels as the body of a message."""
    return json.dumps(dict(labels), sort_keys=True).encode()


def decode_labels(body: bytes) -> dict[str, str]:
    """Return the labels of a message.

    Raises:
        NoLabels: if the body is not one that `encode_labels` has returned.
    """
    try:
        labels = json.loads(body) if len(body) <= MAX_LABELS_BYTES else None
    except ValueError:
        labels = None
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise NoLabels("the message in the queue of the labels is not one of Scrapeq's")
    return labels


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
