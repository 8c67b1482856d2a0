"""Messages survive the way through RabbitMQ's properties, and confirms are matched with their messages."""

from concurrent.futures import Future

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import spec

from publishing.message_limits import MAX_DATA_BYTES
from publishing.publisher import Message
from publishing.rabbitmq import wire
from publishing.rabbitmq.confirms import Confirms, NotConfirmed

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(lambda name: name[:2] != "x-")
MESSAGES = st.builds(
    Message,
    st.binary(max_size=100),
    st.dictionaries(NAMES, st.text(st.characters(codec="utf-8"), max_size=60), max_size=8),
    st.text(st.characters(codec="utf-8"), max_size=60),
)


def transferred(properties: pika.BasicProperties) -> pika.BasicProperties:
    """Return properties after they were written to bytes and read from them."""
    return pika.BasicProperties().decode(b"".join(properties.encode()))


@given(MESSAGES, st.integers(0, 2**31 - 1), st.integers(0, 1000), st.integers(0, 1000))
def test_a_message_is_read_as_it_was_written(
    message: Message, published_at: int, earlier: int, returns: int
) -> None:
    """Data, attributes, ordering key, id and time are kept; the attempts of all copies are added up."""
    properties = wire.properties(message, "an-id", published_at, earlier)
    properties.headers[wire.DELIVERY_COUNT] = returns
    found = wire.read(message.data, transferred(properties))
    assert found == wire.StoredMessage(message, "an-id", published_at, earlier + returns)


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({}, "no message_id"),
        ({"message_id": "1", "headers": {"retries": 3}}, "'retries' is no text"),
        ({"message_id": "1", "headers": {wire.EARLIER_ATTEMPTS: "many"}}, "is no count"),
        ({"message_id": "1", "headers": {wire.EARLIER_ATTEMPTS: -1}}, "is no count"),
        ({"message_id": "1", "headers": {str(n): "" for n in range(101)}}, "101 attributes"),
        ({"message_id": b"\xff"}, "no message_id"),
        ({"message_id": "1", "headers": {b"\xff": "a"}}, "name of its header .* is no text"),
        ({"message_id": "1", "headers": {"a": "b" * 100_000}}, "100002 bytes of attributes"),
        ({"message_id": "1", "timestamp": 1764567890123}, "timestamp is not in seconds"),
    ],
)
def test_a_message_of_another_program_is_rejected(properties: dict[str, object], why: str) -> None:
    """A message that no publisher of this project can have written is an error that says why."""
    with pytest.raises(wire.ForeignMessage, match=why):
        wire.read(b"{}", pika.BasicProperties(**properties))


def test_a_message_of_more_bytes_than_pubsub_takes_is_rejected() -> None:
    """The size of a message is limited, as on Pub/Sub."""
    with pytest.raises(wire.ForeignMessage, match="10000001 bytes"):
        wire.read(bytes(MAX_DATA_BYTES + 1), pika.BasicProperties(message_id="1"))


def frame(number: int, *, multiple: bool, nack: bool) -> pika.frame.Method:
    """Return a confirm."""
    method = spec.Basic.Nack if nack else spec.Basic.Ack
    return pika.frame.Method(1, method(delivery_tag=number, multiple=multiple))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30), st.data())
def test_each_message_gets_the_confirm_that_names_it(
    plan: list[tuple[bool, bool]], data: st.DataObject
) -> None:
    """Whatever the order of the confirms, each message is confirmed or rejected as the server said."""
    confirms, futures = Confirms(), [Future[str]() for _ in plan]
    for index, future in enumerate(futures):
        confirms.add(str(index), future)
    left = list(range(len(plan)))
    while left:
        chosen = data.draw(st.sampled_from(left))
        multiple, nack = plan[chosen]
        named = [index for index in left if index == chosen or (multiple and index < chosen)]
        confirms.confirm(frame(chosen + 1, multiple=multiple, nack=nack))
        for index in named:
            error = futures[index].exception(timeout=0)
            assert isinstance(error, NotConfirmed) == nack
            assert nack or futures[index].result(timeout=0) == str(index)
        left = [index for index in left if index not in named]
        assert not any(futures[index].done() for index in left)


def test_a_returned_message_is_not_confirmed() -> None:
    """A message that no queue took is an error, although RabbitMQ confirms it after it has returned it."""
    confirms, future = Confirms(), Future[str]()
    confirms.add("1", future)
    returned = spec.Basic.Return(reply_text="NO_ROUTE", exchange="scrape-jobs", routing_key="")
    confirms.return_message(returned, pika.BasicProperties(message_id="1"))
    confirms.confirm(frame(1, multiple=False, nack=False))
    error = future.exception(timeout=0)
    assert isinstance(error, NotConfirmed)
    assert not error.is_transient


def test_messages_of_a_closed_channel_are_not_confirmed() -> None:
    """If the channel is closed, no message that was not confirmed counts as sent."""
    confirms, future = Confirms(), Future[str]()
    confirms.add("1", future)
    confirms.fail("closed")
    assert "closed" in str(future.exception(timeout=0))
