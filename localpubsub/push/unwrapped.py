"""Builds the body and headers of a push without the JSON envelope.

https://cloud.google.com/pubsub/docs/payload-unwrapping
"""

import re
from typing import Final

from localpubsub.backlog.message import rfc3339
from localpubsub.protocol.messages import PubsubMessage

_PREFIX: Final = "x-goog-pubsub-"
#: A valid header name (RFC 9110 section 5.6.2).
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: A valid header value; control characters are excluded because they would end the header line.
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
#: Headers of the request itself, which message attributes cannot set.
_RESERVED_HEADERS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "authorization"}
)


def unwrapped(record: bytes, subscription: str, *, write_metadata: bool) -> tuple[bytes, str]:
    """Return the body and the header lines of one delivery without envelope.

    The body is the message's data. The header lines end with CRLF; without ``write_metadata`` there are none.

    Args:
        record: the encoded ``PubsubMessage``.
        subscription: the full name of the subscription.
        write_metadata: whether the message id, publish time, ordering key and attributes are sent as headers.
            An attribute is omitted if it is not a valid header, or if another header already has its name.
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
        if _NAME.fullmatch(key) and key.lower() not in _RESERVED_HEADERS:
            headers.setdefault(key, value)
    lines = (f"{name}: {value}\r\n" for name, value in headers.items() if _VALUE.fullmatch(value))
    return message.data, "".join(lines)
