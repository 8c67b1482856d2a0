"""Tests of exactly-once delivery, which confirms acks and rejects acks of ended leases.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

import threading

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.exceptions import AcknowledgeError, AcknowledgeStatus
from google.cloud.pubsub_v1.subscriber.message import Message
from google.pubsub_v1.types import PubsubMessage, PushConfig

from tests.conformance.streaming import Stream
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import PushEndpoint
from tests.servers.waiting import MAX_WAIT_SECONDS


def exactly_once(pubsub: PubsubClient, topic: str) -> str:
    """Create a subscription with exactly-once delivery; return its name."""
    return pubsub.subscription(topic, enable_exactly_once_delivery=True)


def test_exactly_once_rejects_expired_ack_ids_and_accepts_valid_ones(pubsub: PubsubClient) -> None:
    """Behaviour 26: with exactly-once delivery INVALID_ARGUMENT names each ack id whose lease has ended."""
    topic = pubsub.topic()
    subscription = exactly_once(pubsub, topic)
    pubsub.publish(topic, b"late", b"good")
    late, good = pubsub.pull(subscription, 2)
    pubsub.nack(subscription, [late])
    with pytest.raises(InvalidArgument) as rejected:
        pubsub.ack(subscription, [late, good])
    (detail,) = rejected.value.details
    assert detail.reason == "EXACTLY_ONCE_ACKID_FAILURE"
    assert dict(detail.metadata) == {late.ack_id: "PERMANENT_FAILURE_INVALID_ACK_ID"}
    again = pubsub.pull(subscription)
    assert [received.message.data for received in again] == [late.message.data]
    with pytest.raises(InvalidArgument):
        pubsub.nack(subscription, [late])


def test_exactly_once_rejects_an_ack_before_earlier_messages_of_its_ordering_key(
    pubsub: PubsubClient,
) -> None:
    """Behaviours 23 and 26: with exactly-once delivery an ack out of order fails with a transient error.

    https://cloud.google.com/pubsub/docs/exactly-once-delivery ("Ordered delivery")
    """
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, enable_exactly_once_delivery=True, enable_message_ordering=True)
    messages = [PubsubMessage(data=name, ordering_key="key") for name in (b"1", b"2", b"3")]
    pubsub.publisher.publish(topic=topic, messages=messages)
    first, second, third = pubsub.pull(subscription, 3)
    with pytest.raises(InvalidArgument) as rejected:
        pubsub.ack(subscription, [second])
    (detail,) = rejected.value.details
    assert dict(detail.metadata) == {second.ack_id: "TRANSIENT_FAILURE_UNORDERED_ACK_ID"}
    pubsub.ack(subscription, [first, second, third])
    assert pubsub.pull_now(subscription) == []


@pytest.mark.emulator_differs("sends nothing before the first message")
def test_exactly_once_stream_confirms_acks_and_deadlines(pubsub: PubsubClient) -> None:
    """Behaviour 29: an exactly-once stream confirms acks and deadlines, and rejects repeated acks."""
    topic = pubsub.topic()
    subscription = exactly_once(pubsub, topic)
    pubsub.publish(topic, b"x")
    with Stream(pubsub, subscription=subscription) as stream:
        assert stream.receive().subscription_properties.exactly_once_delivery_enabled
        (received,) = stream.messages(1)
        stream.send(modify_deadline_ack_ids=[received.ack_id], modify_deadline_seconds=[30])
        assert stream.receive().modify_ack_deadline_confirmation.ack_ids == [received.ack_id]
        stream.send(ack_ids=[received.ack_id])
        assert stream.receive().acknowledge_confirmation.ack_ids == [received.ack_id]
        stream.send(ack_ids=[received.ack_id])
        response = stream.receive()
    assert response.acknowledge_confirmation.invalid_ack_ids == [received.ack_id]
    assert response.subscription_properties.exactly_once_delivery_enabled


def test_exactly_once_ack_with_response_of_the_official_client(
    pubsub: PubsubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behaviours 1 and 26: ack_with_response succeeds, and fails for a lease that has ended."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.server.host)
    topic = pubsub.topic()
    subscription = exactly_once(pubsub, topic)
    received: list[Message] = []
    both = threading.Event()

    def receive(message: Message) -> None:
        received.append(message)
        if len(received) == 2:
            both.set()

    with pubsub_v1.SubscriberClient() as subscriber:
        receiving = subscriber.subscribe(subscription, receive)
        pubsub.publish(topic, b"a", b"b")
        assert both.wait(pubsub.timeout)
        assert received[0].ack_with_response().result(MAX_WAIT_SECONDS) == AcknowledgeStatus.SUCCESS
        # Another client ends the second lease.
        pubsub.subscriber.modify_ack_deadline(
            subscription=subscription, ack_ids=[received[1].ack_id], ack_deadline_seconds=0
        )
        with pytest.raises(AcknowledgeError) as failed:
            received[1].ack_with_response().result(MAX_WAIT_SECONDS)
        receiving.cancel()
        receiving.result(MAX_WAIT_SECONDS)
    assert failed.value.error_code == AcknowledgeStatus.INVALID_ACK_ID


@pytest.mark.emulator_differs("ends the call with an error of the transport")
def test_exactly_once_rejects_many_expired_ack_ids_with_invalid_argument(pubsub: PubsubClient) -> None:
    """The error of an ack of 1,000 invalid ids fits into the limits of a gRPC client."""
    topic = pubsub.topic()
    subscription = exactly_once(pubsub, topic)
    pubsub.publish(topic, b"x")
    (received,) = pubsub.pull(subscription, 1)
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.acknowledge(
            subscription=subscription, ack_ids=[f"{received.ack_id}{number}" for number in range(1000)]
        )


@pytest.mark.emulator_differs("accepts exactly-once delivery for push subscriptions")
def test_exactly_once_push_subscription_is_rejected_with_invalid_argument(
    pubsub: PubsubClient, endpoint: PushEndpoint
) -> None:
    """Behaviour 10: a push subscription with exactly-once delivery cannot be created."""
    with pytest.raises(InvalidArgument):
        pubsub.subscription(
            pubsub.topic(),
            enable_exactly_once_delivery=True,
            push_config=PushConfig(push_endpoint=endpoint.url),
        )
