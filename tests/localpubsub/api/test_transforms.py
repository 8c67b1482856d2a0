"""Tests message transforms of topics and subscriptions, and the methods that validate and test them."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
from google.api_core.exceptions import InvalidArgument
from google.pubsub_v1.types import (
    DeadLetterPolicy,
    JavaScriptUDF,
    MessageTransform,
    PublishRequest,
    PushConfig,
    RetryPolicy,
    UpdateTopicRequest,
)

from tests.servers.pubsub_client import PubsubClient, running_localpubsub
from tests.servers.push_endpoint import running_endpoint
from tests.servers.rest_connection import RestConnection

Json: TypeAlias = Any

UPPER = "function upper(message) { message.data = message.data.toUpperCase(); return message }"
DROP = "function drop(message) { return message.data.startsWith('drop') ? null : message }"
FAIL = "function fail(message) { throw new Error('broken') }"


def transforms(*codes: str) -> list[MessageTransform]:
    """Return transforms with these functions."""
    return [
        MessageTransform(
            javascript_udf=JavaScriptUDF(function_name=code.partition("(")[0].partition(" ")[2], code=code)
        )
        for code in codes
    ]


@pytest.fixture(scope="module")
def pubsub() -> Iterator[PubsubClient]:
    """Clients of a server."""
    with running_localpubsub() as client:
        yield client


@pytest.fixture(scope="module")
def rest(pubsub: PubsubClient) -> Iterator[RestConnection]:
    """A connection to its REST API."""
    connection = RestConnection(pubsub.server.http_url)
    yield connection
    connection.close()


def test_topic_transforms_messages_before_they_are_stored(pubsub: PubsubClient) -> None:
    """Subscriptions get the transformed messages; one that is filtered has an id, but is not delivered."""
    topic = pubsub.topic(message_transforms=transforms(DROP, UPPER))
    name = pubsub.subscription(topic)
    message_ids = pubsub.publish(topic, b"drop this", b"keep this", a="b")
    assert len(set(message_ids)) == 2
    (received,) = pubsub.pull(name)
    assert (received.message.data, received.message.message_id) == (b"KEEP THIS", message_ids[1])
    assert dict(received.message.attributes) == {"a": "b"}
    assert len(pubsub.publish(topic, b"drop all")) == 1
    assert len(pubsub.publisher.get_topic(topic=topic).message_transforms) == 2


def test_publish_fails_if_a_transform_of_the_topic_fails(pubsub: PubsubClient) -> None:
    """If a function fails, nothing of the request is published; without the transforms it works again."""
    topic = pubsub.topic(message_transforms=transforms(FAIL))
    name = pubsub.subscription(topic)
    with pytest.raises(InvalidArgument, match="fail failed: Error: broken"):
        pubsub.publish(topic, b"x")
    request = UpdateTopicRequest(topic={"name": topic}, update_mask={"paths": ["message_transforms"]})
    pubsub.publisher.update_topic(request=request)
    pubsub.publish(topic, b"works")
    assert [received.message.data for received in pubsub.pull(name)] == [b"works"]


def test_subscription_transforms_only_its_own_messages(pubsub: PubsubClient) -> None:
    """A message that one subscription filters is acknowledged there; other subscriptions get the original."""
    topic = pubsub.topic()
    transformed, original = (
        pubsub.subscription(topic, message_transforms=transforms(DROP, UPPER)),
        pubsub.subscription(topic),
    )
    pubsub.publish(topic, b"drop this", b"keep this")
    assert [received.message.data for received in pubsub.pull(transformed, 1)] == [b"KEEP THIS"]
    assert [received.message.data for received in pubsub.pull(original, 2)] == [b"drop this", b"keep this"]
    assert pubsub.pull_now(transformed) == []


def test_push_sends_the_transformed_message(pubsub: PubsubClient) -> None:
    """A push subscription sends what its transforms return."""
    with running_endpoint() as endpoint:
        topic = pubsub.topic()
        config = PushConfig(push_endpoint=endpoint.url)
        pubsub.subscription(topic, push_config=config, message_transforms=transforms(DROP, UPPER))
        pubsub.publish(topic, b"drop this", b"keep this")
        (push,) = endpoint.wait_for(1)
        assert base64.b64decode(push.envelope["message"]["data"]) == b"KEEP THIS"
        pubsub.stop_pushing()


def test_message_that_cannot_be_transformed_is_dead_lettered(pubsub: PubsubClient) -> None:
    """After the last attempt, the dead-letter topic gets the original message."""
    topic, dead_letter_topic = pubsub.topic(), pubsub.topic()
    dead = pubsub.subscription(dead_letter_topic)
    backoff = RetryPolicy(minimum_backoff=timedelta(0), maximum_backoff=timedelta(0))
    policy = DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5)
    name = pubsub.subscription(
        topic, dead_letter_policy=policy, retry_policy=backoff, message_transforms=transforms(FAIL)
    )
    pubsub.publish(topic, b"original")
    assert pubsub.pull_now(name) == []
    (received,) = pubsub.pull(dead)
    assert received.message.data == b"original"
    assert received.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"


def test_message_without_policies_is_delivered_once_it_can_be_transformed(pubsub: PubsubClient) -> None:
    """Without policies a message that cannot be transformed waits until the transform is mended."""
    topic = pubsub.topic()
    name = pubsub.subscription(topic, message_transforms=transforms(FAIL))
    pubsub.publish(topic, b"waits")
    assert pubsub.pull_now(name) == []
    pubsub.subscriber.update_subscription(
        request={
            "subscription": {"name": name, "message_transforms": transforms(UPPER)},
            "update_mask": {"paths": ["message_transforms"]},
        }
    )
    assert [received.message.data for received in pubsub.pull(name)] == [b"WAITS"]


def test_transforms_survive_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Transforms of topics and subscriptions are stored."""
    data = tmp_path_factory.mktemp("data")
    with running_localpubsub(data=data) as first:
        topic = first.topic(message_transforms=transforms(DROP))
        name = first.subscription(topic, message_transforms=transforms(UPPER))
    with running_localpubsub(data=data) as second:
        second.publish(topic, b"drop this", b"keep this")
        assert [received.message.data for received in second.pull(name)] == [b"KEEP THIS"]


