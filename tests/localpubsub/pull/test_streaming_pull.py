"""Tests the turns of streams, what the end of a stream puts back, and who hears of a publish first."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest
from grpc import aio

from localpubsub.errors import InvalidArgument
from localpubsub.protocol.messages import (
    PubsubMessage,
    RequestPb,
    ResponsePb,
    StreamingPullRequest,
)
from localpubsub.pull.streaming_pull import serve_stream
from tests.localpubsub.broker.stepped_broker import NAME, TOPIC, SteppedBroker

if TYPE_CHECKING:
    from localpubsub.protocol.calls import Context


@pytest.fixture
def stepped() -> Iterator[SteppedBroker]:
    """A broker that runs step by step."""
    stepped = SteppedBroker()
    yield stepped
    stepped.close()


class Stream:
    """A stream of the subscription; it is the stream's gRPC context, too.

    Attributes:
        received: the messages that were received.
        write_error: if set, every further write fails with this error.
    """

    def __init__(self, stepped: SteppedBroker, max_outstanding_messages: int = 0) -> None:
        self.received: list[ResponsePb] = []
        self.write_error: Exception | None = None
        self._stepped = stepped
        self._requests: asyncio.Queue[RequestPb] = asyncio.Queue()
        request = StreamingPullRequest(subscription=NAME, stream_ack_deadline_seconds=60)
        request.max_outstanding_messages = max_outstanding_messages
        self._requests.put_nowait(request)
        find = stepped.broker.catalogue.subscription
        self.task = stepped.start(serve_stream(stepped.broker, find, cast("Context", self)))

    async def read(self) -> RequestPb:
        """Return the next request."""
        return await self._requests.get()

    async def write(self, response: ResponsePb) -> None:
        """Receive a response."""
        if self.write_error is not None:
            raise self.write_error
        self.received += response.received_messages

    def data(self) -> list[bytes]:
        """Return the data of all received messages."""
        return [each.message.data for each in self.received]

    def modify(self, message: ResponsePb, seconds: int) -> None:
        """Set the ack deadline of a message; 0 nacks it."""
        self.send(
            StreamingPullRequest(modify_deadline_ack_ids=[message.ack_id], modify_deadline_seconds=[seconds])
        )

    def nack(self, messages: list[ResponsePb]) -> None:
        """Nack messages in one request."""
        ids = [message.ack_id for message in messages]
        self.send(StreamingPullRequest(modify_deadline_ack_ids=ids, modify_deadline_seconds=[0] * len(ids)))

    def end(self) -> None:
        """End the requests, as a subscriber that closes the stream."""
        self.send(aio.EOF)

    def send(self, request: RequestPb) -> None:
        """Send a request."""
        self._stepped.do(self._requests.put_nowait, request)


def test_nacked_message_goes_to_the_stream_that_waits_for_longest(stepped: SteppedBroker) -> None:
    """Two idle streams that nack each message get it in turns."""
    stepped.create()
    first, second = Stream(stepped), Stream(stepped)
    stepped.publish(b"x")
    for _ in range(3):
        first.modify(first.received[-1], 0)
        second.modify(second.received[-1], 0)
    assert [len(first.received), len(second.received)] == [4, 3]


def test_stream_at_its_limit_gives_its_nacked_message_to_another(stepped: SteppedBroker) -> None:
    """A stream with one place does not get the message back that it nacks while another stream waits."""
    stepped.create()
    first, second = Stream(stepped, 1), Stream(stepped, 1)
    stepped.publish(b"x")
    first.modify(first.received[0], 0)
    assert second.data() == [b"x"]


def test_unconfirmed_messages_of_an_ended_stream_are_delivered_at_once(stepped: SteppedBroker) -> None:
    """Only the message whose ack deadline the subscriber has modified stays leased after the stream's end."""
    stepped.create()
    stream = Stream(stepped)
    stepped.publish(b"1", b"2", b"3", b"4")
    stream.modify(stream.received[1], 60)
    other = Stream(stepped)
    stream.end()
    assert stream.task.done()
    assert other.data() == [b"1", b"3", b"4"]


