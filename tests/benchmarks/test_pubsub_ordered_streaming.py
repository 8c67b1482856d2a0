"""Tests that the benchmark of ordered streams has the described keys, and rejects messages out of order."""

import pytest
from google.pubsub_v1.types import PubsubMessage, ReceivedMessage

from benchmarks.pubsub_ordered_streaming import messages_of_keys, receive_in_order


def received(*names: str) -> list[ReceivedMessage]:
    """Return a message for each name: its first character is the ordering key, the rest is the number."""
    return [
        ReceivedMessage(ack_id=name, message=PubsubMessage(data=name[1:].encode(), ordering_key=name[0]))
        for name in names
    ]


def test_busiest_keys_have_1600_of_10000_messages() -> None:
    """Of 10,000 messages, four keys have 1,600 each, and 180 keys have 20 each."""
    found = messages_of_keys(10_000)
    assert sorted(found.values()) == [20] * 180 + [1_600] * 4


def test_messages_of_a_key_in_order_are_accepted() -> None:
    """Keys may be mixed, and a message may be redelivered; every message is acknowledged."""
    acks: list[str] = []
    receive_in_order(iter(received("a0", "b0", "a1", "a0", "a1", "b1", "a2")), acks, {"a": 2, "b": 2})
    assert acks == ["a0", "b0", "a1", "a0", "a1", "b1"]


def test_message_of_a_key_out_of_order_is_rejected() -> None:
    """A message that comes before an earlier one of its key raises ValueError."""
    with pytest.raises(ValueError, match="message 2 of a came before message 1"):
        receive_in_order(iter(received("a0", "b0", "a2")), [], {"a": 3, "b": 1})
