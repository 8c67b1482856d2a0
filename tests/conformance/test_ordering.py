"""Tests of ordering keys: pull and stream deliver several messages of a key in order, push one at a time.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

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
    """Publish a message for each name; the first character is the ordering key, and "-" means no key.

    Consecutive names with the same key are published in one request.
    """
    for key, same in groupby(names, key=lambda name: name[0].strip("-")):
        messages = [PubsubMessage(data=name.encode(), ordering_key=key) for name in same]
        pubsub.publisher.publish(topic=topic, messages=messages)


def ordered(pubsub: PubsubClient, topic: str, **fields: object) -> str:
    """Create a subscription with message ordering; return its name."""
    return pubsub.subscription(topic, enable_message_ordering=True, **fields)


def names(messages: list[pubsub_v1.types.ReceivedMessage]) -> list[str]:
    """Return the sorted names of received messages."""
    return sorted(received.message.data.decode() for received in messages)


def in_order(messages: list[pubsub_v1.types.ReceivedMessage]) -> list[str]:
    """Return the names of received messages in the order in which they were received."""
    return [received.message.data.decode() for received in messages]


def test_pull_returns_messages_of_an_ordering_key_in_order(pubsub: PubsubClient) -> None:
    """Behaviour 23: one pull returns several messages of a key; the next pull gets none before their acks."""
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    publish(pubsub, topic, "a1", "a2", "a3", "b1", "-1")
    first = pubsub.pull(subscription, 5)
    assert [name for name in in_order(first) if name[0] == "a"] == ["a1", "a2", "a3"]
    assert names(first) == ["-1", "a1", "a2", "a3", "b1"]
    publish(pubsub, topic, "a4")
    assert pubsub.pull_now(subscription) == []
    pubsub.ack(subscription, first)
    assert names(pubsub.pull(subscription)) == ["a4"]


# Not strict: the emulator decides by the time of its own timers which messages it redelivers together.
@pytest.mark.emulator_differs("redelivers the nacked message alone, or earlier ones too", strict=False)
def test_nack_redelivers_later_messages_of_the_ordering_key(pubsub: PubsubClient) -> None:
    """Behaviour 23: a nack of the second of three pulled messages redelivers the second and the third.

    "The redelivery of a message triggers the redelivery of all subsequent messages for that key, even
    acknowledged ones" (https://cloud.google.com/pubsub/docs/ordering#considerations).
    """
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    publish(pubsub, topic, "a1", "a2", "a3")
    first = pubsub.pull(subscription, 3)
    assert in_order(first) == ["a1", "a2", "a3"]
    pubsub.ack(subscription, first[2:])
    pubsub.nack(subscription, first[1:2])
    pubsub.ack(subscription, first[:1])
    again = pubsub.pull(subscription, 2)
    assert in_order(again) == ["a2", "a3"]
    pubsub.ack(subscription, again)
    publish(pubsub, topic, "a4")
    assert names(pubsub.pull(subscription)) == ["a4"]


# Not strict: the emulator may redeliver the second message before the third, if the pull arrives late.
@pytest.mark.emulator_differs("delivers the third message before the second is redelivered", strict=False)
def test_nacked_message_is_redelivered_before_later_messages_of_its_ordering_key(
    pubsub: PubsubClient,
) -> None:
    """Behaviour 23: a nacked message is redelivered before the next one of its key."""
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


def test_stream_delivers_further_messages_of_an_ordering_key(pubsub: PubsubClient) -> None:
    """Behaviour 23: a stream gets further messages of its key without acks; another stream gets none."""
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    publish(pubsub, topic, "a1", "a2")
    with Stream(pubsub, subscription=subscription) as stream:
        assert in_order(stream.messages(2)) == ["a1", "a2"]
        with Stream(pubsub, subscription=subscription):
            publish(pubsub, topic, "a3", "a4")
            assert in_order(stream.messages(2)) == ["a3", "a4"]


# Not strict: the emulator decides by the time of its own timers which messages it redelivers together.
@pytest.mark.emulator_differs("redelivers the nacked message alone, or earlier ones too", strict=False)
def test_stream_nack_redelivers_later_messages_of_the_ordering_key(pubsub: PubsubClient) -> None:
    """Behaviour 23: on a stream a nack of a message redelivers it and the later ones of its key, in order."""
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    publish(pubsub, topic, "a1", "a2", "a3")
    with Stream(pubsub, subscription=subscription) as stream:
        first = stream.messages(3)
        assert in_order(first) == ["a1", "a2", "a3"]
        stream.send(modify_deadline_ack_ids=[first[1].ack_id], modify_deadline_seconds=[0])
        assert in_order(stream.messages(2)) == ["a2", "a3"]


def test_stream_properties_show_message_ordering(pubsub: PubsubClient) -> None:
    """Behaviour 29: the first response on a stream has message_ordering_enabled set in its properties."""
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    publish(pubsub, topic, "a1")
    with Stream(pubsub, subscription=subscription) as stream:
        assert stream.receive().subscription_properties.message_ordering_enabled


def test_push_sends_messages_of_an_ordering_key_in_order(
    pubsub: PubsubClient, endpoint: PushEndpoint
) -> None:
    """Behaviour 23: a key's messages are pushed in order; a nacked push is repeated before the next."""
    nacked: set[str] = set()

    def respond(push: Push) -> Response:
        name = data_of(push)
        if name == "a2" and name not in nacked:
            nacked.add(name)
            return 500
        return 204

    endpoint.respond = respond
    topic = pubsub.topic()
    publish(pubsub, topic, "a0")
    ordered(pubsub, topic, push_config=PushConfig(push_endpoint=endpoint.url))
    publish(pubsub, topic, "a1", "a2", "a3", "b1", "b2")
    pushed = [data_of(push) for push in endpoint.wait_for(6)]
    assert [name for name in pushed if name[0] == "a"] == ["a1", "a2", "a2", "a3"]
    assert [name for name in pushed if name[0] == "b"] == ["b1", "b2"]


