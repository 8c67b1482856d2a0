"""Asks a server that does not speak HTTP whether it is ready."""

import socket
from contextlib import suppress
from typing import NamedTuple

from console.stack.ports import LOOPBACK

TIMEOUT_SECONDS = 5.0


class TcpProbe(NamedTuple):
    """A question that a server on the loopback interface answers when it is ready.

    Attributes:
        port: the server's TCP port.
        question: the bytes that are sent.
        answer: the bytes with which the response begins.
    """

    port: int
    question: bytes
    answer: bytes

    def is_answered(self) -> bool:
        """Return whether the server gives the expected answer."""
        with (
            suppress(OSError),
            socket.create_connection((LOOPBACK, self.port), TIMEOUT_SECONDS) as connection,
        ):
            connection.sendall(self.question)
            return connection.recv(len(self.answer)) == self.answer
        return False
