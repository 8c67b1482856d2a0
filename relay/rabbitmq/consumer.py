"""Receives the messages of one queue of RabbitMQ over a channel of its own, and settles them there.

A message that is returned for a further attempt is published to a retry queue, and acknowledged after
RabbitMQ has confirmed that. RabbitMQ cannot delay a message in its queue, before version 4.3. If the relay
ends in between, the message is in both queues: it may be delivered twice, and is never lost.

A quorum queue counts the returns of a message (`x-delivery-count`), but only of one copy. So a copy carries
the number of deliveries before it (`publishing/rabbitmq/wire.py`). Before version 4.3 `basic.nack` counts as
well, so a message that is released is copied, too: https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling

If one consumer of a queue at a time receives, RabbitMQ lets the next one begin when the active one is
cancelled, even if that one has messages which are not settled.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, cast

import pika
from pika import spec

from contract.broker_url import BrokerAddress
from contract.topology import DEAD_LETTER_TOPIC
from publishing.message_id import new_message_id
from publishing.message_limits import MAX_DATA_BYTES
from publishing.publisher import Message
from publishing.rabbitmq import wire
from publishing.rabbitmq.confirms import Confirms, NotConfirmed
from publishing.rabbitmq.connection import describe_failure
from relay.broker import Received
from relay.rabbitmq.acknowledgements import Acknowledgements
from relay.rabbitmq.native_dead_letter import with_reason
from relay.subscriptions import Subscription

CANCEL_SECONDS = 3.0  #: time limit of a cancellation, to which RabbitMQ does not answer during an alarm
QUIET_SECONDS = 1.0  #: if nothing arrives for so long, RabbitMQ has sent all messages of a queue

_log = logging.getLogger("relay")


class Receipt(NamedTuple):
    """Which consumer has received a message, and the message's number in the consumer's channel."""

    consumer: "Consumer"
    tag: int


@dataclass(frozen=True)
class Source:
    """What the consumers of a relay have in common.

    Attributes:
        address: the address of RabbitMQ, for error messages.
        subscription: the subscription to which the queues belong.
        prefetch: maximum number of messages of a queue that were received and are not settled.
    """

    address: BrokerAddress
    subscription: Subscription
    prefetch: int


class Consumer:
    """The consumer of a queue.

    Args:
        channel: an open channel that nobody else uses.
        queue: the queue.
        source: to what the queue belongs.
        take: is called with each message.
        subscribed: is called each time that RabbitMQ has accepted the consumer.

    Attributes:
        queue: the queue.
        active_since: when it received a message first since it subscribed, seconds of the event loop's clock;
            None before. It is the active one of the queue's consumers from then on, at the latest.
    """

    def __init__(
        self,
        channel: pika.channel.Channel,
        queue: str,
        source: Source,
        take: Callable[[Received], None],
        subscribed: Callable[[], None],
    ) -> None:
        self.queue = queue
        self.active_since: float | None = None
        self._channel = channel
        self._is_dead_letter_queue = source.subscription.topic == DEAD_LETTER_TOPIC
        self._counts_attempts = source.subscription.redelivery is not None
        self._take = take
        self._subscribed = subscribed
        self._acknowledgements = Acknowledgements(channel)
        self._confirms = Confirms()
        self._tag = ""
        self._prefetch = source.prefetch
        self._is_leaving = False
        self._put_aside: list[Received] | None = None
        self._is_cancelled = False
        self._left = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        channel.add_on_close_callback(
            lambda _, error: self._confirms.fail(describe_failure(source.address, error))
        )
        channel.add_on_cancel_callback(lambda _: channel.close(404, f"queue {queue} was deleted"))
        channel.add_on_return_callback(
            lambda _channel, method, found, _body: self._confirms.return_message(method, found)
        )
        channel.confirm_delivery(self._confirms.confirm, lambda _: None)
        channel.basic_qos(prefetch_count=source.prefetch)
        self._subscribe()

    @property
    def is_open(self) -> bool:
        """Whether the messages that it has received still belong to it."""
        return bool(self._channel.is_open)

    async def cancel(self) -> None:
        """Receive nothing more; return once RabbitMQ has confirmed it, or does not answer; only once."""
        if not self.is_open or self._is_cancelled:
            return
        self._is_cancelled = True
        self._channel.add_on_close_callback(lambda *_: self._left.set())
        await self._let_nothing_come()  # RabbitMQ drops what it then sends, and counts it as a return
        self._leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._left.wait()
        self._acknowledgements.resume()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def hand_over(self) -> bool:
        """Let another consumer be the active one, once all messages that this one has received are settled.

        So an ordering key never has an open push of both, and its messages stay in order. Return whether
        it begins now, and has not begun before.
        """
        if self._is_leaving or not self.is_open or self._is_cancelled:
            return False
        self._is_leaving = True
        self._begin(self._leave_when_settled())
        return True

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
            await self.move(received, "", self.queue, received.attempt - 1)
        elif self.is_open:
            self._acknowledgements.reject(receipt_of(received).tag)

    async def move(
        self,
        received: Received,
        exchange: str,
        routing_key: str,
        attempts: int,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Publish a copy of a message, and acknowledge the message after RabbitMQ has confirmed the copy.

        Args:
            received: the message.
            exchange: where the copy is published; `""` if it goes to a queue.
            routing_key: the routing key of the copy; the queue if it goes to one.
            attempts: the number of deliveries that the copy has had.
            attributes: attributes that the copy has in addition.
        """
        message = received.message
        if attributes:
            message = message._replace(attributes={**message.attributes, **attributes})
        properties = wire.properties(message, received.message_id, received.published_at, attempts)
        await self._publish_and_acknowledge(
            receipt_of(received).tag, exchange, routing_key, message.data, properties
        )

    async def _publish_and_acknowledge(
        self, tag: int, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties
    ) -> None:
        if not self.is_open:
            return  # the message has returned to its queue
        confirmed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._confirms.add(properties.message_id, confirmed)
        self._channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)
        try:
            await confirmed
        except NotConfirmed as error:
            where = exchange or routing_key
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
        if self.active_since is None:
            self.active_since = asyncio.get_running_loop().time()
        receipt = Receipt(self, tag)
        received = Received(
            stored.message, stored.message_id, stored.published_at, stored.attempts + 1, receipt
        )
        if self._put_aside is None:
            self._take(received)
        else:
            self._put_aside.append(received)

    def _dead_letter_foreign(self, tag: int, properties: pika.BasicProperties, body: bytes, why: str) -> None:
        """Move a message of another program to the dead-letter topic, with its bytes and the reason."""
        detail = f"the message in queue {self.queue} is not one of Scrapeq's publishers: {why}"
        _log.error("foreign_message_dead_lettered queue=%s: %s", self.queue, why)
        attributes = {"reason": "bad_envelope", "detail": detail, "attempt": "1"}
        copy = wire.write_properties(Message(b"", attributes), new_message_id())
        copy.content_type = properties.content_type
        data = body[:MAX_DATA_BYTES]  # a dead letter with more would be foreign, too
        self._begin(self._publish_and_acknowledge(tag, DEAD_LETTER_TOPIC, "", data, copy))

    def _subscribe(self) -> None:
        self._tag = self._channel.basic_consume(
            self.queue, self._on_message, callback=lambda _: self._subscribed()
        )

    async def _let_nothing_come(self) -> None:
        """Hold acknowledgements back until RabbitMQ has sent all that earlier ones have made room for."""
        self._acknowledgements.hold()
        received = -1
        while received < len(self._acknowledgements) < self._prefetch:
            received = len(self._acknowledgements)
            await asyncio.sleep(QUIET_SECONDS)

    async def _leave_when_settled(self) -> None:
        await self._let_nothing_come()
        if not self._is_cancelled:
            # Now the queue has no message for this consumer, or there is no room. What arrives later is new.
            self._put_aside = []
            self._acknowledgements.drain(self._leave)

    def _leave(self) -> None:
        tag, self._tag = self._tag, ""
        if tag and self.is_open:
            # pika's basic_cancel would reject what RabbitMQ sends before its answer, and ignore what a quorum
            # queue sends after it: each of these would cost an attempt.
            cancel, answer = spec.Basic.Cancel(consumer_tag=tag), (spec.Basic.CancelOk, {"consumer_tag": tag})
            self._channel._rpc(cancel, self._on_cancelled, [answer])  # noqa: SLF001 - see above

    def _on_cancelled(self, _: pika.frame.Method) -> None:
        # RabbitMQ answers this after it has sent the messages that were on their way.
        self._channel.basic_qos(prefetch_count=self._prefetch, callback=self._on_left)

    def _on_left(self, _: pika.frame.Method) -> None:
        self._acknowledgements.resume()
        put_aside, self._put_aside = self._put_aside or [], None
        self._is_leaving = False
        for received in put_aside:
            self._begin(self.release(received))
        self.active_since = None
        if self._is_cancelled:
            self._left.set()
        else:
            self._subscribe()

    def _begin(self, settling: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(settling)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def receipt_of(received: Received) -> Receipt:
    """Return the receipt of a message that a consumer has received."""
    return cast("Receipt", received.receipt)
