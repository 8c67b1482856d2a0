"""A message: its id, its time, and the bytes it is kept as.

A message is kept as its encoded ``PubsubMessage``: what a pull answers with, and what a push is made from.

Its id is the microsecond at which it was published, made unique by counting on. So ids are digit strings in
the order of publishing, the age of a waiting message is known from its id alone, and a million waiting
messages are a million integers.
"""

import time
from typing import Final

from localpubsub.protocol.messages import PubsubMessagePb, TimestampPb

MICROSECONDS: Final = 1_000_000


class MessageIds:
    """Gives out message ids: rising, never twice, also after a restart that knows ``last``."""

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def allocate(self, count: int, now: float) -> range:
        """The next ``count`` ids for messages published at ``now``."""
        first = max(self.last + 1, int(now * MICROSECONDS))
        self.last = first + count - 1
        return range(first, first + count)


def oldest_retained_id(now: float, retention: float) -> int:
    """The lowest id a message kept for ``retention`` seconds can have at ``now``."""
    return int((now - retention) * MICROSECONDS)


def encode_with_id(message: PubsubMessagePb, message_id: int) -> bytes:
    """Give a message its id and publish time, and encode it for good.

    Pub/Sub's publish times have milliseconds.
    """
    message.message_id = str(message_id)
    seconds, micros = divmod(message_id, MICROSECONDS)
    publish_time = message.publish_time
    publish_time.seconds = seconds
    publish_time.nanos = micros // 1000 * MICROSECONDS
    record: bytes = message.SerializeToString()
    return record


def rfc3339(timestamp: TimestampPb) -> str:
    """Date and time without zone: ``2026-11-22T06:00:03.120``, three digits or no fraction at all.

    As protobuf's JSON writes it (https://protobuf.dev/programming-guides/json/), which is what Pub/Sub sends.
    """
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(timestamp.seconds))
    milliseconds = timestamp.nanos // MICROSECONDS
    return f"{text}.{milliseconds:03d}" if milliseconds else text
