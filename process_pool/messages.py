"""Reads and writes the messages between a process and its children, each with its length before it.

The two sides exchange bytes and JSON, never pickles: a child reads pages that anybody may write.
"""

import socket
import struct
from typing import NamedTuple

_REQUEST = struct.Struct("!II")  #: the sizes of the request and of its body
_ANSWER = struct.Struct("!cI")  #: the kind of the answer, and its size
FIRST_BYTES = 128 * 1024  #: so many bytes of a body are sent in one call with the request
MAX_ANSWER_BYTES = 64 * 1024 * 1024  #: a child that sends more is out of control, and is killed


class Answer(NamedTuple):
    """What a child returned.

    Attributes:
        kind: one of the constants below.
        payload: the function's result, or a text that describes an exception.
    """

    kind: bytes
    payload: bytes


RESULT = b"r"  #: the payload is the result
LAST_RESULT = b"l"  #: the payload is the result, and the child ends, because it has grown
TOO_LARGE = b"t"  #: the result has more than MAX_ANSWER_BYTES
RAISED = b"e"  #: the function raised an exception, which is a bug

OUT_OF_MEMORY_EXIT = 3  #: exit code of a child whose function needed more memory than its limit


class ConnectionEnded(Exception):
    """The other side has ended."""


def send_request(connection: socket.socket, request: bytes, body: bytes) -> None:
    """Send a request and its body."""
    # Each call may wake the other side up, which costs more than to copy the body of a usual page.
    connection.sendall(_REQUEST.pack(len(request), len(body)) + request + body[:FIRST_BYTES])
    if len(body) > FIRST_BYTES:
        connection.sendall(memoryview(body)[FIRST_BYTES:])


def receive_request(connection: socket.socket) -> tuple[bytes, bytes]:
    """Return the next request and its body.

    Raises:
        ConnectionEnded: if there are no more requests.
    """
    request_size, body_size = _REQUEST.unpack(_receive(connection, _REQUEST.size))
    return bytes(_receive(connection, request_size)), bytes(_receive(connection, body_size))


def send_answer(connection: socket.socket, answer: Answer) -> None:
    """Send an answer."""
    connection.sendall(_ANSWER.pack(answer.kind, len(answer.payload)) + answer.payload)


def receive_answer(connection: socket.socket) -> Answer:
    """Return the answer.

    Raises:
        ConnectionEnded: if the child has ended, or sends too much.
        TimeoutError: if the connection's timeout is over.
    """
    kind, size = _ANSWER.unpack(_receive(connection, _ANSWER.size))
    if size > MAX_ANSWER_BYTES:
        raise ConnectionEnded
    return Answer(kind, bytes(_receive(connection, size)))


def _receive(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view, received = memoryview(data), 0
    while received < size:
        count = connection.recv_into(view[received:])
        if count == 0:
            raise ConnectionEnded
        received += count
    return data
