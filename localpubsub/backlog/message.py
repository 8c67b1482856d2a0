"""Encodes messages in the form in which they are kept.

A message is kept as its encoded ``PubsubMessage``, called its *record*. Pull returns the record unchanged,
and push makes the body of the request from it.

The record contains the publish time, which
follows from the id (``message_ids.py``).
"""

import time
from functools import lru_cache

from localpubsub.backlog.message_ids import MICROSECONDS
from localpubsub.protocol.messages import PubsubMessagePb, TimestampPb


def encode_with_id(message: PubsubMessagePb, message_id: int, publish_time: int) -> bytes:
    """Set a message's id and publish time, and return its record.

    The publish time, in microseconds since 1970, is truncated to milliseconds, as the real service does.
    """
    message.message_id = str(message_id)
    seconds, micros = divmod(publish_time, MICROSECONDS)
    message.publish_time.seconds = seconds
    message.publish_time.nanos = micros // 1000 * 1_000_000
    record: bytes = message.SerializeToString()
    return record


def rfc3339(timestamp: TimestampPb) -> str:
    """Return date and time without a zone, for example ``2026-11-22T06:00:03.120``.

    Milliseconds of 0 are left out, as in protobuf's JSON format, in which Pub/Sub sends times
    (https://protobuf.dev/programming-guides/json/).
    """
    return date_and_millisecond(timestamp.seconds, timestamp.nanos // 1_000_000)


def date_and_millisecond(seconds: int, milliseconds: int) -> str:
    """Return seconds since 1970 and milliseconds as ``rfc3339`` does."""
    text = date_and_second(seconds)
    return f"{text}.{milliseconds:03d}" if milliseconds else text


@lru_cache(maxsize=64)  # messages that are delivered together were published in the same few seconds
def date_and_second(seconds: int) -> str:
    """Return a time, in seconds since 1970, as UTC without a zone, for example ``2026-11-22T06:00:03``."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
