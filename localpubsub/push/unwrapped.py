"""A push without its envelope: https://cloud.google.com/pubsub/docs/payload-unwrapping."""

import re
from typing import Final

from localpubsub.backlog.message import rfc3339
from localpubsub.protocol.messages import PubsubMessage

_PREFIX: Final = "x-goog-pubsub-"
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  #: RFC 9110 section 5.6.2
_VALUE: Final = re.compile(
    r"[\t\x20-\x7e\x80-\U0010ffff]*"
)  #: no control characters: they would end the line
#: Headers of the request itself, which no attribute may set a second time.
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "authorization"})


def unwrapped(record: bytes, subscription: str, *, write_metadata: bool) -> tuple[bytes, str]:
    """Body and header lines of one delivery: the message's data, and with ``write_metadata`` the rest of it.

    Args:
        record: the message, encoded.
        subscription: full name of the subscription.
        write_metadata: whether id, time, key and attributes become headers. An attribute that is no valid
            header is left out.
    """
    message = PubsubMessage.FromString(record)
    if not write_metadata:
        return message.data, ""
    headers = {
        _PREFIX + "subscription-name": subscription,
        _PREFIX + "message-id": message.message_id,
        _PREFIX + "publish-time": rfc3339(message.publish_time) + "Z",
    }
    if message.ordering_key:
        headers[_PREFIX + "ordering-key"] = message.ordering_key
    for key, value in message.attributes.items():
        if _NAME.fullmatch(key) and key.lower() not in _OURS:
            headers.setdefault(key, value)
    lines = (f"{name}: {value}\r\n" for name, value in headers.items() if _VALUE.fullmatch(value))
    return message.data, "".join(lines)
