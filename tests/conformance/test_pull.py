"""Pulling: leases, deadlines, attempts, and the stream the official client uses."""

import threading
from datetime import timedelta
from queue import SimpleQueue
from typing import Any

import pytest
from google.api_core.exceptions import FailedPrecondition, InvalidArgument
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.message import Message
from google.pubsub_v1.types import (
    DeadLetterPolicy,
    PushConfig,
    RetryPolicy,
)

from tests.conformance.streaming import Stream
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import PushEndpoint
from tests.servers.waiting import MAX_WAIT_SECONDS


def test_the_official_client_needs_nothing_but_the_variable(
    pubsub: PubsubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behaviour 1: google-cloud-pubsub publishes and subscribes with only PUBSUB_EMULATOR_HOST set."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.server.host)
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    arrived: SimpleQueue[bytes] = SimpleQueue()

    def receive(message: Message) -> None:
        message.ack()
        arrived.put(message.data)

    with pubsub_v1.SubscriberClient() as subscriber:
        receiving = subscriber.subscribe(subscription, receive)
        publisher = pubsub_v1.PublisherClient()
        futures = [publisher.publish(topic, b"%d" % number, number=str(number)) for number in range(300)]
        assert all(future.result(MAX_WAIT_SECONDS).isdigit() for future in futures)
        found = sorted(int(arrived.get(timeout=MAX_WAIT_SECONDS)) for _ in range(300))
        receiving.cancel()
        receiving.result(MAX_WAIT_SECONDS)
        publisher.stop()
        publisher.transport.close()
    assert found == list(range(300))


def test_a_leased_message_is_nobody_elses(pubsub: PubsubClient) -> None:
    """Behaviour 26: a message that was pulled is not pulled again while its lease lasts."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"once")
    pubsub.pull(subscription)
    assert pubsub.pull_now(subscription) == []


def test_a_deadline_of_zero_is_a_nack(pubsub: PubsubClient) -> None:
    """Behaviour 26: modifying the deadline to 0 delivers the message again, at once."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"again")
    for _ in range(3):
        pubsub.nack(subscription, pubsub.pull(subscription))
    assert pubsub.pull(subscription)[0].message.data == b"again"


def test_an_acknowledged_message_is_gone(pubsub: PubsubClient) -> None:
    """Behaviour 26: after an ack a nack of the same delivery changes nothing, and neither is an error."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"done")
    received = pubsub.pull(subscription)
    pubsub.ack(subscription, received)
    pubsub.nack(subscription, received)
    pubsub.ack(subscription, received)
    assert pubsub.pull_now(subscription) == []


def test_acking_an_expired_delivery_is_no_error(pubsub: PubsubClient) -> None:
    """Behaviour 26: an ack id of a delivery that ended is accepted."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"late")
    ended = pubsub.pull(subscription)
    pubsub.nack(subscription, ended)
    pubsub.ack(subscription, ended)


@pytest.mark.parametrize("deadline", [-1, pytest.param(601, marks=pytest.mark.differs("takes any"))])
def test_modified_deadlines_have_bounds(pubsub: PubsubClient, deadline: int) -> None:
    """Behaviour 26: a deadline is modified to 0 to 600 seconds."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"x")
    ids = [received.ack_id for received in pubsub.pull(subscription)]
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.modify_ack_deadline(
            subscription=subscription, ack_ids=ids, ack_deadline_seconds=deadline
        )


def test_an_ack_id_must_be_one(pubsub: PubsubClient) -> None:
    """Behaviour 26: a string that is no ack id is refused."""
    subscription = pubsub.subscription(pubsub.topic())
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.acknowledge(subscription=subscription, ack_ids=["nonsense"])


def test_a_pull_asks_for_messages(pubsub: PubsubClient) -> None:
    """Behaviour 26: max_messages is at least 1."""
    subscription = pubsub.subscription(pubsub.topic())
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.pull(subscription=subscription, max_messages=0)


def test_a_pull_waits_for_a_message(pubsub: PubsubClient) -> None:
    """Behaviour 26: a pull that finds nothing is answered when something comes."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    found: list[Any] = []
    pulling = threading.Thread(target=lambda: found.extend(pubsub.pull(subscription)))
    pulling.start()
    pubsub.publish(topic, b"at last")
    pulling.join(MAX_WAIT_SECONDS)
    assert [received.message.data for received in found] == [b"at last"]


def test_attempts_are_counted_with_a_dead_letter_policy(pubsub: PubsubClient) -> None:
    """Behaviour 27: delivery_attempt counts from 1."""
    topic = pubsub.topic()
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=5)
    subscription = pubsub.subscription(topic, dead_letter_policy=policy)
    pubsub.publish(topic, b"x")
    attempts = []
    for _ in range(3):
        received = pubsub.pull(subscription)
        attempts.append(received[0].delivery_attempt)
        pubsub.nack(subscription, received)
    assert attempts == [1, 2, 3]


