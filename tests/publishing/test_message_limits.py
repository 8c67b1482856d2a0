"""A message that some broker could not carry is refused before it is sent, and stops no others."""

from collections.abc import Callable

import pytest

from publishing.message_limits import MAX_DATA_BYTES, MAX_TEXT_BYTES, fault_of
from publishing.publisher import Message, PublishUnconfirmed
from publishing.rabbitmq.publisher import RabbitMqPublisher
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.waiting import MAX_WAIT_SECONDS

NO_TEXTS: Callable[..., dict[str, str]] = dict


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (Message(bytes(MAX_DATA_BYTES), {"a" * 255: "b"}, "key"), ""),
        (Message(bytes(MAX_DATA_BYTES + 1), {}), "10000001 bytes of data; the maximum is 10000000"),
        (Message(b"", {"a": "\ud800"}), "lone surrogate"),
        (Message(b"", {"\ud800": "a"}), "lone surrogate"),
        (Message(b"", {}, "\ud800"), "lone surrogate"),
        (Message(b"", NO_TEXTS(retries=3)), "no texts"),
        (Message(b"", {str(number): "" for number in range(101)}), "101 attributes"),
        (Message(b"", {"ä" * 128: ""}), "256 bytes in a name"),
        (Message(b"", {"a": "b" * MAX_TEXT_BYTES}), "100001 bytes of attributes"),
    ],
)
def test_a_message_that_cannot_be_carried_has_a_fault(message: Message, fault: str) -> None:
    """The fault says what is wrong."""
    found = fault_of(message)
    assert fault in found
    assert bool(found) == bool(fault)


def test_the_id_must_be_a_text_as_well() -> None:
    """The id of a message that another program has written is checked, too."""
    assert "lone surrogate" in fault_of(Message(b"", {}), "\ud800")


def test_a_message_with_a_fault_does_not_stop_the_publisher(rabbitmq_server: RabbitMqServer) -> None:
    """Messages before and after one that cannot be encoded are confirmed, also those of later calls."""
    with rabbitmq_server.channel() as channel:
        channel.exchange_declare("limits", "fanout")
        channel.queue_declare("limits")
        channel.queue_bind("limits", "limits")
    publisher = RabbitMqPublisher(rabbitmq_server.url, "limits", timeout_seconds=MAX_WAIT_SECONDS)
    messages = [Message(b"a", {}), Message(b"b", {"a": "\ud800"}), Message(b"c", {})]
    try:
        first, refused, last = publisher.publish_all(messages)
        assert isinstance(refused, PublishUnconfirmed)
        assert isinstance(first, str)
        assert isinstance(last, str)
        with pytest.raises(PublishUnconfirmed, match="lone surrogate"):
            publisher.publish(messages[1])
        assert publisher.publish(messages[2])
    finally:
        publisher.close()
        with rabbitmq_server.channel() as channel:
            channel.queue_delete("limits")
            channel.exchange_delete("limits")