def test_transform_is_validated_over_rest(rest: RestConnection) -> None:
    """A valid transform is accepted, and an invalid one is rejected with the reason."""
    path = "/v1/projects/p:validateMessageTransform"
    udf = {"functionName": "upper", "code": UPPER}
    assert rest.send("POST", path, {"messageTransform": {"javascriptUdf": udf}}) == (200, {})
    udf = {"functionName": "lower", "code": UPPER}
    status, code, message = rest.send_invalid("POST", path, {"messageTransform": {"javascriptUdf": udf}})
    assert (status, code) == (400, "INVALID_ARGUMENT")
    assert "defines no function of this name" in message


def test_transforms_are_tested_over_rest(pubsub: PubsubClient, rest: RestConnection) -> None:
    """The message after each transform is returned, up to the first one that filters it or fails."""
    path = "/v1/projects/p:testMessageTransforms"

    def outcomes(body: Json) -> list[Json]:
        status, response = rest.send("POST", path, {"message": {"data": "ZHJvcA=="}, **body})
        assert status == 200, response
        found: list[Json] = response["transformedMessages"]
        return found

    def given(*codes: str) -> Json:
        return {
            "messageTransforms": {
                "messageTransforms": [
                    {"javascriptUdf": {"functionName": code.split("(")[0].split(" ")[1], "code": code}}
                    for code in codes
                ]
            }
        }

    assert outcomes(given(UPPER, DROP)) == [{"transformedMessage": {"data": "RFJPUA=="}}] * 2
    assert outcomes(given(DROP, UPPER)) == [{"filteredMessage": {}}]
    (failed,) = outcomes(given(FAIL, UPPER))
    assert "broken" in failed["failedMessage"]["error"]["message"]
    topic = pubsub.topic(message_transforms=transforms(DROP))
    assert outcomes({"topic": topic}) == [{"filteredMessage": {}}]
    name = pubsub.subscription(topic, message_transforms=transforms(UPPER))
    assert outcomes({"subscription": name}) == [{"transformedMessage": {"data": "RFJPUA=="}}]
    assert rest.send_invalid("POST", path, {"message": {}})[:2] == (400, "INVALID_ARGUMENT")


def test_function_of_a_topic_sees_no_id_or_time_from_the_publisher(pubsub: PubsubClient) -> None:
    """Only the server sets message_id and publish_time, so values of a client have no effect, nor fail."""
    code = "function show(message, metadata) { message.data = JSON.stringify(metadata); return message }"
    topic = pubsub.topic(message_transforms=transforms(code))
    subscription = pubsub.subscription(topic)
    request = PublishRequest.pb()(topic=topic)
    message = request.messages.add(data=b"x", message_id="forged")
    message.publish_time.seconds = 2**62
    pubsub.publisher.publish(request=PublishRequest.wrap(request))
    assert pubsub.pull(subscription)[0].message.data == b"{}"
