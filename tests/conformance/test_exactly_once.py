"""Exactly-once delivery: acks that are confirmed, or refused when they come too late."""

import threading

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.exceptions import AcknowledgeError, AcknowledgeStatus
from google.cloud.pubsub_v1.subscriber.message import Message
from google.pubsub_v1.types import PushConfig

from tests.conformance.streaming import Stream
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import PushEndpoint
from tests.servers.waiting import MAX_WAIT_SECONDS


def exactly_once(pubsub: PubsubClient, topic: str) -> str:
    """Name of a new subscription."""
    return pubsub.subscription(topic, enable_exactly_once_delivery=True)


def test_a_late_ack_is_refused_and_a_good_one_taken(pubsub: PubsubClient) -> None:
    """Behaviour 26: with exactly-once delivery INVALID_ARGUMENT names each ack id that came too late."""
    topic = pubsub.topic()
    subscription = exactly_once(pubsub, topic)
    pubsub.publish(topic, b"late", b"good")
    late, good = pubsub.pull(subscription, 2)
    pubsub.nack(subscription, [late])
    with pytest.raises(InvalidArgument) as refused:
        pubsub.ack(subscription, [late, good])
    (detail,) = refused.value.details
    assert dict(detail.metadata) == {late.ack_id: "PERMANENT_FAILURE_INVALID_ACK_ID"}
    again = pubsub.pull(subscription)
    assert [received.message.data for received in again] == [late.message.data]
    with pytest.raises(InvalidArgument):
        pubsub.nack(subscription, [late])


@pytest.mark.differs("sends nothing before the first message")
def test_a_stream_confirms(pubsub: PubsubClient) -> None:
    """Behaviour 29: acks and deadlines on an exactly-once stream are confirmed one by one."""
    topic = pubsub.topic()
    subscription = exactly_once(pubsub, topic)
    pubsub.publish(topic, b"x")
    with Stream(pubsub, subscription=subscription) as stream:
        assert stream.hear().subscription_properties.exactly_once_delivery_enabled
        (received,) = stream.messages(1)
        stream.say(modify_deadline_ack_ids=[received.ack_id], modify_deadline_seconds=[30])
        assert stream.hear().modify_ack_deadline_confirmation.ack_ids == [received.ack_id]
        stream.say(ack_ids=[received.ack_id])
        assert stream.hear().acknowledge_confirmation.ack_ids == [received.ack_id]
        stream.say(ack_ids=[received.ack_id])
        answer = stream.hear()
    assert answer.acknowledge_confirmation.invalid_ack_ids == [received.ack_id]
    assert answer.subscription_properties.exactly_once_delivery_enabled


def test_the_official_client_hears_what_became_of_its_acks(
    pubsub: PubsubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behaviours 1 and 26: ack_with_response succeeds, and fails for a delivery that was ended."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.server.host)
    topic = pubsub.topic()
    subscription = exactly_once(pubsub, topic)
    came: list[Message] = []
    both = threading.Event()

    def receive(message: Message) -> None:
        came.append(message)
        if len(came) == 2:
            both.set()

    with pubsub_v1.SubscriberClient() as subscriber:
        receiving = subscriber.subscribe(subscription, receive)
        pubsub.publish(topic, b"a", b"b")
        assert both.wait(pubsub.timeout)
        assert came[0].ack_with_response().result(MAX_WAIT_SECONDS) == AcknowledgeStatus.SUCCESS
        # Somebody else ends the second delivery.
        pubsub.subscriber.modify_ack_deadline(
            subscription=subscription, ack_ids=[came[1].ack_id], ack_deadline_seconds=0
        )
        with pytest.raises(AcknowledgeError) as refused:
            came[1].ack_with_response().result(MAX_WAIT_SECONDS)
        receiving.cancel()
        receiving.result(MAX_WAIT_SECONDS)
    assert refused.value.error_code == AcknowledgeStatus.INVALID_ACK_ID


@pytest.mark.differs("takes it")
def test_it_is_not_for_push(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 10: exactly-once delivery is pull only."""
    with pytest.raises(InvalidArgument):
        pubsub.subscription(
            pubsub.topic(),
            enable_exactly_once_delivery=True,
            push_config=PushConfig(push_endpoint=endpoint.url),
        )
