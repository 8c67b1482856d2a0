"""Push envelopes are parsed, among them bodies that are copied from Pub/Sub's documentation."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.faults import UnreadableEnvelope
from contract.job import MAX_JOB_BYTES
from push_endpoint.envelope import Envelope
from tests.contract.documents import PUSH, as_bytes, changed, texts

# https://cloud.google.com/pubsub/docs/push#receive_push
DOCUMENTED = b"""{
    "message": {
        "attributes": {
            "key": "value"
        },
        "data": "SGVsbG8gQ2xvdWQgUHViL1N1YiEgSGVyZSBpcyBteSBtZXNzYWdlIQ==",
        "messageId": "2070443601311540",
        "message_id": "2070443601311540",
        "orderingKey": "key",
        "publishTime": "2021-02-26T19:13:55.749Z",
        "publish_time": "2021-02-26T19:13:55.749Z"
    },
    "subscription": "projects/myproject/subscriptions/mysubscription"
}"""
# https://cloud.google.com/pubsub/docs/handling-failures#track_delivery_attempts
DOCUMENTED_ATTEMPT = b"""{
    "deliveryAttempt": 5,
    "message": {
        "data": "SGVsbG8gQ2xvdWQgUHViL1N1YiEgSGVyZSBpcyBteSBtZXNzYWdlIQ==",
        "messageId": "2070443601311540",
        "message_id": "2070443601311540",
        "publishTime": "2021-02-26T19:13:55.749Z",
        "publish_time": "2021-02-26T19:13:55.749Z"
    },
    "subscription": "projects/myproject/subscriptions/mysubscription"
}"""
ATTRIBUTES_ONLY = b"""{"message": {"attributes": {"key": "value"}, "messageId": "1", "message_id": "1",
"publishTime": "2026-11-22T06:00:00Z", "publish_time": "2026-11-22T06:00:00Z"},
"subscription": "projects/p/subscriptions/s"}"""
# The push of a dead letter, with the attributes that Pub/Sub adds, as observed on the real service.
DEAD_LETTER = b"""{"message": {"attributes": {
"CloudPubSubDeadLetterSourceDeliveryCount": "5",
"CloudPubSubDeadLetterSourceSubscription": "scrape-jobs-push",
"CloudPubSubDeadLetterSourceSubscriptionProject": "p",
"CloudPubSubDeadLetterSourceTopicPublishTime": "2026-11-22T06:00:00.123+00:00",
"job_id": "0123456789abcdef0123456789abcdef"},
"data": "e30=", "messageId": "2", "message_id": "2",
"publishTime": "2026-11-22T06:10:00Z", "publish_time": "2026-11-22T06:10:00Z"},
"subscription": "projects/p/subscriptions/dead", "deliveryAttempt": 1}"""


def test_documented_push_is_parsed() -> None:
    """Every field of the documented push is parsed, and its data is decoded."""
    assert Envelope.parse(DOCUMENTED) == Envelope(
        data=b"Hello Cloud Pub/Sub! Here is my message!",
        attributes={"key": "value"},
        message_id="2070443601311540",
        publish_time="2021-02-26T19:13:55.749Z",
        ordering_key="key",
        subscription="projects/myproject/subscriptions/mysubscription",
        delivery_attempt=None,
    )


def test_delivery_attempt_is_parsed_from_the_top_level() -> None:
    """`deliveryAttempt` is read from the top level of the push; missing attributes are an empty dict."""
    envelope = Envelope.parse(DOCUMENTED_ATTEMPT)
    assert envelope.delivery_attempt == 5
    assert envelope.attributes == {}
    assert envelope.ordering_key == ""


def test_push_without_data_is_parsed() -> None:
    """A push without `data`, which Pub/Sub omits if it is empty, has empty data."""
    envelope = Envelope.parse(ATTRIBUTES_ONLY)
    assert (envelope.data, envelope.attributes) == (b"", {"key": "value"})


def test_push_of_a_dead_letter_is_parsed() -> None:
    """The push of a dead letter is parsed, with the attributes that Pub/Sub added."""
    envelope = Envelope.parse(DEAD_LETTER)
    assert envelope.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert envelope.data == b"{}"


def test_push_needs_only_a_message_id() -> None:
    """A push with only a message id is parsed; the official emulator sends fewer fields than Pub/Sub."""
    assert Envelope.parse(b'{"message": {"messageId": "1"}}').message_id == "1"


@given(
    data=st.binary(),
    attributes=st.dictionaries(texts, texts),
    attempt=st.none() | st.integers(1, 100),
    ordering_key=st.none() | texts,
)
def test_any_published_message_is_parsed(
    data: bytes, attributes: dict[str, str], attempt: int | None, ordering_key: str | None
) -> None:
    """Any data, attributes and ordering key are parsed as they were published."""
    # Given a push in the documented format, with each optional field present or missing
    content: dict[str, object] = {"data": base64.b64encode(data).decode(), "messageId": "1"}
    push: dict[str, object] = {"message": content, "subscription": "projects/p/subscriptions/s"}
    if attributes:
        content["attributes"] = attributes
    if ordering_key is not None:
        content["orderingKey"] = ordering_key
    if attempt is not None:
        push["deliveryAttempt"] = attempt
    # When the push is parsed
    envelope = Envelope.parse(json.dumps(push, ensure_ascii=False).encode())
    # Then the envelope contains the published values
    assert (envelope.data, envelope.attributes) == (data, attributes)
    assert (envelope.ordering_key, envelope.delivery_attempt) == (ordering_key or "", attempt)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("message", None, "message: must be an object (got None)"),
        ("message", "QQ==", "message: must be an object (got 'QQ==')"),
        ("message", {}, "message.messageId: missing"),
        ("message.messageId", 7, "message.messageId: Input should be a valid string (got 7)"),
        ("message.data", None, "message.data: Input should be a valid string (got None)"),
        ("message.data", "QQ", "message.data: not base64: Incorrect padding"),
        ("message.data", "Q", "message.data: not base64"),
        ("message.data", "QQ==\n", "message.data: not base64: Excess data after padding"),
        ("message.data", "====", "message.data: not base64: Leading padding"),
        ("message.data", "QQ=Q", "message.data: not base64"),
        ("message.data", "QQ==QQ==", "message.data: not base64: Excess data after padding"),
        ("message.data", "-_-_", "message.data: not base64: Only base64 data is allowed"),
        ("message.data", "Q Q=", "message.data: not base64"),
        ("message.data", "é===", "message.data: not base64"),
        ("message.attributes", [], "message.attributes: must be an object (got [])"),
        (
            "message.attributes",
            {"host": 7},
            "message.attributes.host: Input should be a valid string (got 7)",
        ),
        ("deliveryAttempt", 0, "deliveryAttempt: Input should be greater than or equal to 1"),
        ("deliveryAttempt", "first", "deliveryAttempt: Input should be a valid integer"),
        ("deliveryAttempt", 1.5, "deliveryAttempt: Input should be a valid integer"),
        ("subscription", 7, "subscription: Input should be a valid string (got 7)"),
    ],
)
def test_invalid_push_is_rejected_with_path_and_message(path: str, value: object, message: str) -> None:
    """The error of an invalid push names the path and the fault of the field, and keeps the body."""
    body = as_bytes(changed(PUSH, path, value))
    with pytest.raises(UnreadableEnvelope) as caught:
        Envelope.parse(body)
    assert message in str(caught.value)
    assert caught.value.raw == body


def test_largest_push_is_parsed() -> None:
    """The largest job with 100 attributes of maximum size is parsed, even if their values are escaped."""
    body = json.dumps(
        {
            "message": {
                "data": base64.b64encode(b"x" * MAX_JOB_BYTES).decode(),
                "attributes": {f"{n:03}".ljust(256, "x"): "é" * 512 for n in range(100)},
                "messageId": "1" * 20,
            },
            "subscription": "projects/p/subscriptions/s",
        }
    ).encode()
    assert len(Envelope.parse(body).data) == MAX_JOB_BYTES
