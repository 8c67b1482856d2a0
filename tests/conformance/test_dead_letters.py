"""Tests of dead letters, which are messages whose delivery attempts are exhausted.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

import re
from dataclasses import dataclass

import pytest
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.types import DeadLetterPolicy, PubsubMessage, PushConfig

from tests.servers.pubsub import PubsubServer
from tests.servers.pubsub_client import PROJECT, PubsubClient
from tests.servers.push_endpoint import PushEndpoint
from tests.servers.waiting import MAX_WAIT_SECONDS


@dataclass(frozen=True)
class DeadLettering:
    """A message that was nacked five times, and its dead letter."""

    original: PubsubMessage  #: The message as another subscription received it.
    dead_letter: PubsubMessage  #: The message on the dead-letter topic.
    subscription: str  #: The name of the subscription that dead-lettered it.
    remaining: int  #: How many messages the subscription still has.


def nack_five_times(pubsub: PubsubClient, subscription: str) -> int:
    """Nack a message five times; return how many messages the subscription then has."""
    for _ in range(5):
        pubsub.nack(subscription, pubsub.pull(subscription))
    # The official emulator dead-letters a message only when the next pull would deliver it.
    return len(pubsub.pull_now(subscription))


@pytest.fixture(scope="module")
def dead_lettering(server: PubsubServer, clients: tuple[PublisherClient, SubscriberClient]) -> DeadLettering:
    """One dead-lettered message, shared by tests because the emulator waits for seconds between attempts."""
    pubsub = PubsubClient(server, MAX_WAIT_SECONDS, *clients)
    topic, dead_letter_topic = pubsub.topic(), pubsub.topic()
    reader, other = pubsub.subscription(dead_letter_topic), pubsub.subscription(topic)
    policy = DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5)
    failing = pubsub.subscription(topic, dead_letter_policy=policy)
    pubsub.publish(topic, b"poison", own="attribute")
    remaining = nack_five_times(pubsub, failing)
    (dead_letter,) = pubsub.pull(reader)
    (original,) = pubsub.pull(other)
    return DeadLettering(original.message, dead_letter.message, failing, remaining)


def test_message_is_dead_lettered_after_five_nacks(dead_lettering: DeadLettering) -> None:
    """Behaviours 20 and 21: after max_delivery_attempts nacks the message is on the dead-letter topic."""
    assert dead_lettering.dead_letter.data == b"poison"
    assert dead_lettering.dead_letter.message_id != dead_lettering.original.message_id
    assert dead_lettering.dead_letter.publish_time >= dead_lettering.original.publish_time
    assert dead_lettering.remaining == 0


def test_dead_letter_has_the_source_attributes(dead_lettering: DeadLettering) -> None:
    """Behaviour 20: a dead letter has four attributes in addition to those of the original message."""
    found = dict(dead_lettering.dead_letter.attributes)
    published = found.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
    assert found == {
        "own": "attribute",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": dead_lettering.subscription.rpartition("/")[2],
        "CloudPubSubDeadLetterSourceSubscriptionProject": PROJECT,
    }
    assert published.startswith(f"{dead_lettering.original.publish_time:%Y-%m-%dT%H:%M:%S}")


@pytest.mark.emulator_differs("writes the publish time with Z instead of +00:00")
def test_dead_letter_publish_time_has_a_utc_offset(dead_lettering: DeadLettering) -> None:
    """Behaviour 20: the publish time in a dead letter ends with ``+00:00``, as on the real service."""
    published = dead_lettering.dead_letter.attributes["CloudPubSubDeadLetterSourceTopicPublishTime"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", published)


def test_message_is_dead_lettered_after_five_nacked_pushes(
    pubsub: PubsubClient, endpoint: PushEndpoint
) -> None:
    """Behaviours 20 and 21: five nacked pushes dead-letter a message, and no sixth push is sent."""
    endpoint.respond = lambda _: 422
    topic, dead_letter_topic = pubsub.topic(), pubsub.topic()
    reader = pubsub.subscription(dead_letter_topic)
    policy = DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5)
    push = PushConfig(push_endpoint=endpoint.url)
    pubsub.subscription(topic, dead_letter_policy=policy, push_config=push)
    pubsub.publish(topic, b"poison")
    (dead_letter,) = pubsub.pull(reader)
    assert dead_letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert len(endpoint.pushes) == 5


def test_dead_letter_is_lost_if_its_topic_has_no_subscription(pubsub: PubsubClient) -> None:
    """Behaviour 20: if the dead-letter topic has no subscription, a dead letter is in no backlog."""
    topic, dead_letter_topic = pubsub.topic(), pubsub.topic()
    policy = DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5)
    failing = pubsub.subscription(topic, dead_letter_policy=policy)
    pubsub.publish(topic, b"poison")
    assert nack_five_times(pubsub, failing) == 0
    pubsub.publish(topic, b"marker")
    assert [received.message.data for received in pubsub.pull(failing)] == [b"marker"]
    assert pubsub.pull_now(pubsub.subscription(dead_letter_topic)) == []


@pytest.mark.parametrize("attempts", [1, 4])
def test_acked_message_is_not_dead_lettered(pubsub: PubsubClient, attempts: int) -> None:
    """Behaviour 20: a message that is acked before its last attempt is not dead-lettered."""
    topic, dead_letter_topic = pubsub.topic(), pubsub.topic()
    reader = pubsub.subscription(dead_letter_topic)
    policy = DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5)
    failing = pubsub.subscription(topic, dead_letter_policy=policy)
    pubsub.publish(topic, b"works at last")
    for _ in range(attempts):
        pubsub.nack(failing, pubsub.pull(failing))
    pubsub.ack(failing, pubsub.pull(failing))
    assert pubsub.pull_now(failing) == []
    assert pubsub.pull_now(reader) == []
