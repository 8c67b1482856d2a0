"""Keeps the labels of a topic in RabbitMQ, which has none itself: as the message of the queue `TOPIC.labels`.

Who reads the labels takes the message and returns it. Who replaces them takes it, publishes another one, and
removes the first after RabbitMQ has confirmed the second. If it is killed in between, the queue has both;
then the newer one counts, and who takes both removes the older one. A time in the message says which one is
newer, and not its place in the queue: messages that are returned to a quorum queue follow each other in the
order of their return (https://github.com/rabbitmq/rabbitmq-server/issues/3776).
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import NamedTuple, Protocol

import pika
from pika import spec

from contract.broker_url import BrokerAddress
from publishing.label_record import decode_labels, encode_labels
from publishing.message_id import new_message_id
from publishing.publisher import Message
from publishing.rabbitmq import wire
from publishing.rabbitmq.confirms import Confirms, NotConfirmed
from publishing.rabbitmq.connection import describe_failure

CHANGED_MS = "changed_ms"  #: attribute with the time of the change, milliseconds since the epoch


class StoredLabels(NamedTuple):
    """The labels as a message has them; of two, the newer one is the greater one.

    Attributes:
        changed_ms: time of the change, milliseconds since the epoch; -1 if another program wrote the message.
        message_id: the message's id.
        record: the labels, encoded.
    """

    changed_ms: int
    message_id: str
    record: bytes

    @classmethod
    def read(cls, body: bytes, found: pika.BasicProperties) -> "StoredLabels":
        """Return what a message of the queue has."""
        try:
            message = wire.read(body, found).message
            return cls(int(message.attributes[CHANGED_MS]), found.message_id, body)
        except (wire.ForeignMessage, KeyError, ValueError):
            return cls(-1, "", body)

    @property
    def labels(self) -> dict[str, str]:
        """The labels.

        Raises:
            NoLabels: if the message is not one of `new_labels`.
        """
        return decode_labels(self.record)


class Access(Protocol):
    """`read_labels`, or `replace_labels` with its labels."""

    def __call__(
        self,
        connection: pika.SelectConnection,
        address: BrokerAddress,
        *,
        queue: str,
        result: Future[StoredLabels | None],
    ) -> None:
        """Read or replace the labels in the queue."""


def labels_queue(topic: str) -> str:
    """Return the name of the queue with the labels of a topic, and of its exchange."""
    return f"{topic}.labels"


def new_labels(labels: Mapping[str, str], replaced: StoredLabels | None = None) -> Message:
    """Return a message with labels that is newer than the one it replaces, also if the clock was set back."""
    changed_ms = int(1000 * time.time())
    if replaced is not None:
        changed_ms = max(changed_ms, replaced.changed_ms + 1)
    return Message(encode_labels(labels), {CHANGED_MS: str(changed_ms)})


def read_labels(
    connection: pika.SelectConnection,
    address: BrokerAddress,
    *,
    queue: str,
    result: Future[StoredLabels | None],
) -> None:
    """Read the labels from the queue, and leave them there; does not wait.

    Args:
        connection: an open connection, in its thread; a channel of its own is used.
        address: the address of RabbitMQ, for error messages.
        queue: the queue.
        result: is set to the labels, to None if another process has them at this moment, or to
            `NotConfirmed`. If it was cancelled, nothing is read.
    """

    def on_taken(channel: pika.channel.Channel, taken: _Taken | None) -> None:
        if taken is not None:
            channel.basic_nack(taken.delivery_tag, requeue=True)
        result.set_result(None if taken is None else taken.labels)
        channel.close()

    _take(connection, address, queue, result, on_taken)


def replace_labels(
    labels: Mapping[str, str],
    connection: pika.SelectConnection,
    address: BrokerAddress,
    *,
    queue: str,
    result: Future[StoredLabels | None],
) -> None:
    """Replace the labels in the queue; does not wait.

    Args:
        labels: the new labels.
        connection: as of `read_labels`.
        address: as of `read_labels`.
        queue: as of `read_labels`.
        result: is set to the labels that were replaced, once RabbitMQ has confirmed the new ones; to None if
            another process has the labels at this moment; or to `NotConfirmed`.
    """
    confirms, confirmed = Confirms(), Future[str]()

    def on_taken(channel: pika.channel.Channel, taken: _Taken | None) -> None:
        if taken is None:
            result.set_result(None)
            channel.close()
            return
        confirmed.add_done_callback(lambda _: on_confirmed(channel, taken))
        channel.add_on_return_callback(lambda _, method, found, __: confirms.return_message(method, found))
        channel.confirm_delivery(
            confirms.confirm, lambda _: publish(channel, new_labels(labels, taken.labels))
        )

    def publish(channel: pika.channel.Channel, message: Message) -> None:
        properties = wire.write_properties(message, new_message_id())
        confirms.add(properties.message_id, confirmed)
        channel.basic_publish(queue, "", message.data, properties, mandatory=True)

    def on_confirmed(channel: pika.channel.Channel, taken: _Taken) -> None:
        if error := confirmed.exception():
            channel.basic_nack(taken.delivery_tag, requeue=True)
            result.set_exception(error)
        else:
            channel.basic_ack(taken.delivery_tag)
            result.set_result(taken.labels)
        channel.close()

    _take(connection, address, queue, result, on_taken)


class _Taken(NamedTuple):
    """Labels that this process has and nobody else, until it acknowledges or returns their message."""

    labels: StoredLabels
    delivery_tag: int


def _take(
    connection: pika.SelectConnection,
    address: BrokerAddress,
    queue: str,
    result: Future[StoredLabels | None],
    on_taken: Callable[[pika.channel.Channel, _Taken | None], None],
) -> None:
    """Take the newest message of the queue over a new channel, remove all others, and call `on_taken`.

    If the channel is closed before `result` is done, this is set to `NotConfirmed`.
    """
    if not result.set_running_or_notify_cancel():
        return
    newest: _Taken | None = None

    def on_open(channel: pika.channel.Channel) -> None:
        channel.add_callback(lambda _: on_taken(channel, newest), [spec.Basic.GetEmpty])
        channel.basic_get(queue, on_message)

    def on_message(
        channel: pika.channel.Channel, method: spec.Basic.GetOk, found: pika.BasicProperties, body: bytes
    ) -> None:
        nonlocal newest
        taken = _Taken(StoredLabels.read(body, found), method.delivery_tag)
        if newest is None:
            newest = taken
        else:
            older, newest = sorted((newest, taken))
            channel.basic_ack(older.delivery_tag)
        channel.basic_get(queue, on_message)

    def on_close(_: pika.channel.Channel, error: Exception) -> None:
        if not result.done():
            result.set_exception(NotConfirmed(describe_failure(address, error), is_transient=True))

    connection.channel(on_open_callback=on_open).add_on_close_callback(on_close)
