"""Writes a message as an entry of a Redis stream, and reads it again.

- The key of the stream is the name of the topic.
- The field `data` has the message's data, and the field `properties` has all else as a JSON object:
  `{"message_id": "…", "published_at": 1764572400.125, "attributes": {…}, "ordering_key": "…"}`.
- The message's id is chosen by its publisher. The entry's id is chosen by Redis; each copy has another one.
"""

import json
import time
from typing import Any, NamedTuple

from publishing.message_limits import MAX_DATA_BYTES, fault_of
from publishing.publisher import Message

DATA, PROPERTIES = b"data", b"properties"  #: the fields of an entry
MAX_TIME = 2**33  #: seconds since the epoch after which a time of publishing is taken for an error
MAX_PROPERTIES_BYTES = 1_000_000  #: more than the longest attributes have as JSON


class ForeignMessage(ValueError):
    """An entry that another program has added, or that was damaged; the text says what is wrong."""


class StoredMessage(NamedTuple):
    """A message as read from a stream.

    Attributes:
        message: data, attributes and ordering key.
        message_id: the message's id.
        published_at: time of publishing, seconds since the epoch.
    """

    message: Message
    message_id: str
    published_at: float


def labels_key(topic: str) -> str:
    """Return the key with the labels of a topic."""
    return f"{topic}.labels"


def fields(message: Message, message_id: str, published_at: float | None = None) -> tuple[bytes, ...]:
    """Return names and values of an entry's fields, as `XADD` takes them.

    Args:
        message: the message.
        message_id: its id.
        published_at: time of publishing, seconds since the epoch; None for now.
    """
    properties: dict[str, object] = {
        "message_id": message_id,
        "published_at": round(time.time() if published_at is None else published_at, 3),
        "attributes": message.attributes,
    }
    if message.ordering_key:
        properties["ordering_key"] = message.ordering_key
    return DATA, message.data, PROPERTIES, json.dumps(properties, separators=(",", ":")).encode()


def read(found: list[bytes]) -> StoredMessage:
    """Return the message of an entry.

    Args:
        found: names and values of the entry's fields, in turn.

    Raises:
        ForeignMessage: if no publisher of this project can have written it.
    """
    by_name = dict(zip(found[::2], found[1::2], strict=True))
    if by_name.keys() != {DATA, PROPERTIES}:
        raise ForeignMessage("its fields are not data and properties")
    properties = _properties(by_name[PROPERTIES])
    message_id, published_at = properties.get("message_id"), properties.get("published_at")
    attributes, ordering_key = properties.get("attributes"), properties.get("ordering_key", "")
    if not isinstance(message_id, str) or not message_id:
        raise ForeignMessage("it has no message_id")
    if not isinstance(published_at, int | float) or not 0 <= published_at < MAX_TIME:
        raise ForeignMessage("its published_at is no time")
    if not isinstance(ordering_key, str):
        raise ForeignMessage("its ordering_key is no text")
    if not isinstance(attributes, dict) or not all(isinstance(each, str) for each in attributes.values()):
        raise ForeignMessage("its attributes are no texts")
    message = Message(by_name[DATA], attributes, ordering_key)
    if fault := fault_of(message, message_id):
        raise ForeignMessage(fault)
    return StoredMessage(message, message_id, float(published_at))


def foreign_data(found: list[bytes]) -> bytes:
    """Return the data of a foreign entry: its field `data`, or all fields as text if it has none.

    It is cut to what a message can have, so that the dead letter is not foreign, too.
    """
    by_name = dict(zip(found[::2], found[1::2], strict=True))
    if DATA in by_name:
        return by_name[DATA][:MAX_DATA_BYTES]
    return b"\n".join(name + b"=" + value for name, value in by_name.items())[:MAX_DATA_BYTES]


def _properties(found: bytes) -> dict[str, Any]:
    if len(found) > MAX_PROPERTIES_BYTES:
        raise ForeignMessage(
            f"it has {len(found)} bytes of properties; the maximum is {MAX_PROPERTIES_BYTES}"
        )
    try:
        document = json.loads(found)
    except (ValueError, RecursionError):
        raise ForeignMessage("its properties are not JSON") from None
    if not isinstance(document, dict):
        raise ForeignMessage("its properties are no JSON object")
    return document
