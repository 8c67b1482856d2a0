"""Encodes a message as Pub/Sub's protocol buffer, from which localpubsub makes rows."""

from localpubsub.protocol.messages import PubsubMessage
from relay.broker import Received


def encoded_message(received: Received) -> bytes:
    """Return an encoded `google.pubsub.v1.PubsubMessage`."""
    message = PubsubMessage(
        data=received.message.data,
        attributes=received.message.attributes,
        message_id=received.message_id,
        ordering_key=received.message.ordering_key,
    )
    seconds = int(received.published_at)
    message.publish_time.seconds = seconds
    message.publish_time.nanos = int((received.published_at - seconds) * 1000) * 1_000_000
    return bytes(message.SerializeToString())
