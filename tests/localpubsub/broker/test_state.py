"""``GET /``: a table for people, JSON for programs."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from google.pubsub_v1.types import PushConfig

import localpubsub
from localpubsub.backlog.backlog import Backlog, DeliveryPolicy
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import running_endpoint


@pytest.fixture
def server() -> Iterator[localpubsub.RunningServer]:
    """One server."""
    with localpubsub.running() as started:
        yield started


def shown(server: localpubsub.RunningServer, path: str = "/", accept: str = "text/html") -> tuple[str, str]:
    """Content type and text of an answer."""
    request = urllib.request.Request(server.http_url + path, headers={"Accept": accept})  # noqa: S310 - ours
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own server
        return answer.headers["Content-Type"], answer.read().decode()


def state(server: localpubsub.RunningServer) -> dict[str, Any]:
    """The one subscription, as programs see it."""
    found = json.loads(shown(server, "/state.json")[1])
    subscription: dict[str, Any] = found["subscriptions"][0]
    return subscription


def test_it_shows_what_waits(server: localpubsub.RunningServer) -> None:
    """Backlog, outstanding, age of the oldest; for a pull subscription no window."""
    with gapic_clients(server.host) as clients:
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        assert state(server)["oldest_unacked_seconds"] is None
        pubsub.publish(topic, b"1", b"2", b"3")
        pubsub.pull(subscription)
    seen = state(server)
    assert 0 <= seen.pop("oldest_unacked_seconds") < 60
    assert seen == {
        "name": subscription,
        "topic": topic,
        "backlog": 3,
        "outstanding": 1,
        "endpoint": None,
        "window": None,
        "backoff_until": None,
    }


def test_it_shows_the_pace_of_pushes(server: localpubsub.RunningServer) -> None:
    """The window, and until when deliveries rest after refusals."""
    with running_endpoint() as endpoint, gapic_clients(server.host) as clients:
        endpoint.respond = lambda _: 500
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        topic = pubsub.topic()
        pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url))
        pubsub.publish(topic, b"refused")
        endpoint.wait_for(4)  # then the pause is 0.8 s
        found = [state(server) for _ in range(50)]
    assert {each["endpoint"] for each in found} == {endpoint.url}
    assert {each["window"] for each in found} == {5}
    assert any(each["backoff_until"] and each["backoff_until"].endswith("Z") for each in found)


def test_the_page_is_for_browsers_and_the_json_for_programs(server: localpubsub.RunningServer) -> None:
    """By the Accept header; what somebody named is escaped."""
    url = "http://h/?a=1&b=<script>alert(1)</script>"
    with gapic_clients(server.host) as clients:
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        pubsub.subscription(pubsub.topic(), push_config=PushConfig(push_endpoint=url))
    kind, page = shown(server, accept="text/html,application/xhtml+xml,application/json;q=0.9")
    assert kind.startswith("text/html")
    assert "<script>" not in page
    assert "b=&lt;script&gt;" in page
    for path, accept in (("/", "application/json"), ("/state.json", "*/*")):
        kind, text = shown(server, path, accept)
        assert kind.startswith("application/json")
        assert json.loads(text)["subscriptions"][0]["endpoint"] == url


def test_the_oldest_message_may_be_waiting_or_outstanding_or_refused() -> None:
    """Whatever was done with it."""
    backlog = Backlog(DeliveryPolicy(ack_deadline=10, retention=600))
    assert backlog.oldest_message_id() is None
    backlog.enqueue([5, 6, 7])
    assert backlog.oldest_message_id() == 5
    lease = backlog.deliver(0, 10)
    assert lease is not None
    assert backlog.oldest_message_id() == 5
    backlog.nack(lease, 1)
    assert backlog.oldest_message_id() == 5
    again = backlog.deliver(2, 12)
    assert again is not None
    backlog.acknowledge(again)
    assert backlog.oldest_message_id() in {5, 6}
