"""Defines every limit and default of Pub/Sub that localpubsub applies, each with its source.

Below, "quotas" means https://cloud.google.com/pubsub/quotas#resource_limits, and "proto" means the comments
of https://github.com/googleapis/googleapis/blob/master/google/pubsub/v1/pubsub.proto. The rules for names are
from https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from localpubsub.errors import InvalidArgument
from localpubsub.protocol.messages import DurationPb, PubsubMessagePb, RequestPb, TimestampPb

MAX_REQUEST_BYTES: Final = 10_000_000  #: Maximum bytes of a publish request and of a message (quotas).
MAX_REQUEST_MESSAGES: Final = 1_000  #: Maximum number of messages in one publish request (quotas).
MAX_ACK_REQUEST_BYTES: Final = 524_288  #: Maximum bytes of a request with ack ids (quotas).
MAX_ATTRIBUTES: Final = 100  #: Maximum number of attributes of one message (quotas).
MAX_ATTRIBUTE_KEY_BYTES: Final = 256  #: Maximum bytes of an attribute's key (quotas).
MAX_ATTRIBUTE_VALUE_BYTES: Final = 1_024  #: Maximum bytes of an attribute's value (quotas).
MAX_ORDERING_KEY_BYTES: Final = 1_024  #: Maximum bytes of an ordering key (quotas).
#: Maximum number of labels of one resource: https://cloud.google.com/pubsub/docs/labels#requirements
MAX_LABELS: Final = 64

DEFAULT_ACK_DEADLINE: Final = 10  #: Seconds if ack_deadline_seconds is 0 (proto: Subscription).
ACK_DEADLINE: Final = (10, 600)  #: Minimum and maximum, seconds (proto: Subscription.ack_deadline_seconds).
#: Minimum and maximum, seconds; 0 means a nack (proto: ModifyAckDeadlineRequest.ack_deadline_seconds).
MODIFIED_ACK_DEADLINE: Final = (0, 600)

#: Default of message_retention_duration, seconds (proto: Subscription).
DEFAULT_RETENTION: Final = 7 * 86_400
RETENTION: Final = (600, 31 * 86_400)  #: Minimum and maximum of message_retention_duration, seconds.
#: Seconds without use after which a subscription is deleted, if no policy is set (proto: expiration_policy).
DEFAULT_EXPIRATION: Final = 31 * 86_400

DEFAULT_DELIVERY_ATTEMPTS: Final = 5  #: Value if max_delivery_attempts is 0 (proto: DeadLetterPolicy).
#: Minimum and maximum of max_delivery_attempts (proto: DeadLetterPolicy).
DELIVERY_ATTEMPTS: Final = (5, 100)

#: Minimum and maximum of each backoff of a retry policy, seconds (proto: RetryPolicy).
BACKOFF: Final = (0, 600)
#: Defaults of minimum_backoff and maximum_backoff, seconds (proto: RetryPolicy).
DEFAULT_BACKOFF: Final = (10, 600)

#: Minimum and maximum seconds of a Timestamp, which are the years 1 and 9999
#: (https://protobuf.dev/reference/protobuf/google.protobuf/#timestamp).
MIN_TIMESTAMP: Final = -62_135_596_800
MAX_TIMESTAMP: Final = 253_402_300_799
#: Maximum seconds of a Duration (https://protobuf.dev/reference/protobuf/google.protobuf/#duration).
MAX_DURATION: Final = 315_576_000_000
NANOS_OF_A_SECOND: Final = 1_000_000_000  #: Nanoseconds in a second.
#: Minimum and maximum ttl of an expiration policy, seconds (proto: ExpirationPolicy.ttl).
EXPIRATION: Final = (86_400, MAX_DURATION)

DEFAULT_PAGE_SIZE: Final = 100  #: Number of resources in a list response if page_size is 0.
MAX_PAGE_SIZE: Final = 1_000  #: Maximum number of resources in a list response.

#: Maximum number of messages in one pull response, even if the request asks for more:
#: https://github.com/google/go-cloud/issues/1643. With more, the response would hold up all other calls.
MAX_PULL_MESSAGES: Final = 1_000
#: Maximum bytes of messages in one pull response; a response with only one message may be larger.
MAX_PULL_BYTES: Final = 10_000_000
#: Maximum bytes of a request that gRPC accepts. It exceeds MAX_REQUEST_BYTES, because the error that gRPC
#: sends for a larger request does not state Pub/Sub's limit.
GRPC_RECEIVE_BYTES: Final = 4 * MAX_REQUEST_BYTES

_MAX_HOST_BYTES: Final = 253  # RFC 1035 section 2.3.4, without the length bytes of the first and last part
_RESOURCE_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}")
#: Any project whose name is safe in URLs and JSON is accepted, as the official emulator does.
_PROJECT: Final = re.compile(r"projects/[\w\-.:]+", re.ASCII)
#: Letters of all languages are allowed (https://cloud.google.com/pubsub/docs/labels#requirements).
_LABEL_KEY: Final = re.compile(r"[^\W\d_][\w-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[\w-]{0,63}")


def check_name(name: str, *collections: str) -> None:
    """Reject a resource name that is not ``projects/P/COLLECTION/ID``, with one of the collections."""
    parts = name.split("/")
    if len(parts) != 4 or parts[2] not in collections or not _PROJECT.fullmatch("/".join(parts[:2])):
        forms = " or ".join(f"projects/PROJECT/{collection}/NAME" for collection in collections)
        raise InvalidArgument(f"Invalid resource name given (name={name}). It must look like {forms}.")
    if not _RESOURCE_ID.fullmatch(parts[3]) or parts[3].startswith("goog"):
        raise InvalidArgument(
            f"Invalid resource name given (name={name}). The last part must be 3 to 255 letters, digits or "
            "-_.~+%, start with a letter, and not start with 'goog'."
        )


def check_project(name: str) -> None:
    """Reject a project name that is not ``projects/P``."""
    if not _PROJECT.fullmatch(name):
        raise InvalidArgument(f"Invalid project given (name={name}). It must look like projects/PROJECT.")


def check_publish(request: RequestPb) -> None:
    """Reject a publish request that is empty or too large, or that contains an invalid message."""
    messages = request.messages
    if not messages:
        raise InvalidArgument("The request must contain at least one message.")
    _check_maximum("message_count", len(messages), MAX_REQUEST_MESSAGES)
    _check_maximum("request_size", request.ByteSize(), MAX_REQUEST_BYTES)
    for message in messages:
        _check_message(message)


def check_ack_request(request: RequestPb) -> None:
    """Reject a request with more ack ids than Pub/Sub accepts, with its message, to which clients react.

    https://github.com/googleapis/nodejs-pubsub/issues/1864
    """
    if request.ByteSize() > MAX_ACK_REQUEST_BYTES:
        raise InvalidArgument(f"Request payload size exceeds the limit: {MAX_ACK_REQUEST_BYTES} bytes.")


def _check_message(message: PubsubMessagePb) -> None:
    attributes = message.attributes
    if attributes:
        _check_attributes(attributes)
    elif not message.data:
        raise InvalidArgument("Some messages in the batch are empty: a message needs data or attributes.")
    if message.ordering_key:
        _check_maximum("ordering_key size", len(message.ordering_key.encode()), MAX_ORDERING_KEY_BYTES)


def _check_attributes(attributes: dict[str, str]) -> None:
    _check_maximum("attribute_count", len(attributes), MAX_ATTRIBUTES)
    for key, value in attributes.items():
        if not key or key.startswith("goog"):
            raise InvalidArgument(
                f"Invalid attribute key {key!r}: it must not be empty nor start with 'goog'."
            )
        # A character has at most four bytes in UTF-8, so only long strings need to be encoded to be measured.
        if len(key) * 4 > MAX_ATTRIBUTE_KEY_BYTES:
            _check_maximum("attribute key size", len(key.encode()), MAX_ATTRIBUTE_KEY_BYTES)
        if len(value) * 4 > MAX_ATTRIBUTE_VALUE_BYTES:
            _check_maximum("attribute value size", len(value.encode()), MAX_ATTRIBUTE_VALUE_BYTES)


def _check_maximum(name: str, value: int, maximum: int) -> None:
    if value > maximum:
        raise InvalidArgument(
            f"The value for {name} is too large. You passed {value} in the request, but the maximum value "
            f"is {maximum}."
        )


def check_between(name: str, value: float, bounds: tuple[int, int]) -> None:
    """Reject a number outside its inclusive bounds."""
    low, high = bounds
    if not low <= value <= high:
        raise InvalidArgument(f"Invalid {name} given (value={value:g}): it must be from {low} to {high}.")


def check_timestamp(name: str, timestamp: TimestampPb) -> None:
    """Reject a Timestamp outside the years 1 to 9999, or with invalid nanos (proto: Timestamp)."""
    if not (MIN_TIMESTAMP <= timestamp.seconds <= MAX_TIMESTAMP and 0 <= timestamp.nanos < NANOS_OF_A_SECOND):
        raise InvalidArgument(
            f"Invalid {name} given (seconds={timestamp.seconds}, nanos={timestamp.nanos}): it must be from "
            "0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z, with nanos from 0 to 999,999,999."
        )


def check_duration(name: str, duration: DurationPb, bounds: tuple[int, int]) -> None:
    """Reject a Duration outside its inclusive bounds in seconds, or with invalid nanos (proto: Duration)."""
    check_between(name, duration.seconds + duration.nanos / NANOS_OF_A_SECOND, bounds)
    if not 0 <= duration.nanos < NANOS_OF_A_SECOND:
        raise InvalidArgument(
            f"Invalid {name} given (seconds={duration.seconds}, nanos={duration.nanos}): nanos must be from "
            "0 to 999,999,999."
        )


def check_labels(labels: dict[str, str]) -> None:
    """Reject labels that Google Cloud rejects."""
    _check_maximum("label_count", len(labels), MAX_LABELS)
    for key, value in labels.items():
        is_valid = _LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value)
        if not is_valid or (key + value) != (key + value).lower():
            raise InvalidArgument(
                f"Invalid label {key!r}={value!r}: keys start with a lower case letter; keys and values have "
                "at most 63 lower case letters, digits, - and _."
            )


def check_endpoint(url: str) -> None:
    """Reject a push endpoint that is not an http:// or https:// URL.

    Pub/Sub accepts only https://; localpubsub also accepts http://, for endpoints on the same machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        usable = parts.scheme in {"http", "https"} and bool(host) and parts.port != 0
    except ValueError:
        host, usable = "", False
    if not usable or not url.isascii() or any(character <= " " for character in url):
        raise InvalidArgument(
            f"Invalid push endpoint given (endpoint={url}): it must be an absolute http:// or https:// URL."
        )
    if not _is_resolvable(host):
        raise InvalidArgument(
            f"Invalid push endpoint given (endpoint={url}): a host name has at most 253 characters, and the "
            "parts between its dots have 1 to 63."
        )


def _is_resolvable(host: str) -> bool:
    """Return whether the resolver accepts a host name: it is encoded as Python's sockets encode it."""
    try:
        return 0 < len(host.removesuffix(".").encode("idna")) <= _MAX_HOST_BYTES
    except UnicodeError:
        return False
