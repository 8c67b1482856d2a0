"""Tests that JSON with wrong types is rejected with a sentence, and that valid JSON is accepted."""

from typing import Any, TypeAlias

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

import localpubsub
from localpubsub.api.rest_json import parse_fields
from localpubsub.errors import InvalidArgument
from localpubsub.protocol import messages
from localpubsub.protocol.iam import SetIamPolicyRequest

Json: TypeAlias = Any

PUBLISH = messages.PublishRequest
SUBSCRIPTION = messages.Subscription
TOPIC = messages.Topic
MASK = messages.UpdateSubscriptionRequest

#: Class of the request, its JSON, and the place and the explanation of the error.
WRONG = [
    (PUBLISH, {"messages": [1]}, "messages[0]", "an object, not the number 1"),
    (PUBLISH, {"messages": [None]}, "messages[0]", "an object, not null"),
    (PUBLISH, {"messages": {"data": ""}}, "messages", "a list, not an object"),
    (PUBLISH, {"messages": [{"data": True}]}, "messages[0].data", "base64 text, not true"),
    (PUBLISH, {"messages": [{"data": "a==="}]}, "messages[0].data", 'base64 text, not the text "a==="'),
    (PUBLISH, {"messages": [{"data": "!!!!"}]}, "messages[0].data", 'base64 text, not the text "!!!!"'),
    (PUBLISH, {"messages": [{"data": "!" * 99}]}, "messages[0].data", f'not the text "{"!" * 60}…"'),
    (PUBLISH, {"messages": [{"attributes": {"a": 1}}]}, "messages[0].attributes[a]", "text, not the"),
    (PUBLISH, {"messages": [{"attributes": ["a"]}]}, "messages[0].attributes", "an object, not a list"),
    (PUBLISH, {"messages": [{"publishTime": "today"}]}, "messages[0].publishTime", "a time such as"),
    (SUBSCRIPTION, {"ackDeadlineSeconds": "ten"}, "ackDeadlineSeconds", "of 32 bits, not the text"),
    (SUBSCRIPTION, {"ackDeadlineSeconds": 10.5}, "ackDeadlineSeconds", "an integer of 32 bits"),
    (SUBSCRIPTION, {"ackDeadlineSeconds": 2**31}, "ackDeadlineSeconds", "an integer of 32 bits"),
    (SUBSCRIPTION, {"ackDeadlineSeconds": "9" * 5000}, "ackDeadlineSeconds", "an integer of 32 bits"),
    (SUBSCRIPTION, {"enableMessageOrdering": 1}, "enableMessageOrdering", "true or false, not the number 1"),
    (SUBSCRIPTION, {"expirationPolicy": []}, "expirationPolicy", "an object, not a list"),
    (SUBSCRIPTION, {"expirationPolicy": "x"}, "expirationPolicy", "an object, not the text"),
    (SUBSCRIPTION, {"state": "NONE"}, "state", "one of ACTIVE, RESOURCE_ERROR, not the text"),
    (TOPIC, {"messageRetentionDuration": 600}, "messageRetentionDuration", 'as "600s", not the number'),
    (TOPIC, {"messageRetentionDuration": "1e3s"}, "messageRetentionDuration", "a number of seconds such as"),
    (MASK, {"updateMask": {"paths": []}}, "updateMask", "names of fields such as"),
    (SetIamPolicyRequest, {"policy": {"etag": "!!"}}, "policy.etag", "base64 text"),
    (SetIamPolicyRequest, {"policy": {"bindings": [{"role": 5}]}}, "policy.bindings[0].role", "text, not"),
]  # fmt: skip


@pytest.mark.parametrize(("request_class", "fields", "place", "explanation"), WRONG)
def test_wrong_type_is_rejected_with_place_and_sentence(
    request_class: Any,  # noqa: ANN401 - protobuf publishes no types
    fields: Json,
    place: str,
    explanation: str,
) -> None:
    """A value of a wrong type is rejected; the message names its place and what it must be."""
    with pytest.raises(InvalidArgument) as rejected:
        parse_fields(request_class, fields)
    assert f"Invalid value at '{place}': it must be " in str(rejected.value)
    assert explanation in str(rejected.value)


#: Parts of the texts of Python exceptions.
PYTHON = ("object of type", "NoneType", "not iterable", "literal for int", "got '", "Error(")
REQUESTS = (PUBLISH, SUBSCRIPTION, TOPIC, MASK, SetIamPolicyRequest, messages.SeekRequest)
NAMES = st.sampled_from(
    sorted({name for request in REQUESTS for name in request.DESCRIPTOR.fields_by_camelcase_name})
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(request_class=st.sampled_from(REQUESTS), fields=st.dictionaries(NAMES, VALUES, max_size=3))
def test_random_json_is_never_rejected_with_a_text_of_python(request_class: Any, fields: Json) -> None:  # noqa: ANN401 - protobuf publishes no types
    """Any JSON is accepted, or rejected with a sentence that is not the text of a Python exception."""
    reason = ""
    try:
        parse_fields(request_class, fields)
    except InvalidArgument as error:
        reason = str(error)
    assert not any(part in reason for part in PYTHON), reason


@pytest.mark.parametrize(
    ("request_class", "fields"),
    [
        (PUBLISH, {"messages": [{"data": "-_8", "attributes": {"a": ""}, "orderingKey": "k"}]}),
        (PUBLISH, {"messages": [{"data": "+/8=", "publishTime": "2026-01-31T12:00:00.5+01:00"}]}),
        (SUBSCRIPTION, {"ackDeadlineSeconds": "10", "ack_deadline_seconds": None}),
        (SUBSCRIPTION, {"ackDeadlineSeconds": 10.0, "state": 1, "expirationPolicy": {"ttl": "1.5s"}}),
        (SUBSCRIPTION, {"cloudStorageConfig": {"maxBytes": "9007199254740993", "textConfig": {}}}),
        (MASK, {"subscription": {"labels": {"a": "b"}}, "updateMask": "labels,push_config"}),
    ],
)
def test_json_of_protobuf_is_accepted(request_class: Any, fields: Json) -> None:  # noqa: ANN401 - protobuf publishes no types
    """Each form that protobuf's JSON format allows is accepted: null, numbers as text, both alphabets."""
    parse_fields(request_class, fields)


def test_error_that_quotes_a_long_value_reaches_grpc_clients() -> None:
    """A message with a quoted value of 100,000 characters is shortened; gRPC clients reject a longer one."""
    with localpubsub.running() as server, grpc.insecure_channel(server.host) as channel:
        call: Any = channel.unary_unary("/google.pubsub.v1.Publisher/GetTopic")
        with pytest.raises(grpc.RpcError) as rejected:
            call(messages.GetTopicRequest(topic="é" * 100_000).SerializeToString())
    assert rejected.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(rejected.value.details() or "") <= 600