def test_attempts_are_not_told_without_a_policy(pubsub: PubsubClient) -> None:
    """Behaviour 27: without a dead-letter policy delivery_attempt is 0."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"x")
    assert pubsub.pull(subscription)[0].delivery_attempt == 0


@pytest.mark.differs("lets it be pulled")
def test_a_push_subscription_cannot_be_pulled(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 19: pulling from a push subscription answers FAILED_PRECONDITION."""
    subscription = pubsub.subscription(pubsub.topic(), push_config=PushConfig(push_endpoint=endpoint.url))
    with pytest.raises(FailedPrecondition):
        pubsub.pull_now(subscription)


@pytest.mark.differs("sends nothing before the first message")
def test_a_stream_begins_with_the_properties(pubsub: PubsubClient) -> None:
    """Behaviour 29: the first answer tells how the subscription delivers, before any message."""
    subscription = pubsub.subscription(pubsub.topic())
    with Stream(pubsub, subscription=subscription) as stream:
        first = stream.hear()
    assert "subscription_properties" in first
    assert not first.subscription_properties.exactly_once_delivery_enabled
    assert not first.received_messages


@pytest.mark.differs("ignores flow control on an ack on the stream")
def test_a_stream_holds_to_the_outstanding_messages(pubsub: PubsubClient) -> None:
    """Behaviour 29: no more messages are outstanding than allowed; an ack makes room for one."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, *[b"x"] * 5)
    with Stream(pubsub, subscription=subscription, max_outstanding_messages=2) as stream:
        first = stream.messages(2)
        # What the stream does not hold, a pull gets: three of five.
        assert len(pubsub.pull(subscription, 3)) == 3
        pubsub.publish(topic, b"y")
        stream.say(ack_ids=[first[0].ack_id])
        assert [received.message.data for received in stream.messages(1)] == [b"y"]


@pytest.mark.differs("sends all that waits")
def test_a_stream_holds_to_the_outstanding_bytes(pubsub: PubsubClient) -> None:
    """Behaviour 29: bytes are bounded likewise; a message larger than the bound is let through alone."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"x" * 5000, b"y" * 5000)
    with Stream(pubsub, subscription=subscription, max_outstanding_bytes=4000) as stream:
        first = stream.messages(1)
        rest = pubsub.pull(subscription)
        assert {received.message.data[:1] for received in [*first, *rest]} == {b"x", b"y"}


def test_a_nack_on_a_stream_redelivers(pubsub: PubsubClient) -> None:
    """Behaviour 29: deadlines are modified on the stream, too."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"again")
    with Stream(pubsub, subscription=subscription) as stream:
        (first,) = stream.messages(1)
        stream.say(modify_deadline_ack_ids=[first.ack_id], modify_deadline_seconds=[0])
        (second,) = stream.messages(1)
    assert first.message == second.message


def test_a_nack_is_redelivered_while_others_stay_out(pubsub: PubsubClient) -> None:
    """Behaviour 16: after its own backoff, whatever was ready when it was refused and is out since."""
    topic = pubsub.topic()
    policy = RetryPolicy(minimum_backoff=timedelta(seconds=1), maximum_backoff=timedelta(seconds=1))
    subscription = pubsub.subscription(topic, ack_deadline_seconds=600, retry_policy=policy)
    pubsub.publish(topic, b"refused", b"held")
    first = pubsub.pull(subscription)
    pubsub.nack(subscription, first)
    pubsub.pull(subscription)
    with Stream(pubsub, subscription=subscription) as stream:
        (again,) = stream.messages(1)
    assert again.message == first[0].message
