"""Messages that used up their attempts."""

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
class Burial:
    """A message that failed five times, and what became of it."""

    original: PubsubMessage
    letter: PubsubMessage
    failing: str  #: the subscription
    left: int  #: messages still on it


def refuse_five_times(pubsub: PubsubClient, subscription: str) -> int:
    """How many messages are left after five nacks of one."""
    for _ in range(5):
        pubsub.nack(subscription, pubsub.pull(subscription))
    # The official emulator buries only when it is asked for the message once more.
    return len(pubsub.pull_now(subscription))


@pytest.fixture(scope="module")
def burial(server: PubsubServer, clients: tuple[PublisherClient, SubscriberClient]) -> Burial:
    """One for all tests, for the official emulator takes seconds between two attempts."""
    pubsub = PubsubClient(server, MAX_WAIT_SECONDS, *clients)
    topic, graveyard = pubsub.topic(), pubsub.topic()
    reader, other = pubsub.subscription(graveyard), pubsub.subscription(topic)
    policy = DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=5)
    failing = pubsub.subscription(topic, dead_letter_policy=policy)
    pubsub.publish(topic, b"poison", own="attribute")
    left = refuse_five_times(pubsub, failing)
    (letter,) = pubsub.pull(reader)
    (original,) = pubsub.pull(other)
    return Burial(original.message, letter.message, failing, left)


def test_five_nacks_make_a_dead_letter(burial: Burial) -> None:
    """Behaviours 20 and 21: after max_delivery_attempts nacks the message is on the dead-letter topic."""
    assert burial.letter.data == b"poison"
    assert burial.letter.message_id != burial.original.message_id
    assert burial.letter.publish_time >= burial.original.publish_time
    assert burial.left == 0


def test_a_dead_letter_says_where_it_comes_from(burial: Burial) -> None:
    """Behaviour 20: four attributes and the message's own, nothing else."""
    found = dict(burial.letter.attributes)
    published = found.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
    assert found == {
        "own": "attribute",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": burial.failing.rpartition("/")[2],
        "CloudPubSubDeadLetterSourceSubscriptionProject": PROJECT,
    }
    assert published.startswith(f"{burial.original.publish_time:%Y-%m-%dT%H:%M:%S}")


@pytest.mark.differs("ends it with Z")
def test_the_time_in_a_dead_letter_has_an_offset(burial: Burial) -> None:
    """Behaviour 20: measured on the real service, ``+00:00``."""
    published = burial.letter.attributes["CloudPubSubDeadLetterSourceTopicPublishTime"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", published)


def test_five_refused_pushes_make_a_dead_letter(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviours 20 and 21: pushes count as pulls do, and there are exactly five."""
    endpoint.respond = lambda _: 422
    topic, graveyard = pubsub.topic(), pubsub.topic()
    reader = pubsub.subscription(graveyard)
    policy = DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=5)
    push = PushConfig(push_endpoint=endpoint.url)
    pubsub.subscription(topic, dead_letter_policy=policy, push_config=push)
    pubsub.publish(topic, b"poison")
    (letter,) = pubsub.pull(reader)
    assert letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert len(endpoint.pushes) == 5


def test_without_a_reader_a_dead_letter_is_lost(pubsub: PubsubClient) -> None:
    """Behaviour 20: a dead-letter topic without subscription keeps nothing, and nor does the source."""
    topic, graveyard = pubsub.topic(), pubsub.topic()
    policy = DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=5)
    failing = pubsub.subscription(topic, dead_letter_policy=policy)
    pubsub.publish(topic, b"poison")
    assert refuse_five_times(pubsub, failing) == 0
    pubsub.publish(topic, b"marker")
    assert [received.message.data for received in pubsub.pull(failing)] == [b"marker"]
    assert pubsub.pull_now(pubsub.subscription(graveyard)) == []


@pytest.mark.parametrize("attempts", [1, 4])
def test_an_ack_in_time_prevents_it(pubsub: PubsubClient, attempts: int) -> None:
    """Behaviour 20: fewer nacks than attempts, then an ack: no dead letter."""
    topic, graveyard = pubsub.topic(), pubsub.topic()
    reader = pubsub.subscription(graveyard)
    policy = DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=5)
    failing = pubsub.subscription(topic, dead_letter_policy=policy)
    pubsub.publish(topic, b"works at last")
    for _ in range(attempts):
        pubsub.nack(failing, pubsub.pull(failing))
    pubsub.ack(failing, pubsub.pull(failing))
    assert pubsub.pull_now(failing) == []
    assert pubsub.pull_now(reader) == []