def data_of(push: Push) -> str:
    """Return the name in the data of a push."""
    names_of = {"YTE=": "a1", "YTI=": "a2", "YTM=": "a3", "YjE=": "b1", "YjI=": "b2"}
    return names_of[push.envelope["message"]["data"]]


def test_official_client_receives_ordering_keys_in_order(
    pubsub: PubsubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behaviours 1 and 23: the unmodified google-cloud-pubsub publishes and receives each key in order."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.server.host)
    topic = pubsub.topic()
    subscription = ordered(pubsub, topic)
    received: defaultdict[str, list[int]] = defaultdict(list)
    done = threading.Event()

    def receive(message: Message) -> None:
        received[message.ordering_key].append(int(message.data))
        message.ack()
        if sum(map(len, received.values())) == 100:
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
    assert received == {f"key-{key}": list(range(key, 100, 4)) for key in range(4)}


# Not strict: the emulator may redeliver the nacked message before the next one, if the pull arrives late.
@pytest.mark.emulator_differs("returns the next message of a key to the next pull", strict=False)
def test_ordering_key_continues_after_a_dead_letter(pubsub: PubsubClient) -> None:
    """Behaviours 20 and 23: after a message is dead-lettered, the next message of its key is delivered."""
    topic, dead_letter_topic = pubsub.topic(), pubsub.topic()
    reader = pubsub.subscription(dead_letter_topic)
    policy = DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5)
    subscription = ordered(pubsub, topic, dead_letter_policy=policy)
    publish(pubsub, topic, "a1", "a2")
    for _ in range(5):
        received = pubsub.pull(subscription)
        assert names(received) == ["a1"]
        pubsub.nack(subscription, received)
    assert names(pubsub.pull(subscription)) == ["a2"]
    assert names(pubsub.pull(reader)) == ["a1"]


@pytest.mark.emulator_differs("accepts keys of any length")
def test_ordering_key_has_at_most_1024_bytes(pubsub: PubsubClient) -> None:
    """Behaviour 5: a message with an ordering key of 1,025 bytes is rejected."""
    with pytest.raises(InvalidArgument):
        pubsub.publisher.publish(
            topic=pubsub.topic(), messages=[PubsubMessage(data=b"x", ordering_key="k" * 1025)]
        )
