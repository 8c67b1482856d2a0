"""Tests the state of a server: ``GET /`` returns a page, ``GET /state.json`` returns JSON."""

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
from tests.servers.waiting import MAX_WAIT_SECONDS


@pytest.fixture
def server() -> Iterator[localpubsub.RunningServer]:
    """Run a server during a test."""
    with localpubsub.running() as started:
        yield started


def fetch(server: localpubsub.RunningServer, path: str = "/", accept: str = "text/html") -> tuple[str, str]:
    """Return content type and text of a response."""
    request = urllib.request.Request(server.http_url + path, headers={"Accept": accept})  # noqa: S310 - the test's server
    with urllib.request.urlopen(request) as response:  # noqa: S310 - the test's server
        return response.headers["Content-Type"], response.read().decode()


def subscription_state(server: localpubsub.RunningServer) -> dict[str, Any]:
    """Return the state of the first subscription, from the JSON."""
    found = json.loads(fetch(server, "/state.json")[1])
    subscription: dict[str, Any] = found["subscriptions"][0]
    return subscription


def test_state_has_backlog_and_outstanding_messages(server: localpubsub.RunningServer) -> None:
    """The state of a pull subscription has counts and the age of its oldest message, but no push window."""
    with gapic_clients(server.host) as clients:
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), MAX_WAIT_SECONDS, *clients)
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        assert subscription_state(server)["oldest_unacked_seconds"] is None
        pubsub.publish(topic, b"1", b"2", b"3")
        pubsub.pull(subscription)
    seen = subscription_state(server)
    assert 0 <= seen.pop("oldest_unacked_seconds") < 60
    assert seen == {
        "name": subscription,
        "topic": topic,
        "backlog": 3,
        "outstanding": 1,
        "kind": "pull",
        "endpoint": None,
        "destination": None,
        "export_state": None,
        "window": None,
        "backoff_until": None,
    }


def test_state_has_push_window_and_backoff(server: localpubsub.RunningServer) -> None:
    """The state of a push subscription has its window, and the end of its backoff after nacks."""
    with running_endpoint() as endpoint, gapic_clients(server.host) as clients:
        endpoint.respond = lambda _: 500
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), MAX_WAIT_SECONDS, *clients)
        topic = pubsub.topic()
        pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url))
        pubsub.publish(topic, b"nacked")
        endpoint.wait_for(4)  # after four nacks the backoff is 0.8 s
        found = [subscription_state(server) for _ in range(50)]
    assert {each["endpoint"] for each in found} == {endpoint.url}
    assert {each["window"] for each in found} == {5}
    assert any(each["backoff_until"] and each["backoff_until"].endswith("Z") for each in found)


def test_state_is_html_or_json_by_the_accept_header(server: localpubsub.RunningServer) -> None:
    """Browsers get a page, in which URLs are escaped; other clients get JSON."""
    url = "http://h/?a=1&b=<script>alert(1)</script>"
    with gapic_clients(server.host) as clients:
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), MAX_WAIT_SECONDS, *clients)
        pubsub.subscription(pubsub.topic(), push_config=PushConfig(push_endpoint=url))
    kind, page = fetch(server, accept="text/html,application/xhtml+xml,application/json;q=0.9")
    assert kind.startswith("text/html")
    assert "<script>" not in page
    assert "b=&lt;script&gt;" in page
    for path, accept in (("/", "application/json"), ("/state.json", "*/*")):
        kind, text = fetch(server, path, accept)
        assert kind.startswith("application/json")
        assert json.loads(text)["subscriptions"][0]["endpoint"] == url


def test_oldest_message_may_be_waiting_outstanding_or_nacked() -> None:
    """The oldest message is found whether it is waiting, outstanding or nacked."""
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
