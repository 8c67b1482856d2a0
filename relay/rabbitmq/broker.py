"""Receives the messages of a subscription of RabbitMQ; connects again after each loss."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pika

from contract.broker_url import broker_address
from contract.topology import DEAD_LETTER_TOPIC
from publishing.rabbitmq.connection import connection_parameters, describe_failure
from publishing.rabbitmq.wire import routing_key
from relay.broker import CannotRelay, Received
from relay.rabbitmq.consumer import Consumer, Source, receipt_of
from relay.rabbitmq.frames import Connection
from relay.rabbitmq.partitions import consumed_queues, relays_queue
from relay.rabbitmq.shares import Shares
from relay.rabbitmq.topology import check, retry_queue
from relay.subscriptions import Subscription

CLOSE_SECONDS = 5.0  #: time limit of the end of the connection, to which RabbitMQ may not answer
RECONNECT_SECONDS = 1.0  #: pause before each further attempt to connect

_log = logging.getLogger("relay")


class RabbitMq:
    """A subscription of RabbitMQ; see `relay.broker.Broker`.

    Args:
        url: BROKER_URL.
        subscription: the subscription.
        prefetch: maximum number of messages of each queue that were received and are not settled.
    """

    def __init__(self, url: str, subscription: Subscription, prefetch: int) -> None:
        self._url = url
        self._parameters = connection_parameters(url, f"scrapeq relay {subscription.name}")
        self._address = broker_address(url)
        self._subscription = subscription
        redelivery = subscription.redelivery
        self._has_partitions = redelivery is not None and redelivery.partitions > 1
        self.is_single_active = self._has_partitions or (redelivery is not None and redelivery.single_active)
        self._queues = consumed_queues(subscription)
        self._source = Source(self._address, subscription, prefetch)
        self._take: Callable[[Received], None]
        self._connection: Connection | None = None
        self._consumers = list[Consumer]()
        self._subscribed = 0
        self._shares: Shares | None = None
        self._is_closed = False
        self._started: asyncio.Future[None] | None = None

    async def start(self, take: Callable[[Received], None]) -> None:
        """See `Broker.start`."""
        await asyncio.to_thread(check, self._url, self._subscription)
        self._take = take
        self._started = asyncio.get_running_loop().create_future()
        self._connect()
        await self._started

    async def stop_taking(self) -> None:
        """See `Broker.stop_taking`."""
        if self._shares is not None:
            self._shares.leave()
        await asyncio.gather(*(consumer.cancel() for consumer in self._consumers))

    async def close(self) -> None:
        """See `Broker.close`."""
        self._is_closed = True
        connection = self._connection
        if connection is None or connection.is_closed:
            return
        for consumer in self._consumers:
            consumer.send_acknowledgements()
        closed = asyncio.Event()
        connection.add_on_close_callback(lambda *_: closed.set())
        if connection.is_open:
            connection.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await closed.wait()

    def holds(self, received: Received) -> bool:
        """See `Broker.holds`."""
        return receipt_of(received).consumer.is_open

    def acknowledge(self, received: Received) -> None:
        """See `Broker.acknowledge`."""
        receipt_of(received).consumer.acknowledge(received)

    async def return_later(self, received: Received, seconds: float) -> None:
        """See `Broker.return_later`."""
        exchange, key = "", retry_queue(self._subscription.name, seconds)
        if self._has_partitions:
            exchange, key = key, routing_key(received.message, received.message_id)
        await receipt_of(received).consumer.move(received, exchange, key, received.attempt)

    async def release(self, received: Received) -> None:
        """See `Broker.release`."""
        await receipt_of(received).consumer.release(received)

    async def dead_letter(self, received: Received, attributes: Mapping[str, str]) -> None:
        """See `Broker.dead_letter`."""
        dead = replace(received, published_at=time.time())
        await receipt_of(received).consumer.move(dead, DEAD_LETTER_TOPIC, "", 0, attributes)

    def _connect(self) -> None:
        if not self._is_closed:
            self._connection = Connection(
                self._parameters,
                on_open_callback=self._on_connection,
                on_open_error_callback=self._on_connection_lost,
                on_close_callback=self._on_connection_lost,
            )

    def _on_connection(self, connection: Connection) -> None:
        self._consumers = []
        self._subscribed = 0
        self._shares = None
        for queue in self._queues:
            connection.channel(on_open_callback=partial(self._on_channel, queue))

    def _on_channel(self, queue: str, channel: pika.channel.Channel) -> None:
        channel.add_on_close_callback(self._on_channel_lost)
        self._consumers.append(Consumer(channel, queue, self._source, self._take, self._on_subscribed))

    def _on_subscribed(self) -> None:
        self._subscribed += 1
        if self._subscribed != len(self._queues):
            return  # others follow, or a partition was handed over
        if self._has_partitions and self._connection is not None:
            self._connection.channel(on_open_callback=self._on_shares_channel)
        name, partitions = self._subscription.name, len(self._queues)
        _log.info("relay_receives queue=%s partitions=%d broker=%s", name, partitions, self._address)
        if self._started is not None and not self._started.done():
            self._started.set_result(None)

    def _on_shares_channel(self, channel: pika.channel.Channel) -> None:
        channel.add_on_close_callback(self._on_channel_lost)
        self._shares = Shares(channel, relays_queue(self._subscription), self._consumers)

    def _on_channel_lost(self, _: pika.channel.Channel, error: Exception) -> None:
        connection = self._connection
        if connection is not None and connection.is_open and not self._is_closed:
            self._report_loss(error)
            connection.close()

    def _on_connection_lost(self, _: Connection, error: Exception) -> None:
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
