"""Encodes the HTTP body of a push: https://cloud.google.com/pubsub/docs/push#receive_push."""

from binascii import b2a_base64
from json import JSONEncoder

from localpubsub.backlog.message import rfc3339
from localpubsub.protocol.messages import PubsubMessage

_json = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def push_body(record: bytes, subscription: str, attempt: int | None) -> bytes:
    """Return the JSON body of one delivery.

    The body is concatenated from strings, and only values that may need escaping pass through the JSON
    encoder: this is faster than encoding a dictionary.

    Args:
        record: the encoded ``PubsubMessage``.
        subscription: the full name of the subscription.
        attempt: the number of this delivery attempt, or None to omit the field ``deliveryAttempt``, which
            only subscriptions with a dead-letter policy have.
    """
    message = PubsubMessage.FromString(record)
    time = rfc3339(message.publish_time)
    number = message.message_id
    text = f'"messageId":"{number}","message_id":"{number}","publishTime":"{time}Z","publish_time":"{time}Z"'
    if message.attributes:
        text = f'"attributes":{_json(dict(message.attributes))},{text}'
    if message.ordering_key:
        text += f',"orderingKey":{_json(message.ordering_key)}'
    text += f'}},"subscription":"{subscription}"'
    text += "}" if attempt is None else f',"deliveryAttempt":{attempt}}}'
    if not message.data:
        return b'{"message":{' + text.encode()
    return b'{"message":{"data":"' + b2a_base64(message.data, newline=False) + b'",' + text.encode()
