"""Receives the messages of one queue of RabbitMQ over a channel of its own, and settles them there.

A message that is returned for a further attempt is published to a retry queue, and acknowledged after
RabbitMQ has confirmed that. RabbitMQ cannot delay a message in its queue, before version 4.3. If the relay
ends in between, the message is in both queues: it may be delivered twice, and is never lost.

A quorum queue counts the returns of a message (`x-delivery-count`), but only of one copy. So a copy carries
the number of deliveries before it (`publishing/rabbitmq/wire.py`). Before version 4.3 `basic.nack` counts as
well, so a message that is released is copied, too: https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import pika

from contract.broker_url import BrokerAddress
from contract.topology import DEAD_LETTER_TOPIC
from publishing.message_id import new_message_id
from publishing.publisher import Message
from publishing.rabbitmq import wire
from publishing.rabbitmq.confirms import Confirms, NotConfirmed
from publishing.rabbitmq.connection import describe_failure
from relay.broker import Received
from relay.rabbitmq.acknowledgements import Acknowledgements
from relay.rabbitmq.native_dead_letter import with_reason
from relay.subscriptions import Subscription

_log = logging.getLogger("relay")


class Receipt(NamedTuple):
    """Which consumer has received a message, and the message's number in the consumer's channel."""

    consumer: "Consumer"
    tag: int


class Consumer:
    """The consumer of a queue.

    Args:
        channel: an open channel that nobody else uses.
        address: the address of RabbitMQ, for error messages.
        queue: the queue.
        subscription: the subscription to which the queue belongs.
        prefetch: maximum number of messages that were received and are not settled.
        take: is called with each message.
        subscribed: is called once RabbitMQ has accepted the consumer.
    """

    def __init__(
        self,
        channel: pika.channel.Channel,
        address: BrokerAddress,
        queue: str,
        subscription: Subscription,
        prefetch: int,
        take: Callable[[Received], None],
        subscribed: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._queue = queue
        self._is_dead_letter_queue = subscription.topic == DEAD_LETTER_TOPIC
        self._counts_attempts = subscription.redelivery is not None
        self._take = take
        self._acknowledgements = Acknowledgements(channel)
        self._confirms = Confirms()
        self._is_cancelled = False
        self._tasks: set[asyncio.Task[None]] = set()
        channel.add_on_close_callback(lambda _, error: self._confirms.fail(describe_failure(address, error)))
        channel.add_on_cancel_callback(lambda _: channel.close(404, f"queue {queue} was deleted"))
        channel.add_on_return_callback(
            lambda _channel, method, found, _body: self._confirms.return_message(method, found)
        )
        channel.confirm_delivery(self._confirms.confirm, lambda _: None)
        channel.basic_qos(prefetch_count=prefetch)
        self._tag = channel.basic_consume(queue, self._on_message, callback=lambda _: subscribed())

    @property
    def is_open(self) -> bool:
        """Whether the messages that it has received still belong to it."""
        return bool(self._channel.is_open)

    async def cancel(self) -> None:
        """Receive nothing more; return once RabbitMQ has confirmed it. A second call does nothing."""
        if not self.is_open or self._is_cancelled:
            return
        self._is_cancelled = True
        cancelled = asyncio.Event()
        self._channel.add_on_close_callback(lambda *_: cancelled.set())
        self._channel.basic_cancel(self._tag, lambda _: cancelled.set())
        await cancelled.wait()

    def send_acknowledgements(self) -> None:
        """Send the acknowledgements that are due at the end of this turn of the event loop."""
        self._acknowledgements.send()

    def acknowledge(self, received: Received) -> None:
        """See `relay.broker.Broker.acknowledge`."""
        if self.is_open:
            self._acknowledgements.acknowledge(receipt_of(received).tag)
        else:
            _log.warning("acknowledgement_lost message_id=%s: it is delivered again", received.message_id)

    async def release(self, received: Received) -> None:
        """See `relay.broker.Broker.release`."""
        if self._counts_attempts:
            await self.move(received, "", self._queue, received.attempt - 1)
        elif self.is_open:
            self._acknowledgements.reject(receipt_of(received).tag)

    async def move(
        self,
        received: Received,
        exchange: str,
        queue: str,
        attempts: int,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Publish a copy of a message, and acknowledge the message after RabbitMQ has confirmed the copy.

        Args:
            received: the message.
            exchange: where the copy is published; `""` if it goes to a queue.
            queue: the queue; `""` if the copy goes to an exchange.
            attempts: the number of deliveries that the copy has had.
            attributes: attributes that the copy has in addition.
        """
        message = received.message
        if attributes:
            message = message._replace(attributes={**message.attributes, **attributes})
        properties = wire.properties(message, received.message_id, received.published_at, attempts)
        await self._publish_and_acknowledge(
            receipt_of(received).tag, exchange, queue, message.data, properties
        )

    async def _publish_and_acknowledge(
        self, tag: int, exchange: str, queue: str, body: bytes, properties: pika.BasicProperties
    ) -> None:
        if not self.is_open:
            return  # the message has returned to its queue
        confirmed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._confirms.add(properties.message_id, confirmed)
        self._channel.basic_publish(exchange, queue, body, properties, mandatory=True)
        try:
            await confirmed
        except NotConfirmed as error:
            where = exchange or queue
            _log.error("message_not_moved message_id=%s to=%s: %s", properties.message_id, where, error)
            if self.is_open:
                self._acknowledgements.reject(tag)
        else:
            self._acknowledgements.acknowledge(tag)

    def _on_message(
        self,
        _: pika.channel.Channel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        tag = method.delivery_tag
        self._acknowledgements.add(tag)
        try:
            stored = wire.read(body, properties)
        except wire.ForeignMessage as error:
            self._dead_letter_foreign(tag, properties, body, str(error))
            return
        if self._is_dead_letter_queue:
            stored = with_reason(stored, properties.headers or {})
        receipt = Receipt(self, tag)
        self._take(
            Received(stored.message, stored.message_id, stored.published_at, stored.attempts + 1, receipt)
        )

    def _dead_letter_foreign(
        self, tag: int, properties: pika.BasicProperties, body: bytes, why: str
    ) -> None:
        """Move a message of another program to the dead-letter topic, with its bytes and the reason."""
        detail = f"the message in queue {self._queue} is not one of Scrapeq's publishers: {why}"
        _log.error("foreign_message_dead_lettered queue=%s: %s", self._queue, why)
        attributes = {"reason": "bad_envelope", "detail": detail, "attempt": "1"}
        copy = wire.write_properties(Message(b"", attributes), new_message_id())
        copy.content_type = properties.content_type
        task = asyncio.get_running_loop().create_task(
            self._publish_and_acknowledge(tag, DEAD_LETTER_TOPIC, "", body, copy)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def receipt_of(received: Received) -> Receipt:
    """Return the receipt of a message that a consumer has received."""
    return cast("Receipt", received.receipt)
