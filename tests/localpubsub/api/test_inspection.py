"""Tests of the endpoints for tests: reset, messages of a topic, and the size of a backlog."""

import base64
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from google.pubsub_v1.types import DeadLetterPolicy

from localpubsub.broker.message_history import MAX_BYTES
from tests.servers.pubsub_client import PubsubClient, running_localpubsub
from tests.servers.rest_connection import RestConnection
from tests.servers.waiting import wait_until

Json: TypeAlias = Any


@pytest.fixture
def pubsub() -> Iterator[PubsubClient]:
    """Clients of a new server that remembers messages."""
    with running_localpubsub() as client:
        yield client


@pytest.fixture
def http(pubsub: PubsubClient) -> Iterator[RestConnection]:
    """A connection to its HTTP port."""
    connection = RestConnection(pubsub.server.http_url)
    yield connection
    connection.close()


def messages(http: RestConnection, topic: str, query: str = "") -> list[Json]:
    """Return the messages of one page."""
    status, response = http.send("GET", f"/messages?topic={topic}{query}")
    assert status == 200, response
    found: list[Json] = response["messages"]
    return found


def test_messages_have_their_state_on_each_subscription(pubsub: PubsubClient, http: RestConnection) -> None:
    """A message has its data, attributes and, for each subscription, state, deliveries and attempt."""
    topic = pubsub.topic()
    first, second = pubsub.subscription(topic), pubsub.subscription(topic, filter='attributes.kind = "b"')
    message_ids = pubsub.publish(topic, b"one", b"two", b"three", b"four", kind="a")
    acked, nacked, _ = pubsub.pull(first, 3)
    pubsub.ack(first, [acked])
    pubsub.nack(first, [nacked])
    found = messages(http, topic)
    assert [each["messageId"] for each in found] == message_ids
    assert [base64.b64decode(each["data"]) for each in found] == [b"one", b"two", b"three", b"four"]
    assert found[0]["attributes"] == {"kind": "a"}
    assert found[0]["publishTime"].endswith("Z")
    assert [each["subscriptions"][first] for each in found] == [
        {"state": "acknowledged", "deliveries": 1, "attempt": 1},
        {"state": "waiting", "deliveries": 1, "attempt": 1},
        {"state": "outstanding", "deliveries": 1, "attempt": 1},
        {"state": "waiting", "deliveries": 0, "attempt": 0},
    ]
    assert {each["subscriptions"][second]["state"] for each in found} == {"filtered"}


