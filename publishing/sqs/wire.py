"""Writes a message as the body of a message of SQS, and reads it again.

The body is a JSON object, since a message of SQS has at most 10 attributes of its own, and its body may not
contain every character.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html

- `messageId` is the message's id, the same in every queue of the topic, and in every copy of the message.
- `publishTime` is the time of publishing, in seconds since the epoch.
- `data` is the data in base64. If `encoding` is `zlib`, the data was compressed before that.
- `attributes` and `orderingKey` are the attributes and the ordering key, if the message has any.
- `earlierAttempts` is the number of deliveries that earlier copies of the message had, if it had any.
"""

import binascii
import hashlib
import json
import re
import time
import zlib
from base64 import b64decode, b64encode
from typing import NamedTuple, TypeGuard

from publishing.message_limits import MAX_DATA_BYTES, fault_of
from publishing.publisher import Message

MAX_BODY_BYTES = 1_048_576  #: SQS's limit, for one message and for all messages of a request together
#: Part of it that stays free when a message is published, for the reasons that a dead letter has as well.
RESERVED_BYTES = 16_384
#: Data from this size on is compressed: AWS charges each 64 KiB of a message as a request
#: (https://aws.amazon.com/sqs/pricing/), and base64 adds a third.
MIN_COMPRESSED_BYTES = 32_768
MAX_FOREIGN_BYTES = 700_000  #: part of a foreign message that fits in base64 into its dead letter
MAX_TIME = 2**33  #: seconds since the epoch after which a time of publishing is taken for an error

_GROUP = re.compile(r"[!-~]{1,128}")  # of MessageGroupId, in the documentation of SendMessage


class TooLarge(ValueError):
    """A message that SQS does not take; the text says how large it is."""


class ForeignMessage(ValueError):
    """A message that another program has sent, or that was damaged; the text says what is wrong."""


class StoredMessage(NamedTuple):
    """A message as read from a queue.

    Attributes:
        message: data, attributes and ordering key.
        message_id: the message's id.
        published_at: time of publishing, seconds since the epoch.
        earlier_attempts: number of deliveries that earlier copies of it had.
    """

    message: Message
    message_id: str
    published_at: float
    earlier_attempts: int


def write(message: Message, message_id: str) -> str:
    """Return the body of a message that is published now.

    Raises:
        TooLarge: if it would not fit as a dead letter, which has further attributes.
    """
    return write_copy(StoredMessage(message, message_id, time.time(), 0), MAX_BODY_BYTES - RESERVED_BYTES)


def write_copy(stored: StoredMessage, max_bytes: int = MAX_BODY_BYTES) -> str:
    """Return the body of a copy of a message.

    Raises:
        TooLarge: if it has more than `max_bytes`.
    """
    message = stored.message
    document: dict[str, object] = {"messageId": stored.message_id, "publishTime": stored.published_at}
    data = message.data
    if len(data) >= MIN_COMPRESSED_BYTES:
        document["encoding"] = "zlib"
        data = zlib.compress(data)
    if message.attributes:
        document["attributes"] = message.attributes
    if message.ordering_key:
        document["orderingKey"] = message.ordering_key
    if stored.earlier_attempts:
        document["earlierAttempts"] = stored.earlier_attempts
    document["data"] = b64encode(data).decode()
    body = json.dumps(document, separators=(",", ":"))
    if len(body) > max_bytes:
        sizes = f"{len(message.data)} bytes of data, and {len(body)} as SQS gets it"
        raise TooLarge(f"the message has {sizes}; the maximum is {max_bytes}")
    return body


def read(body: str) -> StoredMessage:
    """Return the message that a queue has delivered.

    Raises:
        ForeignMessage: if no publisher of this project can have written it.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ForeignMessage("its body is not JSON") from None
    if not isinstance(document, dict):
        raise ForeignMessage("its body is no JSON object")
    message_id, published_at = document.get("messageId"), document.get("publishTime")
    if not isinstance(message_id, str) or not message_id:
        raise ForeignMessage("it has no messageId")
    if not _is_number(published_at) or not 0 <= published_at < MAX_TIME:
        raise ForeignMessage("its publishTime is no time")
    ordering_key, attempts = document.get("orderingKey", ""), document.get("earlierAttempts", 0)
    if not isinstance(ordering_key, str):
        raise ForeignMessage("its orderingKey is no text")
    if not _is_number(attempts) or not 0 <= attempts < 2**31:
        raise ForeignMessage("its earlierAttempts is no count")
    message = Message(_data(document), _attributes(document), ordering_key)
    if fault := fault_of(message, message_id):
        raise ForeignMessage(fault)
    return StoredMessage(message, message_id, float(published_at), int(attempts))


def foreign_data(body: str) -> bytes:
    """Return the data of the dead letter of a foreign message: its text, cut to what fits."""
    return body.encode(errors="replace")[:MAX_FOREIGN_BYTES]


def group_of(message: Message, message_id: str) -> str:
    """Return the MessageGroupId of a message: its ordering key, or one of its own if it has none.

    An ordering key that SQS does not accept is replaced by its hash.
    """
    key = message.ordering_key
    if not key:
        return message_id
    return key if _GROUP.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _attributes(document: dict[str, object]) -> dict[str, str]:
    attributes = document.get("attributes", {})
    if not isinstance(attributes, dict) or not all(isinstance(each, str) for each in attributes.values()):
        raise ForeignMessage("its attributes are no texts")
    return attributes


def _data(document: dict[str, object]) -> bytes:
    encoded, encoding = document.get("data"), document.get("encoding", "")
    if not isinstance(encoded, str):
        raise ForeignMessage("it has no data")
    try:
        data = b64decode(encoded, validate=True)
        if encoding == "zlib":
            decompress = zlib.decompressobj()
            data = decompress.decompress(data, MAX_DATA_BYTES + 1)
            if len(data) <= MAX_DATA_BYTES and not decompress.eof:
                raise ForeignMessage("its data ends too early")
        elif encoding:
            raise ForeignMessage("its encoding is unknown")
    except (binascii.Error, zlib.error):
        raise ForeignMessage("its data cannot be decoded") from None
    except ValueError as error:
        raise (
            error if isinstance(error, ForeignMessage) else ForeignMessage("its data is no base64")
        ) from None
    if len(data) > MAX_DATA_BYTES:
        raise ForeignMessage(f"it has more than {MAX_DATA_BYTES} bytes of data")
    return data
