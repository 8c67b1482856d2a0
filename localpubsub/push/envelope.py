"""Encodes the HTTP body of a push: https://cloud.google.com/pubsub/docs/push#receive_push."""

from binascii import b2a_base64
from collections.abc import Mapping
from json import JSONEncoder
from typing import NamedTuple

from localpubsub.backlog.message import rfc3339
from localpubsub.protocol.messages import PubsubMessage

_json = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class PushedMessage(NamedTuple):
    """What a push says of its message.

    Attributes:
        data: the data.
        attributes: the attributes.
        message_id: the id, which needs no escaping.
        time: the time of publishing, as ``rfc3339`` returns it.
        ordering_key: the ordering key; ``""`` if there is none.
    """

    data: bytes
    attributes: Mapping[str, str]
    message_id: str
    time: str
    ordering_key: str


def push_body(record: bytes, subscription: str, attempt: int | None) -> bytes:
    """Return the JSON body of one delivery; ``record`` is the encoded ``PubsubMessage``."""
    message = PubsubMessage.FromString(record)
    pushed = PushedMessage(
        message.data,
        dict(message.attributes),
        message.message_id,
        rfc3339(message.publish_time),
        message.ordering_key,
    )
    return body_of(pushed, subscription, attempt)


def body_of(message: PushedMessage, subscription: str, attempt: int | None) -> bytes:
    """Return the JSON body of one delivery.

    The body is concatenated from strings, and only values that may need escaping pass through the JSON
    encoder: this is faster than encoding a dictionary.

    Args:
        message: the message.
        subscription: the full name of the subscription.
        attempt: the number of this delivery attempt, or None to omit the field ``deliveryAttempt``, which
            only subscriptions with a dead-letter policy have.
    """
    data, attributes, number, time, ordering_key = message
    text = f'"messageId":"{number}","message_id":"{number}","publishTime":"{time}Z","publish_time":"{time}Z"'
    if attributes:
        text = f'"attributes":{_json(attributes)},{text}'
    if ordering_key:
        text += f',"orderingKey":{_json(ordering_key)}'
    text += f'}},"subscription":"{subscription}"'
    text += "}" if attempt is None else f',"deliveryAttempt":{attempt}}}'
    if not data:
        return b'{"message":{' + text.encode()
    return b'{"message":{"data":"' + b2a_base64(data, newline=False) + b'",' + text.encode()
