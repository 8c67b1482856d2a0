"""Tests of pull and StreamingPull: leases, ack deadlines, attempts and flow control.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

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


def test_official_client_works_with_emulator_host_only(
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


def test_leased_message_is_not_delivered_again(pubsub: PubsubClient) -> None:
    """Behaviour 26: a pulled message is not pulled again while its lease lasts."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"once")
    pubsub.pull(subscription)
    assert pubsub.pull_now(subscription) == []


def test_ack_deadline_of_zero_is_a_nack(pubsub: PubsubClient) -> None:
    """Behaviour 26: setting the ack deadline to 0 redelivers the message immediately."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"again")
    for _ in range(3):
        pubsub.nack(subscription, pubsub.pull(subscription))
    assert pubsub.pull(subscription)[0].message.data == b"again"


def test_acknowledged_message_is_not_redelivered(pubsub: PubsubClient) -> None:
    """Behaviour 26: after an ack, further acks and nacks of the same lease are accepted without effect."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"done")
    received = pubsub.pull(subscription)
    pubsub.ack(subscription, received)
    pubsub.nack(subscription, received)
    pubsub.ack(subscription, received)
    assert pubsub.pull_now(subscription) == []


def test_ack_of_an_expired_lease_is_ignored(pubsub: PubsubClient) -> None:
    """Behaviour 26: an ack of a lease that has ended succeeds without effect."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"late")
    ended = pubsub.pull(subscription)
    pubsub.nack(subscription, ended)
    pubsub.ack(subscription, ended)


@pytest.mark.parametrize(
    "deadline",
    [-1, pytest.param(601, marks=pytest.mark.emulator_differs("accepts an ack deadline of 601 seconds"))],
)
def test_modify_ack_deadline_out_of_bounds_is_rejected_with_invalid_argument(
    pubsub: PubsubClient, deadline: int
) -> None:
    """Behaviour 26: an ack deadline below 0 or above 600 seconds is rejected."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"x")
    ids = [received.ack_id for received in pubsub.pull(subscription)]
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.modify_ack_deadline(
            subscription=subscription, ack_ids=ids, ack_deadline_seconds=deadline
        )


def test_malformed_ack_id_is_rejected_with_invalid_argument(pubsub: PubsubClient) -> None:
    """Behaviour 26: a string that is not an ack id is rejected."""
    subscription = pubsub.subscription(pubsub.topic())
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.acknowledge(subscription=subscription, ack_ids=["nonsense"])


@pytest.mark.parametrize(
    "count",
    [0, pytest.param(-1, marks=pytest.mark.emulator_differs("returns no message for max_messages -1"))],
)
def test_pull_without_a_positive_number_of_messages_is_rejected_with_invalid_argument(
    pubsub: PubsubClient, count: int
) -> None:
    """Behaviour 26: a pull with max_messages 0 or -1 is rejected."""
    subscription = pubsub.subscription(pubsub.topic())
    with pytest.raises(InvalidArgument, match="max_messages"):
        pubsub.subscriber.pull(
            subscription=subscription, max_messages=count, timeout=pubsub.timeout, retry=None
        )


def test_pull_returns_at_most_1000_messages(pubsub: PubsubClient) -> None:
    """Behaviour 26: a pull may ask for any number of messages, and returns at most 1,000."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    for _ in range(2):
        pubsub.publish(topic, *[b"x"] * 600)
    response = pubsub.subscriber.pull(subscription=subscription, max_messages=2**31 - 1)
    assert 1 <= len(response.received_messages) <= 1_000


def test_pull_waits_for_a_message(pubsub: PubsubClient) -> None:
    """Behaviour 26: a pull without ready messages returns when a message is published."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    found: list[Any] = []
    pulling = threading.Thread(target=lambda: found.extend(pubsub.pull(subscription)))
    pulling.start()
    pubsub.publish(topic, b"at last")
    pulling.join(MAX_WAIT_SECONDS)
    assert [received.message.data for received in found] == [b"at last"]