def test_nacks_before_the_end_of_a_stream_leave_no_message_leased(stepped: SteppedBroker) -> None:
    """A subscriber that nacks its messages, gets them again and closes leaves all of them to the next one."""
    stepped.create()
    stream = Stream(stepped)
    stepped.publish(b"1", b"2")
    for message in list(stream.received):
        stream.modify(message, 0)
    assert len(stream.received) == 4
    stream.end()
    assert Stream(stepped).data() == [b"1", b"2"]


def test_end_of_a_stream_is_not_counted_as_an_attempt(stepped: SteppedBroker) -> None:
    """A message that the end of a stream puts back has delivery attempt 1 again."""
    stepped.create(dead_letter_policy={"dead_letter_topic": TOPIC, "max_delivery_attempts": 5})
    stream = Stream(stepped)
    stepped.publish(b"x")
    stream.end()
    again = Stream(stepped)
    assert [message.delivery_attempt for message in stream.received + again.received] == [1, 1]


@pytest.mark.parametrize("error", [aio.InternalError("Failed execute_batch"), aio.UsageError("finished")])
def test_stream_that_is_closed_during_a_write_ends_without_an_error(
    stepped: SteppedBroker, error: Exception
) -> None:
    """If gRPC cannot write because the subscriber is gone, the stream ends, and its messages are put back."""
    stepped.create()
    stream = Stream(stepped)
    stream.write_error = error
    stepped.publish(b"x")
    assert stream.task.done()
    assert stream.task.exception() is None
    assert Stream(stepped).data() == [b"x"]


def test_publisher_gets_its_response_before_consumers_are_woken(stepped: SteppedBroker) -> None:
    """Both publishers of a transaction continue before an idle stream hears of their messages."""
    subscription = stepped.create()
    order: list[str] = []
    subscription.consumers.add(lambda: order.append("woken"))

    async def publish() -> None:
        await stepped.broker.publish(TOPIC, [PubsubMessage(data=b"x")])
        order.append("published")

    stepped.start(asyncio.wait([stepped.loop.create_task(publish()) for _ in range(2)]))
    stepped.finish()
    assert order == ["published", "published", "woken"]


def test_redelivery_of_an_ordering_key_is_counted_by_its_causes(stepped: SteppedBroker) -> None:
    """A nack of the first of three messages counts as one nack and two cancelled deliveries."""
    subscription = stepped.create(enable_message_ordering=True)
    messages = [PubsubMessage(data=name, ordering_key="key") for name in (b"1", b"2", b"3")]
    stream = Stream(stepped)
    stepped.call(stepped.broker.publish(TOPIC, messages))
    stream.modify(stream.received[0], 0)
    assert stream.data() == [b"1", b"2", b"3"] * 2
    counters = subscription.counters
    assert (counters.nacks, counters.events["delivery cancelled"], counters.events["delivered"]) == (1, 2, 6)


def test_each_nack_of_a_request_is_counted_as_an_attempt(stepped: SteppedBroker) -> None:
    """If all messages of a key are nacked in one request, all are redelivered in order, with attempt 2."""
    stepped.create(
        enable_message_ordering=True,
        dead_letter_policy={"dead_letter_topic": TOPIC, "max_delivery_attempts": 5},
    )
    messages = [PubsubMessage(data=name, ordering_key="key") for name in (b"1", b"2", b"3")]
    stream = Stream(stepped)
    stepped.call(stepped.broker.publish(TOPIC, messages))
    stream.nack(list(stream.received))
    found = [(message.message.data, message.delivery_attempt) for message in stream.received]
    assert found == [(b"1", 1), (b"2", 1), (b"3", 1), (b"1", 2), (b"2", 2), (b"3", 2)]


@pytest.mark.parametrize("field", ["max_outstanding_messages", "max_outstanding_bytes", "subscription"])
def test_later_request_that_sets_a_field_of_the_first_ends_the_stream(
    stepped: SteppedBroker, field: str
) -> None:
    """The stream is aborted with INVALID_ARGUMENT, as pubsub.proto states, and not served unchanged."""
    stepped.create()
    stream = Stream(stepped)
    stream.send(StreamingPullRequest(**{field: NAME if field == "subscription" else 5}))
    assert isinstance(stream.task.exception(), InvalidArgument)
