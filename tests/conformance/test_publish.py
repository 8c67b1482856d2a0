"""Tests of publishing: accepted and rejected messages, and the returned ids.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

import pytest
from google.api_core.exceptions import InvalidArgument
from google.pubsub_v1.types import PubsubMessage

from tests.servers.pubsub_client import PubsubClient


def test_published_message_is_received_unchanged(pubsub: PubsubClient) -> None:
    """Behaviour 1: data, attributes and ordering key are received, with an id and a publish time."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    message = PubsubMessage(data=b"\x00\xff", attributes={"k": "v", "ü": "ß"}, ordering_key="key")
    (message_id,) = pubsub.publisher.publish(topic=topic, messages=[message]).message_ids
    (received,) = pubsub.pull(subscription)
    assert (received.message.data, dict(received.message.attributes)) == (b"\x00\xff", {"k": "v", "ü": "ß"})
    assert (received.message.message_id, received.message.ordering_key) == (message_id, "key")
    assert received.message.publish_time.timestamp() > 1_700_000_000


def test_message_ids_are_digits_in_request_order(pubsub: PubsubClient) -> None:
    """Behaviour 7: message ids are different digit strings, in the order of the request."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    data = [b"%d" % number for number in range(100)]
    ids = pubsub.publish(topic, *data)
    assert len(set(ids)) == 100
    assert all(each.isdigit() for each in ids)
    arrived = {each.message.message_id: each.message.data for each in pubsub.pull(subscription, 100)}
    assert [arrived[each] for each in ids] == data


def test_message_id_is_the_same_on_redelivery(pubsub: PubsubClient) -> None:
    """Behaviour 7: a redelivered message keeps its id and has a new ack id."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"again")
    first = pubsub.pull(subscription)
    pubsub.nack(subscription, first)
    second = pubsub.pull(subscription)
    assert first[0].message == second[0].message
    assert first[0].ack_id != second[0].ack_id


def test_empty_message_is_rejected_with_invalid_argument(pubsub: PubsubClient) -> None:
    """Behaviour 6: a message without data and attributes is rejected, even with an ordering key."""
    topic = pubsub.topic()
    with pytest.raises(InvalidArgument):
        pubsub.publish(topic, b"")
    with pytest.raises(InvalidArgument):
        pubsub.publisher.publish(topic=topic, messages=[PubsubMessage(ordering_key="alone")])


def test_message_may_have_attributes_only(pubsub: PubsubClient) -> None:
    """Behaviour 6: a message with attributes and without data is delivered."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"", only="attributes")
    assert dict(pubsub.pull(subscription)[0].message.attributes) == {"only": "attributes"}


def test_publish_without_messages_is_rejected_with_invalid_argument(pubsub: PubsubClient) -> None:
    """Behaviour 5: a publish request must contain a message."""
    with pytest.raises(InvalidArgument):
        pubsub.publisher.publish(topic=pubsub.topic(), messages=[])


def test_publish_accepts_at_most_1000_messages(pubsub: PubsubClient) -> None:
    """Behaviour 5: a request with 1,000 messages is accepted, and with 1,001 it is rejected."""
    topic = pubsub.topic()
    assert len(pubsub.publish(topic, *[b"x"] * 1000)) == 1000
    with pytest.raises(InvalidArgument):
        pubsub.publish(topic, *[b"x"] * 1001)


@pytest.mark.parametrize(
    "attributes",
    [{f"k{n}": "v" for n in range(100)}, {"k" * 256: "v"}, {"k": "v" * 1024}, {"k": "ü" * 512}],
    ids=["100 attributes", "key of 256 bytes", "value of 1024 bytes", "value of 1024 bytes in 512 letters"],
)
def test_attributes_up_to_the_limits_are_accepted(pubsub: PubsubClient, attributes: dict[str, str]) -> None:
    """Behaviour 5: 100 attributes, keys of 256 bytes and values of 1,024 bytes are accepted."""
    assert pubsub.publish(pubsub.topic(), b"x", **attributes)


@pytest.mark.parametrize(
    "attributes",
    [{f"k{n}": "v" for n in range(101)}, {"k" * 257: "v"}, {"k": "v" * 1025}, {"k": "ü" * 513}, {"": "v"}],
    ids=["101 attributes", "key of 257 bytes", "value of 1025 bytes", "1026 bytes in 513 letters", "no key"],
)
@pytest.mark.emulator_differs("accepts attributes of any number and size")
def test_attributes_beyond_the_limits_are_rejected_with_invalid_argument(
    pubsub: PubsubClient, attributes: dict[str, str]
) -> None:
    """Behaviour 5: a message beyond a limit is rejected with all other messages of its request."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    messages = [PubsubMessage(data=b"good"), PubsubMessage(data=b"bad", attributes=attributes)]
    with pytest.raises(InvalidArgument):
        pubsub.publisher.publish(topic=topic, messages=messages)
    assert pubsub.pull_now(subscription) == []


@pytest.mark.emulator_differs("accepts reserved attribute names")
def test_attribute_with_reserved_prefix_is_rejected_with_invalid_argument(pubsub: PubsubClient) -> None:
    """Behaviour 5: an attribute whose name begins with ``goog`` is rejected."""
    with pytest.raises(InvalidArgument):
        pubsub.publish(pubsub.topic(), b"x", googclient="mine")


@pytest.mark.emulator_differs("accepts more than ten million bytes")
def test_publish_accepts_at_most_ten_million_bytes(pubsub: PubsubClient) -> None:
    """Behaviour 5: a request of more than 10,000,000 bytes is rejected by Pub/Sub's limit, not by gRPC's."""
    topic = pubsub.topic()
    assert pubsub.publish(topic, b"x" * 9_999_900)
    with pytest.raises(InvalidArgument):
        pubsub.publish(topic, b"x" * 10_000_001)


def test_every_subscription_receives_every_message(pubsub: PubsubClient) -> None:
    """Behaviour 25: an ack on one subscription does not affect the others."""
    topic = pubsub.topic()
    first, second = pubsub.subscription(topic), pubsub.subscription(topic)
    ids = pubsub.publish(topic, b"a", b"b")
    pubsub.ack(first, pubsub.pull(first, 2))
    assert sorted(received.message.message_id for received in pubsub.pull(second, 2)) == sorted(ids)


def test_subscription_receives_messages_from_its_creation_on(pubsub: PubsubClient) -> None:
    """Behaviour 25: a subscription never receives messages from before its creation."""
    topic = pubsub.topic()
    pubsub.publish(topic, b"before")
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"after")
    assert [received.message.data for received in pubsub.pull(subscription)] == [b"after"]
    assert pubsub.pull_now(subscription) == []
