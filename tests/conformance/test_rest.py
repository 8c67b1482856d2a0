"""Tests of the REST API with plain JSON and with the REST transport of the official client.

The numbers of behaviours refer to the table in localpubsub/README.md.
"""

import base64
from typing import Any, Final, TypeAlias

import pytest
import requests
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.auth.credentials import AnonymousCredentials
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherRestTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberRestTransport
from google.pubsub_v1.types import DeadLetterPolicy, PubsubMessage, Subscription, Topic

from tests.servers.pubsub_client import PROJECT, PubsubClient

Json: TypeAlias = Any

TIMEOUT: Final = 60  #: How long one request may take, in seconds.


class RestClient:
    """Sends requests with plain JSON, as curl does."""

    def __init__(self, http_url: str) -> None:
        self._url = http_url

    def __call__(self, method: str, path: str, body: Json = None, **query: str) -> tuple[int, Json]:
        """Send a request; return the status and the JSON of the response."""
        response = requests.request(
            method, f"{self._url}/v1/{path}", json=body, params=query, timeout=TIMEOUT
        )
        assert response.headers["Content-Type"].startswith("application/json"), response.text
        return response.status_code, response.json()


@pytest.fixture
def rest(pubsub: PubsubClient) -> RestClient:
    """A client of the server under test."""
    return RestClient(pubsub.server.http_url)


def test_rest_publish_pull_and_acknowledge(pubsub: PubsubClient, rest: RestClient) -> None:
    """Behaviour 2: messages are published, pulled and acked; data is base64, names are in camelCase."""
    topic, subscription = pubsub.name("topics"), pubsub.name("subscriptions")
    assert rest("PUT", topic, {"labels": {"a": "b"}})[0] == 200
    status, made = rest("PUT", subscription, {"topic": topic, "ackDeadlineSeconds": 20})
    assert (status, made["name"], made["topic"], made["ackDeadlineSeconds"]) == (200, subscription, topic, 20)
    data = base64.b64encode(b"\xff\x00data").decode()
    status, published = rest(
        "POST", f"{topic}:publish", {"messages": [{"data": data, "attributes": {"k": "ü"}}]}
    )
    assert status == 200
    status, pulled = rest("POST", f"{subscription}:pull", {"maxMessages": 1})
    (received,) = pulled["receivedMessages"]
    message = received["message"]
    assert (message["data"], message["attributes"]) == (data, {"k": "ü"})
    assert [message["messageId"]] == published["messageIds"]
    assert rest("POST", f"{subscription}:acknowledge", {"ackIds": [received["ackId"]]}) == (200, {})
    assert rest("POST", f"{subscription}:pull", {"maxMessages": 1, "returnImmediately": True}) == (200, {})
    assert rest("DELETE", subscription) == (200, {})
    assert rest("DELETE", topic) == (200, {})


