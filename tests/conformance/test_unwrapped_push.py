"""Tests of pushes without the JSON envelope: https://cloud.google.com/pubsub/docs/payload-unwrapping.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

import re

import pytest
from google.pubsub_v1.types import PubsubMessage, PushConfig

from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import PushEndpoint


def unwrapped(endpoint: PushEndpoint, *, write_metadata: bool) -> PushConfig:
    """Return a push config without envelope."""
    return PushConfig(
        push_endpoint=endpoint.url, no_wrapper=PushConfig.NoWrapper(write_metadata=write_metadata)
    )


@pytest.mark.emulator_differs("sends the envelope")
def test_unwrapped_push_body_is_the_data(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 18: no_wrapper without write_metadata sends the data only."""
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config=unwrapped(endpoint, write_metadata=False))
    pubsub.publish(topic, b"\x00raw\xff", key="value")
    (push,) = endpoint.wait_for(1)
    assert push.body == b"\x00raw\xff"
    assert not [name for name in push.headers if name.startswith("x-goog-") or name == "key"]


@pytest.mark.emulator_differs("sends the envelope")
def test_unwrapped_push_sends_metadata_as_headers(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 18: write_metadata adds x-goog-pubsub-* headers, and attributes that are valid headers."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, push_config=unwrapped(endpoint, write_metadata=True))
    attributes = {"key": "value", "Content-Type": "text/csv", "no header": "x", "lines": "a\r\nevil: b"}
    message = PubsubMessage(data=b"a,b", attributes=attributes, ordering_key="k")
    (message_id,) = pubsub.publisher.publish(topic=topic, messages=[message]).message_ids
    (push,) = endpoint.wait_for(1)
    assert push.body == b"a,b"
    expected = {
        "x-goog-pubsub-subscription-name": subscription,
        "x-goog-pubsub-message-id": message_id,
        "x-goog-pubsub-ordering-key": "k",
        "key": "value",
        "content-type": "text/csv",
    }
    assert {name: push.headers[name] for name in expected} == expected
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", push.headers["x-goog-pubsub-publish-time"]
    )
    assert not {"no header", "lines", "evil"} & push.headers.keys()