def test_delivery_attempt_counts_with_a_dead_letter_policy(pubsub: PubsubClient) -> None:
    """Behaviour 27: with a dead-letter policy, delivery_attempt is 1, 2 and 3 for the first deliveries."""
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


def test_delivery_attempt_is_zero_without_dead_letter_policy(pubsub: PubsubClient) -> None:
    """Behaviour 27: without a dead-letter policy delivery_attempt is 0."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"x")
    assert pubsub.pull(subscription)[0].delivery_attempt == 0


@pytest.mark.emulator_differs("allows pulls from a push subscription")
def test_pull_from_a_push_subscription_fails_with_failed_precondition(
    pubsub: PubsubClient, endpoint: PushEndpoint
) -> None:
    """Behaviour 19: a subscription with a push endpoint cannot be pulled."""
    subscription = pubsub.subscription(pubsub.topic(), push_config=PushConfig(push_endpoint=endpoint.url))
    with pytest.raises(FailedPrecondition):
        pubsub.pull_now(subscription)


@pytest.mark.emulator_differs("sends nothing before the first message")
def test_stream_begins_with_the_subscription_properties(pubsub: PubsubClient) -> None:
    """Behaviour 29: the first response has the subscription properties and no message."""
    subscription = pubsub.subscription(pubsub.topic())
    with Stream(pubsub, subscription=subscription) as stream:
        first = stream.receive()
    assert "subscription_properties" in first
    assert not first.subscription_properties.exactly_once_delivery_enabled
    assert not first.received_messages


@pytest.mark.emulator_differs("does not follow flow control after an ack on the stream")
def test_stream_flow_control_limits_outstanding_messages(pubsub: PubsubClient) -> None:
    """Behaviour 29: at most max_outstanding_messages are outstanding; an ack allows one more."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, *[b"x"] * 5)
    with Stream(pubsub, subscription=subscription, max_outstanding_messages=2) as stream:
        first = stream.messages(2)
        # A pull receives the three messages that are not outstanding on the stream.
        assert len(pubsub.pull(subscription, 3)) == 3
        pubsub.publish(topic, b"y")
        stream.send(ack_ids=[first[0].ack_id])
        assert [received.message.data for received in stream.messages(1)] == [b"y"]


@pytest.mark.emulator_differs("ignores max_outstanding_bytes")
def test_stream_flow_control_limits_outstanding_bytes(pubsub: PubsubClient) -> None:
    """Behaviour 29: outstanding bytes are limited; a message above the limit is sent alone."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"x" * 5000, b"y" * 5000)
    with Stream(pubsub, subscription=subscription, max_outstanding_bytes=4000) as stream:
        first = stream.messages(1)
        rest = pubsub.pull(subscription)
        assert {received.message.data[:1] for received in [*first, *rest]} == {b"x", b"y"}


def test_stream_nack_redelivers(pubsub: PubsubClient) -> None:
    """Behaviour 29: setting the ack deadline to 0 on the stream redelivers the message."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"again")
    with Stream(pubsub, subscription=subscription) as stream:
        (first,) = stream.messages(1)
        stream.send(modify_deadline_ack_ids=[first.ack_id], modify_deadline_seconds=[0])
        (second,) = stream.messages(1)
    assert first.message == second.message


def test_nacked_message_is_redelivered_while_others_are_outstanding(pubsub: PubsubClient) -> None:
    """Behaviour 16: a nacked message is redelivered after its backoff while another one is outstanding."""
    topic = pubsub.topic()
    policy = RetryPolicy(minimum_backoff=timedelta(seconds=1), maximum_backoff=timedelta(seconds=1))
    subscription = pubsub.subscription(topic, ack_deadline_seconds=600, retry_policy=policy)
    pubsub.publish(topic, b"nacked", b"held")
    first = pubsub.pull(subscription)
    pubsub.nack(subscription, first)
    pubsub.pull(subscription)
    with Stream(pubsub, subscription=subscription) as stream:
        (again,) = stream.messages(1)
    assert again.message == first[0].message