def test_rest_and_grpc_share_their_resources(pubsub: PubsubClient, rest: RestClient) -> None:
    """A message published over gRPC can be pulled over REST, and the other way round."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"grpc")
    _, pulled = rest("POST", f"{subscription}:pull", {"maxMessages": 1})
    assert base64.b64decode(pulled["receivedMessages"][0]["message"]["data"]) == b"grpc"
    rest("POST", f"{topic}:publish", {"messages": [{"data": base64.b64encode(b"rest").decode()}]})
    assert [received.message.data for received in pubsub.pull(subscription)] == [b"rest"]


def test_rest_errors_have_the_body_of_google_errors(pubsub: PubsubClient, rest: RestClient) -> None:
    """An error has the HTTP status of its code and the body {"error": {"code", "message", "status"}}."""
    topic, missing = pubsub.topic(), pubsub.name("topics")
    for status, code, (method, path, body) in (
        (404, "NOT_FOUND", ("GET", missing, None)),
        (409, "ALREADY_EXISTS", ("PUT", topic, {})),
        (400, "INVALID_ARGUMENT", ("POST", f"{topic}:publish", {"messages": [{}]})),
        (400, "INVALID_ARGUMENT", ("POST", f"{topic}:publish", {"nonsense": 1})),
        (404, "NOT_FOUND", ("POST", f"{missing}:publish", {"messages": [{"data": "aGk="}]})),
    ):
        http_status, found = rest(method, path, body)
        assert (http_status, found["error"]["code"], found["error"]["status"]) == (status, status, code)
        assert found["error"]["message"]


def test_rest_lists_have_pages(pubsub: PubsubClient, rest: RestClient) -> None:
    """A list is read page by page with the query parameters pageSize and pageToken."""
    made = {pubsub.topic() for _ in range(3)}
    found: set[str] = set()
    token = ""
    while True:
        _, page = rest("GET", f"projects/{PROJECT}/topics", pageSize="2", pageToken=token)
        assert len(page["topics"]) <= 2
        found |= {topic["name"] for topic in page["topics"]}
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert made <= found


def test_rest_update_changes_only_the_fields_of_its_mask(pubsub: PubsubClient, rest: RestClient) -> None:
    """A PATCH changes the fields of the mask in its body, and other fields keep their values."""
    subscription = pubsub.subscription(pubsub.topic(), labels={"kept": "yes"})
    body = {
        "subscription": {"ackDeadlineSeconds": 99, "labels": {"kept": "no"}},
        "updateMask": "ackDeadlineSeconds",
    }
    status, found = rest("PATCH", subscription, body)
    assert (status, found["ackDeadlineSeconds"], found["labels"]) == (200, 99, {"kept": "yes"})


def test_rest_transport_of_the_official_client(pubsub: PubsubClient) -> None:
    """All calls of the unmodified client succeed or raise the right exception over REST."""
    options: dict[str, Any] = {
        "host": pubsub.server.http_url,
        "credentials": AnonymousCredentials(),  # type: ignore[no-untyped-call]  # google-auth publishes no types
        "url_scheme": "http",
    }
    with (
        PublisherClient(transport=PublisherRestTransport(**options)) as publisher,
        SubscriberClient(transport=SubscriberRestTransport(**options)) as subscriber,
    ):
        _use_every_method(pubsub, publisher, subscriber)


def _use_every_method(pubsub: PubsubClient, publisher: PublisherClient, subscriber: SubscriberClient) -> None:
    """Create, use and delete a topic and a subscription, and check every response."""
    topic, dead = pubsub.name("topics"), pubsub.topic()
    assert publisher.create_topic(Topic(name=topic)).name == topic
    with pytest.raises(Conflict):
        publisher.create_topic(Topic(name=topic))
    policy = DeadLetterPolicy(dead_letter_topic=dead, max_delivery_attempts=6)
    name = pubsub.name("subscriptions")
    made = subscriber.create_subscription(Subscription(name=name, topic=topic, dead_letter_policy=policy))
    assert made.dead_letter_policy == policy
    (message_id,) = publisher.publish(topic=topic, messages=[PubsubMessage(data=b"x")]).message_ids
    (received,) = subscriber.pull(subscription=name, max_messages=1, timeout=TIMEOUT).received_messages
    assert received.message.message_id == message_id
    subscriber.modify_ack_deadline(subscription=name, ack_ids=[received.ack_id], ack_deadline_seconds=30)
    subscriber.acknowledge(subscription=name, ack_ids=[received.ack_id])
    changed = Subscription(name=name, ack_deadline_seconds=44)
    mask = {"paths": ["ack_deadline_seconds"]}
    updated = subscriber.update_subscription({"subscription": changed, "update_mask": mask})
    assert updated.ack_deadline_seconds == 44
    assert list(publisher.list_topic_subscriptions(topic=topic)) == [name]
    assert name in {each.name for each in subscriber.list_subscriptions(project=f"projects/{PROJECT}")}
    with pytest.raises(BadRequest):
        subscriber.acknowledge(subscription=name, ack_ids=["nonsense"])
    subscriber.delete_subscription(subscription=name)
    with pytest.raises(NotFound):
        subscriber.get_subscription(subscription=name)