def test_dead_letter_is_a_message_of_its_topic(pubsub: PubsubClient, http: RestConnection) -> None:
    """After the final attempt a message is dead-lettered, and the dead-letter topic has a new message."""
    topic, dead_letter_topic = pubsub.topic(), pubsub.topic()
    policy = DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5)
    name = pubsub.subscription(topic, dead_letter_policy=policy)
    pubsub.publish(topic, b"poison")
    for _ in range(5):
        pubsub.nack(name, pubsub.pull(name))
    wait_until(lambda: bool(messages(http, dead_letter_topic)), "the message is dead-lettered")
    (dead,) = messages(http, dead_letter_topic)
    assert dead["attributes"]["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    (source,) = messages(http, topic)
    assert source["subscriptions"][name] == {"state": "dead_lettered", "deliveries": 5, "attempt": 5}


def test_messages_of_a_topic_without_subscription_are_paged(
    pubsub: PubsubClient, http: RestConnection
) -> None:
    """Messages that no subscription gets are returned, too; pages are limited by number and by bytes."""
    topic = pubsub.topic()
    message_ids = pubsub.publish(topic, b"1", b"2", b"3")
    status, page = http.send("GET", f"/messages?topic={topic}&pageSize=2")
    assert (status, [each["messageId"] for each in page["messages"]]) == (200, message_ids[:2])
    rest = messages(http, topic, f"&pageToken={page['nextPageToken']}")
    assert [each["messageId"] for each in rest] == message_ids[2:]
    pubsub.publish(topic, b"x" * 3_000_000)
    pubsub.publish(topic, b"x" * 3_000_000)
    assert len(messages(http, topic)) == 4


def test_history_is_limited_by_number_and_by_bytes() -> None:
    """The oldest messages are forgotten when there are too many, or when they are too large together."""
    with running_localpubsub(history=3) as pubsub:
        http = RestConnection(pubsub.server.http_url)
        topic = pubsub.topic()
        message_ids = pubsub.publish(topic, *[b"x"] * 5)
        assert [each["messageId"] for each in messages(http, topic)] == message_ids[2:]
        large = MAX_BYTES // 4
        newest = [pubsub.publish(topic, b"x" * large)[0] for _ in range(4)]
        token = f"&pageToken={int(newest[0]) - 1}"
        assert [each["messageId"] for each in messages(http, topic, token)] == newest[1:2]
        http.close()


def test_reset_deletes_everything(pubsub: PubsubClient, http: RestConnection) -> None:
    """After a reset there are no resources and messages; a new topic of the same name starts empty."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription)
    project = topic.rpartition("/topics/")[0]
    definition = {"type": "AVRO", "definition": '{"type": "record", "name": "R", "fields": []}'}
    http.send("POST", f"/v1/{project}/schemas?schemaId=schema", definition)
    pubsub.publish(topic, b"old")
    deleted = {"topics": 1, "subscriptions": 1, "snapshots": 1, "schemas": 1}
    assert http.send("POST", "/reset") == (200, {"deleted": deleted})
    for collection in deleted:
        assert http.send("GET", f"/v1/{project}/{collection}") == (200, {})
    pubsub.publisher.create_topic(name=topic)
    assert messages(http, topic) == []
    assert http.send("POST", "/reset")[0] == 200


def test_reset_by_a_web_page_is_refused(pubsub: PubsubClient, http: RestConnection) -> None:
    """A page that is open in the browser cannot reset the server."""
    topic = pubsub.topic()
    assert http.send("POST", "/reset", Origin="http://evil.example")[0] == 403
    assert http.send("GET", f"/v1/{topic}")[0] == 200
    assert http.send("GET", "/reset")[0] == 404


def test_backlog_waits_until_it_is_empty(pubsub: PubsubClient, http: RestConnection) -> None:
    """The backlog is returned at once, or with `wait` as soon as it is 0."""
    name = pubsub.subscription(pubsub.topic())
    topic = pubsub.subscriber.get_subscription(subscription=name).topic
    pubsub.publish(topic, b"1", b"2")
    assert http.send("GET", f"/backlog?subscription={name}") == (200, {"backlog": 2})
    assert http.send("GET", "/backlog?wait=0.05") == (200, {"backlog": 2})
    pubsub.ack(name, pubsub.pull(name, 2))
    assert http.send("GET", "/backlog?wait=60") == (200, {"backlog": 0})


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/messages", 400, "must look like projects/PROJECT/topics/NAME"),
        ("/messages?topic=projects/p/topics/missing", 404, "not found"),
        ("/messages?topic=projects/p/topics/missing&pageSize=-1", 400, "pageSize"),
        ("/messages?topic=projects/p/topics/missing&pageToken=x", 400, "pageToken"),
        ("/backlog?subscription=x", 400, "must look like"),
        ("/backlog?subscription=projects/p/subscriptions/missing", 404, "not found"),
        ("/backlog?wait=61", 400, "from 0 to 60 seconds"),
        ("/backlog?wait=nan", 400, "from 0 to 60 seconds"),
    ],
)
def test_invalid_request_is_rejected_with_a_reason(
    http: RestConnection, path: str, status: int, reason: str
) -> None:
    """An invalid parameter, or a resource that does not exist, gets an error with a sentence."""
    found, _, message = http.send_invalid("GET", path)
    assert (found, reason in message) == (status, True), message


def test_server_without_history_says_how_to_enable_it() -> None:
    """Without a history, /messages explains which option is needed."""
    with running_localpubsub(history=0) as pubsub:
        http = RestConnection(pubsub.server.http_url)
        status, code, message = http.send_invalid("GET", f"/messages?topic={pubsub.topic()}")
        http.close()
    assert (status, code) == (400, "FAILED_PRECONDITION")
    assert "--history" in message
