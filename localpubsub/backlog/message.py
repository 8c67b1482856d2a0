"""Message ids, publish times, and the encoded form in which messages are kept.

A message is kept as its encoded ``PubsubMessage``, called its *record*: pull returns it as it is, and push
makes the request's body from it.

A message id is the microsecond of publishing, counted up where several messages share one. So ids are digit
strings in the order of publishing, the age of a message follows from its id, and a million waiting messages
are a million integers.
"""

import time
from typing import Final

from localpubsub.protocol.messages import PubsubMessagePb, TimestampPb

MICROSECONDS: Final = 1_000_000  #: Microseconds in a second.


class MessageIds:
    """Allocates rising message ids; no id twice, also after a restart that passes the ``last`` one."""

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def allocate(self, count: int, now: float) -> range:
        """Return the next ``count`` ids, for messages published at ``now``."""
        first = max(self.last + 1, int(now * MICROSECONDS))
        self.last = first + count - 1
        return range(first, first + count)


def oldest_retained_id(now: float, retention: float) -> int:
    """Return the lowest id that a message kept for ``retention`` seconds can have at ``now``."""
    return int((now - retention) * MICROSECONDS)


def encode_with_id(message: PubsubMessagePb, message_id: int) -> bytes:
    """Set a message's id and publish time, and return its record.

    Publish times have milliseconds, as on the real service.
    """
    message.message_id = str(message_id)
    seconds, micros = divmod(message_id, MICROSECONDS)
    publish_time = message.publish_time
    publish_time.seconds = seconds
    publish_time.nanos = micros // 1000 * MICROSECONDS
    record: bytes = message.SerializeToString()
    return record


def rfc3339(timestamp: TimestampPb) -> str:
    """Return date and time without a zone, with three decimals or none: ``2026-11-22T06:00:03.120``.

    Pub/Sub sends times as protobuf's JSON has them (https://protobuf.dev/programming-guides/json/).
    """
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(timestamp.seconds))
    milliseconds = timestamp.nanos // MICROSECONDS
    return f"{text}.{milliseconds:03d}" if milliseconds else text
