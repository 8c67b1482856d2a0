"""Reads a message's frames in one step; pika's way to read them takes a large part of the processor time.

A message comes as three frames: `basic.deliver`, the properties, and the body. Here a message with the
properties that `publishing/rabbitmq/wire.py` writes is read at once. All that differs in any way is left to
pika, for example a body of several frames, or a header that is neither a text nor a number.

The format: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, sections 2.3.5 and 4.2, and the types of
headers: https://www.rabbitmq.com/amqp-0-9-1-errata
"""

from struct import Struct
from typing import NamedTuple, TypeAlias

from pika import BasicProperties
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import InvalidFrameError
from pika.frame import Frame, Header, Method, ProtocolHeader, decode_frame
from pika.spec import FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD, Basic

from publishing.rabbitmq.connection import report_missing_sockets

_FRAME = Struct(">BHI")  #: the begin of each frame: type, channel, size
_DELIVER = Struct(">BHIIB")  #: begin of the frame, method, size of the consumer tag
_DELIVERY_TAG = Struct(">Q?")  #: delivery tag, whether redelivered
_PROPERTIES = Struct(">BHIHHQH")  #: begin of the frame, class, weight, size of the body, which properties
_SIZE, _INTEGER, _LONG = Struct(">I"), Struct(">i"), Struct(">q")
_TIMESTAMP = Struct(">Q")

#: The properties of each message of this project.
_OURS = (
    BasicProperties.FLAG_HEADERS
    | BasicProperties.FLAG_DELIVERY_MODE
    | BasicProperties.FLAG_MESSAGE_ID
    | BasicProperties.FLAG_TIMESTAMP
)


class Delivery(NamedTuple):
    """A whole message, as the frames that pika makes of it, but without the exchange and the routing key."""

    method: Method[Basic.Deliver]
    header: Header
    body: bytes


_Found: TypeAlias = Frame | ProtocolHeader | Delivery | None


class _LeftToPika(ValueError):
    """The frame is no message, or a message with other properties."""


class Connection(AsyncioConnection):  # type: ignore[misc] # pika is not typed
    """A connection of pika that reads a message in one step."""

    def _adapter_connect_stream(self) -> None:
        super()._adapter_connect_stream()
        report_missing_sockets(self._connection_workflow)

    def _read_frame(self) -> tuple[int, _Found]:
        return read_frame(self._frame_buffer)

    def _process_frame(self, frame_value: Frame | ProtocolHeader | Delivery) -> None:
        if isinstance(frame_value, Delivery):
            channel = self._channels[frame_value.method.channel_number]
            channel._on_deliver(*frame_value)  # noqa: SLF001 - pika has no public way to read frames otherwise
        else:
            super()._process_frame(frame_value)


def read_frame(buffer: bytes) -> tuple[int, _Found]:
    """Read the first frame, or the first message.

    Returns:
        Its number of bytes, and what it is; 0 and None if it is incomplete.

    Raises:
        pika.exceptions.InvalidFrameError: the bytes are no frame.
    """
    try:
        return _read_message(buffer)
    except ValueError:
        """pika has to read the first frame."""
    try:
        found: tuple[int, _Found] = decode_frame(buffer)
    except InvalidFrameError:
        raise
    except Exception:  # noqa: BLE001 - pika has many, for example for a date in a header after the year 9999
        return _read_without_properties(buffer)
    return found


def _read_without_properties(buffer: bytes) -> tuple[int, Header]:
    """Read a frame of properties that pika cannot read: another program's, since they have no id then.

    Otherwise the error would end the connection, and each next one when the message comes again.
    """
    kind, channel, size, _, _, body_size, _ = _PROPERTIES.unpack_from(buffer)
    if kind != FRAME_HEADER:
        raise InvalidFrameError(f"a frame of the type {kind} cannot be read")
    return _FRAME.size + size + 1, Header(channel, body_size, BasicProperties())


def _read_message(buffer: bytes) -> tuple[int, Delivery | None]:
    """Read a message as `read_frame` does.

    Raises:
        ValueError: pika has to read the first frame.
    """
    if len(buffer) < _DELIVER.size:
        raise _LeftToPika
    kind, channel, size, method, tag_size = _DELIVER.unpack_from(buffer)
    if kind != FRAME_METHOD or method != Basic.Deliver.INDEX:
        raise _LeftToPika
    header = _FRAME.size + size + 1
    if len(buffer) <= header + _PROPERTIES.size:
        return 0, None
    kind, _, size, _, _, body_size, which = _PROPERTIES.unpack_from(buffer, header)
    if kind != FRAME_HEADER or which != _OURS or not body_size:
        raise _LeftToPika
    body = header + _FRAME.size + size + 1
    if len(buffer) < body + _FRAME.size:
        return 0, None
    kind, _, size = _FRAME.unpack_from(buffer, body)
    if kind != FRAME_BODY or size != body_size:
        raise _LeftToPika
    end = body + _FRAME.size + size + 1
    if len(buffer) < end:
        return 0, None
    if not buffer[header - 1] == buffer[body - 1] == buffer[end - 1] == FRAME_END:
        raise _LeftToPika
    tag_end = _DELIVER.size + tag_size
    deliver = Basic.Deliver(
        buffer[_DELIVER.size : tag_end].decode(), *_DELIVERY_TAG.unpack_from(buffer, tag_end)
    )
    properties = _read_properties(buffer, header + _PROPERTIES.size)
    return end, Delivery(
        Method(channel, deliver),
        Header(channel, body_size, properties),
        buffer[body + _FRAME.size : end - 1],
    )


def _read_properties(buffer: bytes, at: int) -> BasicProperties:
    """Read the properties `_OURS`.

    Raises:
        ValueError: a header is neither a text nor a number, or a text is not UTF-8.
    """
    headers = dict[str, object]()
    table_end = at + _SIZE.size + _SIZE.unpack_from(buffer, at)[0]
    at += _SIZE.size
    while at < table_end:
        name_end = at + 1 + buffer[at]
        name = buffer[at + 1 : name_end].decode()
        kind = buffer[name_end : name_end + 1]
        value_at = name_end + 1
        if kind == b"S":
            text_at = value_at + _SIZE.size
            at = text_at + _SIZE.unpack_from(buffer, value_at)[0]
            headers[name] = buffer[text_at:at].decode()
        elif kind == b"I":
            headers[name] = _INTEGER.unpack_from(buffer, value_at)[0]
            at = value_at + _INTEGER.size
        elif kind == b"l":
            headers[name] = _LONG.unpack_from(buffer, value_at)[0]
            at = value_at + _LONG.size
        else:
            raise _LeftToPika
    id_end = at + 2 + buffer[at + 1]
    return BasicProperties(
        headers=headers,
        delivery_mode=buffer[at],
        message_id=buffer[at + 2 : id_end].decode(),
        timestamp=_TIMESTAMP.unpack_from(buffer, id_end)[0],
    )
