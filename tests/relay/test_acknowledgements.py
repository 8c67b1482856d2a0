"""Messages of RabbitMQ are acknowledged together, and never one that is not settled."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from relay.rabbitmq.acknowledgements import Acknowledgements


class RecordingChannel:
    """A channel that keeps which messages were acknowledged or returned, as RabbitMQ would.

    Attributes:
        is_open: whether it is open.
        unsettled: the messages that were delivered and neither acknowledged nor returned.
        frames: number of frames that were sent.
    """

    def __init__(self) -> None:
        self.is_open = True
        self.unsettled = set[int]()
        self.frames = 0

    def basic_ack(self, tag: int, multiple: bool = False) -> None:
        """See pika. RabbitMQ closes the channel if a message is unknown or settled already."""
        assert tag in self.unsettled
        self.unsettled = {each for each in self.unsettled if not (each == tag or (multiple and each < tag))}
        self.frames += 1

    def basic_nack(self, tag: int, requeue: bool) -> None:
        """See pika."""
        assert requeue
        self.unsettled.remove(tag)


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=8), max_size=12))
def test_exactly_the_settled_messages_are_acknowledged(turns: list[list[tuple[int, bool]]]) -> None:
    """After each turn of the event loop RabbitMQ has all messages unacknowledged that are not settled."""

    async def run() -> None:
        channel: Any = RecordingChannel()
        acknowledgements, open_tags, last = Acknowledgements(channel), list[int](), 0
        for turn in turns:
            for _ in range(3):
                last += 1
                open_tags.append(last)
                channel.unsettled.add(last)
                acknowledgements.add(last)
            for choice, is_rejected in turn:
                if open_tags:
                    tag = open_tags.pop(choice % len(open_tags))
                    (acknowledgements.reject if is_rejected else acknowledgements.acknowledge)(tag)
            await asyncio.sleep(0)
            assert channel.unsettled == set(open_tags)

    asyncio.run(run())


def test_acknowledgements_are_held_back_until_all_earlier_messages_are_settled() -> None:
    """The end of a drain does not wait for messages that came later, and nothing is sent before `resume`."""

    async def run() -> None:
        channel: Any = RecordingChannel()
        acknowledgements, drained = Acknowledgements(channel), list[set[int]]()
        channel.unsettled = {1, 2, 3}
        acknowledgements.add(1)
        acknowledgements.add(2)
        acknowledgements.hold()
        acknowledgements.drain(lambda: drained.append(set(channel.unsettled)))
        acknowledgements.add(3)
        acknowledgements.acknowledge(2)
        await asyncio.sleep(0)
        assert drained == []
        acknowledgements.acknowledge(1)
        await asyncio.sleep(0)
        assert drained == [{1, 2, 3}]
        acknowledgements.resume()
        assert channel.unsettled == {3}

    asyncio.run(run())


def test_a_drain_without_messages_ends_at_once() -> None:
    """Who has received nothing can hand over without waiting, and also whose last message was rejected."""

    async def run() -> int:
        channel: Any = RecordingChannel()
        acknowledgements, ends = Acknowledgements(channel), list[bool]()
        acknowledgements.hold()
        acknowledgements.drain(lambda: ends.append(True))
        await asyncio.sleep(0)
        acknowledgements.resume()
        channel.unsettled = {1}
        acknowledgements.add(1)
        acknowledgements.hold()
        acknowledgements.drain(lambda: ends.append(True))
        acknowledgements.reject(1)
        await asyncio.sleep(0)
        return len(ends)

    assert asyncio.run(run()) == 2


def test_messages_in_order_need_one_frame() -> None:
    """The messages of a turn that are the oldest ones are acknowledged with one frame."""

    async def run() -> int:
        channel: Any = RecordingChannel()
        acknowledgements = Acknowledgements(channel)
        for tag in range(1, 101):
            channel.unsettled.add(tag)
            acknowledgements.add(tag)
            acknowledgements.acknowledge(tag)
        await asyncio.sleep(0)
        return int(channel.frames)

    assert asyncio.run(run()) == 1
