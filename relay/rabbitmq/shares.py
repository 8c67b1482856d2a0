"""Divides the partitions of a subscription among its relays.

RabbitMQ has one active consumer for each partition, and chooses the next one when that ends. It does not
balance them: the relay that subscribes first has all partitions. So each relay hands over those above its
share, and waits for them again behind the others. RabbitMQ may choose a relay that has its share, too, which
does the same. A relay with less than its share always exists, so this ends.
"""

import asyncio
import logging
import math
from collections.abc import Sequence

import pika

from relay.rabbitmq.consumer import Consumer

CHECK_SECONDS = 2.0  #: pause between two counts of the relays

_log = logging.getLogger("relay")


class Shares:
    """The share of this relay.

    Args:
        channel: an open channel that nobody else uses.
        queue: the queue without messages whose consumers are the relays.
        consumers: the consumers of all partitions.
    """

    def __init__(self, channel: pika.channel.Channel, queue: str, consumers: Sequence[Consumer]) -> None:
        self._channel = channel
        self._queue = queue
        self._consumers = consumers
        self._tag = channel.basic_consume(queue, lambda *_: None, auto_ack=True)
        self._check()

    def leave(self) -> None:
        """Take no further part."""
        if self._channel.is_open and self._tag:
            self._channel.basic_cancel(self._tag)
        self._tag = ""

    def _check(self) -> None:
        if self._channel.is_open and self._tag:
            self._channel.queue_declare(self._queue, passive=True, callback=self._on_count)

    def _on_count(self, frame: pika.frame.Method) -> None:
        relays = max(1, frame.method.consumer_count)
        for consumer in above_share(self._consumers, relays):
            if consumer.hand_over():
                _log.info("partition_handed_over queue=%s relays=%d", consumer.queue, relays)
        asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check)


def above_share(consumers: Sequence[Consumer], relays: int) -> list[Consumer]:
    """Return those consumers that have become active last, and are more than the share of a relay.

    Args:
        consumers: the consumers of all partitions. Whether one is active is known once it has received a
            message; for a partition without messages it does not matter.
        relays: number of relays.
    """
    active = [each for each in consumers if each.active_since is not None]
    active.sort(key=lambda each: each.active_since or 0.0)
    return active[math.ceil(len(consumers) / relays) :]
