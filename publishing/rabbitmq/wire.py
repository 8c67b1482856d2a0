"""Writes a message as the properties and headers of AMQP 0-9-1, and reads them again.

- The exchange is the topic. The routing key is a hash, by which partitions of a subscription divide the
  messages.
- A header whose name begins with `x-` belongs to RabbitMQ or to the relay; every other one is an attribute.
- `message_id` is the message's id, which stays the same in every copy of the message.
- `timestamp` is the time of publishing in seconds, and the header `x-scrapeq-published-ms` in milliseconds.
- `delivery_mode` 2 is what makes a message persistent: https://www.rabbitmq.com/docs/publishers#message-properties
"""

import time
import zlib
from typing import NamedTuple

import pika

from publishing.message_limits import fault_of
from publishing.publisher import Message

ORDERING_KEY = "x-scrapeq-ordering-key"  #: header with the ordering key, if the message has one
#: Header with the number of deliveries that earlier copies of the message had. The queue counts only those
#: of its own copy.
EARLIER_ATTEMPTS = "x-scrapeq-earlier-attempts"
PUBLISHED_MS = "x-scrapeq-published-ms"  #: header with the time of publishing, milliseconds since the epoch
DELIVERY_COUNT = "x-delivery-count"  #: header in which a quorum queue counts the returns of a message
PERSISTENT = 2
SLOTS = 256  #: number of routing keys. Partitions are bound to some of them each.
MAX_MILLISECONDS = 253_402_300_800_000  #: the end of the year 9999
MAX_TIMESTAMP = 253_402_300_799  #: the end of the year 9999, in seconds since the epoch


class ForeignMessage(ValueError):
    """A message that another program has published, or that was damaged; the text says what is wrong."""


class StoredMessage(NamedTuple):
    """A message as read from a queue.

    Attributes:
        message: data, attributes and ordering key.
        message_id: the message's id.
        published_at: time of publishing, seconds since the epoch; 0 if missing.
        attempts: number of deliveries before this one.
    """

    message: Message
    message_id: str
    published_at: float
    attempts: int


def write_properties(message: Message, message_id: str) -> pika.BasicProperties:
    """Return the properties of a message that is published now."""
    return properties(message, message_id, time.time(), 0)


def properties(
    message: Message, message_id: str, published_at: float, earlier_attempts: int
) -> pika.BasicProperties:
    """Return the properties of a message or of a copy of it."""
    headers: dict[str, object] = {**message.attributes, PUBLISHED_MS: int(1000 * published_at)}
    if message.ordering_key:
        headers[ORDERING_KEY] = message.ordering_key
    if earlier_attempts:
        headers[EARLIER_ATTEMPTS] = earlier_attempts
    return pika.BasicProperties(
        message_id=message_id, timestamp=int(published_at), delivery_mode=PERSISTENT, headers=headers
    )


def routing_key(message: Message, message_id: str) -> str:
    """Return the slot of a message, `"0"` to `"255"`: a hash of its ordering key, or of its id without one.

    So the messages of a key come into one partition, and those without a key are divided evenly.
    """
    return str(zlib.crc32((message.ordering_key or message_id).encode()) % SLOTS)


def read(body: bytes, found: pika.BasicProperties) -> StoredMessage:
    """Return the message that a queue has delivered.

    Raises:
        ForeignMessage: if no publisher of this project can have written it.
    """
    headers: dict[str | bytes, object] = found.headers or {}
    # pika returns a text that is not UTF-8 as bytes.
    if not isinstance(found.message_id, str) or not found.message_id:
        raise ForeignMessage("it has no message_id")
    if (found.timestamp or 0) > MAX_TIMESTAMP:
        raise ForeignMessage("its timestamp is not in seconds")
    attributes = dict[str, str]()
    for name, value in headers.items():
        if not isinstance(name, str):
            raise ForeignMessage(f"the name of its header {name!r} is no text")
        if name.startswith("x-"):
            continue
        if not isinstance(value, str):
            raise ForeignMessage(f"its header {name!r} is no text")
        attributes[name] = value
    ordering_key = headers.get(ORDERING_KEY, "")
    attempts = _count(headers, EARLIER_ATTEMPTS) + _count(headers, DELIVERY_COUNT)
    message = Message(body, attributes, ordering_key if isinstance(ordering_key, str) else "")
    if fault := fault_of(message, found.message_id):
        raise ForeignMessage(fault)
    published_at = _count(headers, PUBLISHED_MS, MAX_MILLISECONDS) / 1000 or float(found.timestamp or 0)
    return StoredMessage(message, found.message_id, published_at, attempts)


def _count(headers: dict[str | bytes, object], name: str, most: int = 2**31) -> int:
    value = headers.get(name, 0)
    if not isinstance(value, int) or not 0 <= value < most:
        raise ForeignMessage(f"its header {name} is no count")
    return value
