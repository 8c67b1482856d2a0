"""The relay reads a message of RabbitMQ in one step, and finds the same in it as pika does."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import BasicProperties
from pika.exceptions import InvalidFrameError
from pika.frame import Body, Header, Heartbeat, Method, decode_frame
from pika.spec import Basic

from relay.rabbitmq.frames import Delivery, read_frame

INTEGERS = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(max_size=30)
HEADERS = st.dictionaries(NAMES, st.text(max_size=300) | INTEGERS, max_size=8)
OTHER_HEADERS = st.dictionaries(
    NAMES, st.none() | st.booleans() | st.binary() | st.lists(INTEGERS) | HEADERS, max_size=4
)
OURS = st.builds(
    BasicProperties,
    headers=HEADERS,
    delivery_mode=st.integers(0, 255),
    message_id=st.text(max_size=60),
    timestamp=st.integers(0, 2**64 - 1),
)
OTHERS = st.builds(
    BasicProperties,
    content_type=st.none() | NAMES,
    headers=st.none() | HEADERS | OTHER_HEADERS,
    delivery_mode=st.none() | st.just(2),
    priority=st.none() | st.integers(0, 255),
    message_id=st.none() | NAMES,
    timestamp=st.none() | st.integers(0, 2**63),
    app_id=st.none() | NAMES,
)
DELIVERIES = st.builds(
    Basic.Deliver,
    consumer_tag=NAMES,
    delivery_tag=st.integers(0, 2**64 - 1),
    redelivered=st.booleans(),
    exchange=NAMES,
    routing_key=NAMES,
)


def frames_of(channel: int, deliver: Basic.Deliver, properties: BasicProperties, parts: list[bytes]) -> bytes:
    """Return the frames of a message as RabbitMQ sends them."""
    header = Header(channel, sum(map(len, parts)), properties)
    frames = [Method(channel, deliver), header, *(Body(channel, part) for part in parts)]
    return b"".join(frame.marshal() for frame in frames)


def read_by_pika(data: bytes) -> list[object]:
    """Return what pika finds in frames."""
    return [line for frame in _all(data, decode_frame) for line in _content(frame)]


def read(data: bytes) -> list[object]:
    """Return what the relay finds in frames."""
    return [line for frame in _all(data, read_frame) for line in _content(frame)]


def _all(data: bytes, reader: Callable[[bytes], tuple[int, object]]) -> list[object]:
    found = []
    while data:
        size, frame = reader(data)
        assert frame is not None
        found.append(frame)
        data = data[size:]
    return found


def _content(frame: object) -> list[object]:
    if isinstance(frame, Delivery):
        deliver, header, body = frame
        return [*_content(deliver), *_content(header), *_content(Body(deliver.channel_number, body))]
    if isinstance(frame, Method):
        method = frame.method
        # The exchange and the routing key are not needed: each queue of a relay has one topic.
        return [frame.channel_number, method.consumer_tag, method.delivery_tag, bool(method.redelivered)]
    if isinstance(frame, Header):
        return [frame.channel_number, frame.body_size, vars(frame.properties)]
    return [vars(frame)]


@given(
    st.integers(1, 2**16 - 1),
    DELIVERIES,
    OURS | OTHERS,
    st.lists(st.binary(min_size=1, max_size=50), max_size=2),
)
def test_a_message_is_read_as_by_pika(
    channel: int, deliver: Basic.Deliver, properties: BasicProperties, parts: list[bytes]
) -> None:
    """Whatever the message is, and what follows it, the content is the same."""
    data = frames_of(channel, deliver, properties, parts) + Heartbeat().marshal()
    assert read(data) == read_by_pika(data)


@given(DELIVERIES, OURS, st.binary(min_size=1, max_size=50))
def test_a_message_of_this_project_is_read_in_one_step(
    deliver: Basic.Deliver, properties: BasicProperties, body: bytes
) -> None:
    """A message with the properties and the types of headers that the publisher writes is one delivery."""
    data = frames_of(1, deliver, properties, [body])
    size, found = read_frame(data)
    assert size == len(data)
    assert isinstance(found, Delivery)


@given(DELIVERIES, OURS | OTHERS, st.binary(min_size=1, max_size=50), st.data())
def test_an_incomplete_message_waits_for_its_rest(
    deliver: Basic.Deliver, properties: BasicProperties, body: bytes, data: st.DataObject
) -> None:
    """A message may come in any parts: nothing is read wrongly, and nothing is waited for in vain."""
    frames = frames_of(1, deliver, properties, [body])
    cut = data.draw(st.integers(0, len(frames) - 1))
    size, found = read_frame(frames[:cut])
    assert (_content(found) if found else []) + read(frames[size:]) == read_by_pika(frames)


@pytest.mark.parametrize("number", range(3))
def test_a_frame_without_its_end_is_refused(number: int) -> None:
    """A damaged end of any of the three frames of a message is found, as by pika."""
    properties = BasicProperties(headers={}, delivery_mode=2, message_id="1", timestamp=1)
    frames = [
        Method(1, Basic.Deliver("tag", 1, False, "topic", "")).marshal(),
        Header(1, 4, properties).marshal(),
        Body(1, b"body").marshal(),
    ]
    frames[number] = frames[number][:-1] + b"\0"
    with pytest.raises(InvalidFrameError):
        read(b"".join(frames))


def test_properties_that_pika_cannot_read_are_none() -> None:
    """A header with a date after the year 9999 is read as one without properties, and the rest as ever."""
    header = Header(1, 4, BasicProperties(headers={"when": datetime(2026, 1, 1, tzinfo=UTC)})).marshal()
    seconds = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()).to_bytes(8)
    damaged = header.replace(seconds, (10**12).to_bytes(8))
    assert damaged != header
    frames = Method(1, Basic.Deliver("tag", 1, False, "topic", "")).marshal(), Body(1, b"body").marshal()
    found = _all(frames[0] + damaged + frames[1], read_frame)
    assert isinstance(found[1], Header)
    assert (found[1].body_size, found[1].properties.headers) == (4, None)
    assert isinstance(found[2], Body)
