"""Ordering keys: one message of each key at a time, whoever delivers."""

import threading
from collections import defaultdict
from itertools import groupby

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.message import Message
from google.pubsub_v1.types import DeadLetterPolicy, PubsubMessage, PushConfig

from tests.conformance.streaming import Stream
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import Push, PushEndpoint, Response
from tests.servers.waiting import MAX_WAIT_SECONDS


def publish(pubsub: PubsubClient, topic: str, *names: str) -> None:
    """A message for each name, whose first letter is its key; "-" is none. Of one key, in one request."""
    for key, same in groupby(names, key=lambda name: name[0].strip("-")):
        messages = [PubsubMessage(data=name.encode(), ordering_key=key) for name in same]
        pubsub.publisher.publish(topic=topic, messages=messages)


def ordered(pubsub: PubsubClient, topic: str, **fields: object) -> str:
    """A subscription with message ordering."""
    return pubsub.subscription(topic, enable_message_ordering=True, **fields)


def names(messages: list[pubsub_v1.types.ReceivedMessage]) -> list[str]:
    """Which messages came."""
    return sorted(received.message.data.decode() for received in messages)


@pytest.mark.differs("gives all messages of a key to one pull")
def test_a_pull_gets_one_of_each_key(pubsub: PubsubClient) -> None:
    """Behaviour 23: the second of a key waits for the ack of the first; other keys and none do not."""
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    publish(pubsub, topic, "a1", "a2", "b1", "-1", "-2")
    first = pubsub.pull(subscription, 4)
    assert names(first) == ["-1", "-2", "a1", "b1"]
    assert pubsub.pull_now(subscription) == []
    pubsub.ack(subscription, first)
    assert names(pubsub.pull(subscription)) == ["a2"]


@pytest.mark.differs("delivers 3 before 2 comes again")
def test_after_a_nack_the_later_ones_wait(pubsub: PubsubClient) -> None:
    """Behaviour 23: after a nack of 2, 3 waits and comes after it; other keys proceed."""
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    publish(pubsub, topic, "a1", "a2", "a3")
    pubsub.ack(subscription, pubsub.pull(subscription))
    pubsub.nack(subscription, pubsub.pull(subscription))
    publish(pubsub, topic, "b1")
    seen: list[str] = []
    while len(seen) < 3:
        received = pubsub.pull(subscription)
        seen += names(received)
        pubsub.ack(subscription, received)
    assert sorted(seen) == ["a2", "a3", "b1"]
    assert seen.index("a2") < seen.index("a3")


@pytest.mark.differs("sends all messages of a key at once, for the client to keep in order")
def test_a_stream_gets_one_of_each_key(pubsub: PubsubClient) -> None:
    """Behaviour 23: on a stream the ack of the first brings the second."""
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    publish(pubsub, topic, "a1", "a2", "b1")
    with Stream(pubsub, subscription=subscription) as stream:
        first = stream.messages(2)
        assert names(first) == ["a1", "b1"]
        stream.say(ack_ids=[received.ack_id for received in first])
        assert names(stream.messages(1)) == ["a2"]


def test_a_stream_says_that_it_is_ordered(pubsub: PubsubClient) -> None:
    """Behaviour 29: message_ordering_enabled, which the official clients look for."""
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    publish(pubsub, topic, "a1")
    with Stream(pubsub, subscription=subscription) as stream:
        assert stream.hear().subscription_properties.message_ordering_enabled


def test_pushes_of_a_key_follow_each_other(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 23: at most one push of a key is open; a refused one comes again before the next."""
    refused: set[str] = set()

    def answer(push: Push) -> Response:
        name = data_of(push)
        if name == "a2" and name not in refused:
            refused.add(name)
            return 500
        return 204

    endpoint.respond = answer
    topic = pubsub.topic()
    publish(pubsub, topic, "a0")
    ordered(pubsub, topic, push_config=PushConfig(push_endpoint=endpoint.url))
    publish(pubsub, topic, "a1", "a2", "a3", "b1", "b2")
    came = [data_of(push) for push in endpoint.wait_for(6)]
    assert [name for name in came if name[0] == "a"] == ["a1", "a2", "a2", "a3"]
    assert [name for name in came if name[0] == "b"] == ["b1", "b2"]


def data_of(push: Push) -> str:
    """The name that was published."""
    names_of = {"YTE=": "a1", "YTI=": "a2", "YTM=": "a3", "YjE=": "b1", "YjI=": "b2"}
    return names_of[push.envelope["message"]["data"]]


def test_the_official_client_keeps_the_order(pubsub: PubsubClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behaviours 1 and 23: publisher and subscriber of google-cloud-pubsub, unmodified."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.server.host)
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    came: defaultdict[str, list[int]] = defaultdict(list)
    done = threading.Event()

    def receive(message: Message) -> None:
        came[message.ordering_key].append(int(message.data))
        message.ack()
        if sum(map(len, came.values())) == 100:
            done.set()

    options = pubsub_v1.types.PublisherOptions(enable_message_ordering=True)
    with pubsub_v1.SubscriberClient() as subscriber:
        receiving = subscriber.subscribe(subscription, receive)
        publisher = pubsub_v1.PublisherClient(publisher_options=options)
        for number in range(100):
            publisher.publish(topic, b"%d" % number, ordering_key=f"key-{number % 4}")
        assert done.wait(MAX_WAIT_SECONDS)
        receiving.cancel()
        receiving.result(MAX_WAIT_SECONDS)
        publisher.stop()
        publisher.transport.close()
    assert came == {f"key-{key}": list(range(key, 100, 4)) for key in range(4)}


@pytest.mark.differs("gives the next message of a key to the next pull")
def test_a_dead_letter_sets_its_key_free(pubsub: PubsubClient) -> None:
    """Behaviours 20 and 23: after burying, the key goes on."""
    topic, graveyard = pubsub.topic(), pubsub.topic()
    reader = pubsub.subscription(graveyard)
    policy = DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=5)
    subscription = ordered(pubsub, topic, dead_letter_policy=policy)
    publish(pubsub, topic, "a1", "a2")
    for _ in range(5):
        received = pubsub.pull(subscription)
        assert names(received) == ["a1"]
        pubsub.nack(subscription, received)
    assert names(pubsub.pull(subscription)) == ["a2"]
    assert names(pubsub.pull(reader)) == ["a1"]


@pytest.mark.differs("takes keys of any length")
def test_an_ordering_key_has_a_limit(pubsub: PubsubClient) -> None:
    """Behaviour 5: at most 1,024 bytes."""
    with pytest.raises(InvalidArgument):
        pubsub.publisher.publish(
            topic=pubsub.topic(), messages=[PubsubMessage(data=b"x", ordering_key="k" * 1025)]
        )
