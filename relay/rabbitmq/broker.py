"""Receives the messages of a quorum queue of RabbitMQ, and settles them.

A message that is returned for a further attempt is published to a retry queue, and acknowledged after
RabbitMQ has confirmed that. RabbitMQ cannot delay a message in its queue, before version 4.3. If the relay
ends in between, the message is in both queues: it may be delivered twice, and is never lost.

A quorum queue counts the returns of a message (`x-delivery-count`), but only of one copy. So a copy carries
the number of deliveries before it (`publishing/rabbitmq/wire.py`). Before version 4.3 `basic.nack` counts as
well, so a message that is released is copied, too: https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, cast

import pika

from contract.broker_url import broker_address
from contract.topology import DEAD_LETTER_TOPIC
from publishing.message_id import new_message_id
from publishing.publisher import Message
from publishing.rabbitmq import wire
from publishing.rabbitmq.confirms import Confirms, NotConfirmed
from publishing.rabbitmq.connection import connection_parameters, describe_failure
from relay.broker import CannotRelay, Received
from relay.rabbitmq.frames import Connection
from relay.rabbitmq.native_dead_letter import with_reason
from relay.rabbitmq.topology import check, queues_of, retry_queue
from relay.subscriptions import Subscription

RECONNECT_SECONDS = 1.0  #: pause before each further attempt to connect

_log = logging.getLogger("relay")


class Acknowledgements:
    """Acknowledges the messages of a channel, many with one frame.

    A frame for each message would cost a system call each. So those of one turn of the event loop are sent
    together; a frame with `multiple` acknowledges all messages up to one.

    Args:
        channel: the channel.
    """

    def __init__(self, channel: pika.channel.Channel) -> None:
        self.channel = channel
        self._settled: dict[int, bool] = {}
        self._is_due = False

    def add(self, tag: int) -> None:
        """Add a message that was received; `tag` is larger than those before."""
        self._settled[tag] = False

    def acknowledge(self, tag: int) -> None:
        """Acknowledge a message in this turn of the event loop."""
        self._settled[tag] = True
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self.send)

    def reject(self, tag: int) -> None:
        """Return a message to its queue."""
        del self._settled[tag]
        self.channel.basic_nack(tag, requeue=True)

    def send(self) -> None:
        """Send what is due."""
        self._is_due = False
        if not self.channel.is_open:
            return
        last = 0
        for tag, is_settled in self._settled.items():
            if not is_settled:
                break
            last = tag
        if last:
            self.channel.basic_ack(last, multiple=True)
        settled = [tag for tag, is_settled in self._settled.items() if is_settled]
        for tag in settled:
            del self._settled[tag]
            if tag > last:
                self.channel.basic_ack(tag)


class _Receipt(NamedTuple):
    """What acknowledges the messages of the channel that has received a message, and its number there."""

    acknowledgements: Acknowledgements
    tag: int


class RabbitMq:
    """A queue of RabbitMQ; see `relay.broker.Broker`.

    Args:
        url: BROKER_URL.
        subscription: the subscription.
        prefetch: maximum number of messages that were received and are not settled.
    """

    def __init__(self, url: str, subscription: Subscription, prefetch: int) -> None:
        self._url = url
        self._parameters = connection_parameters(url, f"scrapeq relay {subscription.name}")
        self._address = broker_address(url)
        self._queues = list(queues_of(subscription))
        self._queue = subscription.name
        self._is_dead_letter_queue = subscription.topic == DEAD_LETTER_TOPIC
        self._counts_attempts = subscription.redelivery is not None
        self._prefetch = prefetch
        self._take: Callable[[Received], None]
        self._connection: Connection | None = None
        self._channel: pika.channel.Channel | None = None
        self._acknowledgements: Acknowledgements
        self._confirms = Confirms()
        self._tag = ""
        self._is_closed = False
        self._started: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, take: Callable[[Received], None]) -> None:
        """See `Broker.start`."""
        await asyncio.to_thread(check, self._url, self._queues)
        self._take = take
        self._started = asyncio.get_running_loop().create_future()
        self._connect()
        await self._started

    async def stop_taking(self) -> None:
        """See `Broker.stop_taking`."""
        if self._channel is None or not self._channel.is_open:
            return
        cancelled = asyncio.Event()
        self._channel.add_on_close_callback(lambda *_: cancelled.set())
        self._channel.basic_cancel(self._tag, lambda _: cancelled.set())
        await cancelled.wait()

    async def close(self) -> None:
        """See `Broker.close`."""
        self._is_closed = True
        connection = self._connection
        if connection is None or connection.is_closed:
            return
        if self._channel is not None:
            self._acknowledgements.send()
        closed = asyncio.Event()
        connection.add_on_close_callback(lambda *_: closed.set())
        if connection.is_open:
            connection.close()
            await closed.wait()

    def holds(self, received: Received) -> bool:
        """See `Broker.holds`."""
        return bool(cast("_Receipt", received.receipt).acknowledgements.channel.is_open)

    def acknowledge(self, received: Received) -> None:
        """See `Broker.acknowledge`."""
        acknowledgements, tag = cast("_Receipt", received.receipt)
        if acknowledgements.channel.is_open:
            acknowledgements.acknowledge(tag)
        else:
            _log.warning("acknowledgement_lost message_id=%s: it is delivered again", received.message_id)

    async def return_later(self, received: Received, seconds: float) -> None:
        """See `Broker.return_later`."""
        await self._move(received, "", retry_queue(self._queue, seconds), received.attempt, {})

    async def release(self, received: Received) -> None:
        """See `Broker.release`."""
        acknowledgements, tag = cast("_Receipt", received.receipt)
        if not self._counts_attempts:
            if acknowledgements.channel.is_open:
                acknowledgements.reject(tag)
            return
        await self._move(received, "", self._queue, received.attempt - 1, {})

    async def dead_letter(self, received: Received, attributes: Mapping[str, str]) -> None:
        """See `Broker.dead_letter`."""
        dead = replace(received, published_at=time.time())
        await self._move(dead, DEAD_LETTER_TOPIC, "", 0, attributes)

    async def _move(
        self, received: Received, exchange: str, queue: str, attempts: int, attributes: Mapping[str, str]
    ) -> None:
        """Publish a copy of a message, and acknowledge the message after RabbitMQ has confirmed the copy."""
        message = received.message._replace(attributes={**received.message.attributes, **attributes})
        properties = wire.properties(message, received.message_id, received.published_at, attempts)
        await self._publish_and_acknowledge(
            cast("_Receipt", received.receipt), exchange, queue, message.data, properties
        )

    async def _publish_and_acknowledge(
        self, receipt: _Receipt, exchange: str, queue: str, body: bytes, properties: pika.BasicProperties
    ) -> None:
        acknowledgements, tag = receipt
        channel = acknowledgements.channel
        if not channel.is_open:
            return  # the message has returned to its queue
        confirmed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._confirms.add(properties.message_id, confirmed)
        channel.basic_publish(exchange, queue, body, properties, mandatory=True)
        try:
            await confirmed
        except NotConfirmed as error:
            where = exchange or queue
            _log.error("message_not_moved message_id=%s to=%s: %s", properties.message_id, where, error)
            if channel.is_open:
                acknowledgements.reject(tag)
        else:
            acknowledgements.acknowledge(tag)

    def _connect(self) -> None:
        if not self._is_closed:
            self._connection = Connection(
                self._parameters,
                on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel),
                on_open_error_callback=self._on_connection_lost,
                on_close_callback=self._on_connection_lost,
            )

    def _on_channel(self, channel: pika.channel.Channel) -> None:
        confirms = self._confirms = Confirms()
        channel.add_on_close_callback(self._on_channel_lost)
        channel.add_on_cancel_callback(lambda _: channel.close(404, f"queue {self._queue} was deleted"))
        channel.add_on_return_callback(
            lambda _channel, method, found, _body: confirms.return_message(method, found)
        )
        channel.confirm_delivery(confirms.confirm, lambda _: None)
        channel.basic_qos(prefetch_count=self._prefetch)
        self._tag = channel.basic_consume(self._queue, self._on_message, callback=self._on_consuming)
        self._channel = channel
        self._acknowledgements = Acknowledgements(channel)

    def _on_consuming(self, _: pika.frame.Method) -> None:
        _log.info("relay_receives queue=%s broker=%s", self._queue, self._address)
        if self._started is not None and not self._started.done():
            self._started.set_result(None)

    def _on_message(
        self,
        _: pika.channel.Channel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        receipt = _Receipt(self._acknowledgements, method.delivery_tag)
        self._acknowledgements.add(method.delivery_tag)
        try:
            stored = wire.read(body, properties)
        except wire.ForeignMessage as error:
            self._dead_letter_foreign(receipt, properties, body, str(error))
            return
        if self._is_dead_letter_queue:
            stored = with_reason(stored, properties.headers or {})
        self._take(
            Received(stored.message, stored.message_id, stored.published_at, stored.attempts + 1, receipt)
        )

    def _dead_letter_foreign(
        self, receipt: _Receipt, properties: pika.BasicProperties, body: bytes, why: str
    ) -> None:
        """Move a message of another program to the dead-letter topic, with its bytes and the reason."""
        detail = f"the message in queue {self._queue} is not one of Scrapeq's publishers: {why}"
        _log.error("foreign_message_dead_lettered queue=%s: %s", self._queue, why)
        attributes = {"reason": "bad_envelope", "detail": detail, "attempt": "1"}
        copy = wire.write_properties(Message(b"", attributes), new_message_id())
        copy.content_type = properties.content_type
        task = asyncio.get_running_loop().create_task(
            self._publish_and_acknowledge(receipt, DEAD_LETTER_TOPIC, "", body, copy)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_channel_lost(self, _: pika.channel.Channel, error: Exception) -> None:
        self._channel = None
        self._confirms.fail(describe_failure(self._address, error))
        connection = self._connection
        if connection is not None and connection.is_open and not self._is_closed:
            self._report_loss(error)
            connection.close()

    def _on_connection_lost(self, _: Connection, error: Exception) -> None:
        self._channel = None
        self._confirms.fail(describe_failure(self._address, error))
        if not self._is_closed:
            self._report_loss(error)
            asyncio.get_running_loop().call_later(RECONNECT_SECONDS, self._connect)

    def _report_loss(self, error: Exception) -> None:
        why = describe_failure(self._address, error)
        if self._started is not None and not self._started.done():
            self._is_closed = True
            self._started.set_exception(CannotRelay(why))
        else:
            _log.error("broker_lost: %s; connecting again", why)
