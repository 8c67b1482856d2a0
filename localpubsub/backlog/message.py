"""Allocates message ids, and encodes messages in the form in which they are kept.

A message is kept as its encoded ``PubsubMessage``, called its *record*. Pull returns the record unchanged,
and push makes the body of the request from it.

A message id is the publish time in microseconds since 1970, or the previous id plus one if that is higher. So
ids rise in the order of publishing, the age of a message follows from its id, and of a waiting message only
the id must be in memory.
"""

import time
from typing import Final

from localpubsub.protocol.messages import PubsubMessagePb, TimestampPb

MICROSECONDS: Final = 1_000_000  #: Microseconds in a second.


class MessageIds:
    """Allocates rising message ids.

    No id is allocated twice, even after a restart, if ``last`` is the highest id allocated before the
    restart.
    """

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def allocate(self, count: int, now: float) -> range:
        """Return the next ``count`` ids, for messages published at ``now``."""
        first = max(self.last + 1, int(now * MICROSECONDS))
        self.last = first + count - 1
        return range(first, first + count)


def oldest_retained_id(now: float, retention: float) -> int:
    """Return the lowest id of a message that is not older than ``retention`` seconds at ``now``."""
    return int((now - retention) * MICROSECONDS)


def encode_with_id(message: PubsubMessagePb, message_id: int) -> bytes:
    """Set a message's id and publish time, and return its record.

    The publish time is truncated to milliseconds, as the real service does.
    """
    message.message_id = str(message_id)
    seconds, micros = divmod(message_id, MICROSECONDS)
    publish_time = message.publish_time
    publish_time.seconds = seconds
    publish_time.nanos = micros // 1000 * MICROSECONDS
    record: bytes = message.SerializeToString()
    return record


def rfc3339(timestamp: TimestampPb) -> str:
    """Return date and time without a zone, for example ``2026-11-22T06:00:03.120``.

    Milliseconds of 0 are left out, as in protobuf's JSON format, in which Pub/Sub sends times
    (https://protobuf.dev/programming-guides/json/).
    """
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(timestamp.seconds))
    milliseconds = timestamp.nanos // MICROSECONDS
    return f"{text}.{milliseconds:03d}" if milliseconds else text
