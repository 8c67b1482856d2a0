"""Tests of subscriptions with a filter; tests/localpubsub/resources/test_filter.py tests the filter language.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

import pytest
from google.api_core.exceptions import InvalidArgument
from google.pubsub_v1.types import PushConfig

from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import PushEndpoint


@pytest.mark.emulator_differs("ignores filters")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("attributes:a", ["a1", "a2", "ab"]),
        ('attributes.a = "1"', ["a1", "ab"]),
        ('attributes:a AND attributes.a != "1"', ["a2"]),
        ('hasPrefix(attributes.a, "2")', ["a2"]),
        ("NOT attributes:a AND attributes:b", ["b"]),
        ('(attributes.a = "1" AND attributes:b) OR -attributes:a', ["ab", "b", "none"]),
        ('attributes."a" = "\\x31"', ["a1", "ab"]),
    ],
)
def test_filter_delivers_only_matching_messages(pubsub: PubsubClient, text: str, expected: list[str]) -> None:
    """Behaviour 24: only matching messages are delivered; the others count as acknowledged."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, filter=text)
    everything = pubsub.subscription(topic)
    pubsub.publish(topic, b"none")
    for attributes in ({"a": "1"}, {"a": "2"}, {"b": "1"}, {"a": "1", "b": "1"}):
        name = next(iter(attributes)) + (attributes.get("a") or "")
        pubsub.publish(topic, b"ab" if len(attributes) == 2 else name.encode(), **attributes)
    assert len(pubsub.pull(everything, 5)) == 5
    assert sorted(received.message.data.decode() for received in pubsub.pull_now(subscription)) == expected


@pytest.mark.emulator_differs("ignores filters")
def test_filter_applies_to_pushes(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 24: a message that does not match is not pushed."""
    topic = pubsub.topic()
    pubsub.subscription(topic, filter="attributes:a", push_config=PushConfig(push_endpoint=endpoint.url))
    pubsub.publish(topic, b"no")
    matching = []
    # The matching messages are published one after another, so a wrong push would arrive before the last one.
    for number in range(1, 4):
        matching += pubsub.publish(topic, b"yes", a="1")
        pushes = endpoint.wait_for(number)
    assert [push.message_id for push in pushes] == matching


@pytest.mark.emulator_differs("accepts any text as a filter")
@pytest.mark.parametrize(
    "text",
    [
        "attributes:a AND attributes:b OR attributes:c",
        "attributes.a = 1",
        "data:x",
        "attributes:",
        "attributes:" + "x" * 246,
    ],
    ids=["mixed", "number", "data", "no key", "too long"],
)
def test_invalid_filter_is_rejected_with_invalid_argument(pubsub: PubsubClient, text: str) -> None:
    """Behaviour 24: an invalid filter, or a filter longer than 256 bytes, creates no subscription."""
    topic = pubsub.topic()
    with pytest.raises(InvalidArgument):
        pubsub.subscription(topic, filter=text)
    assert list(pubsub.publisher.list_topic_subscriptions(topic=topic)) == []
