"""Tests of the question whether a server is ready."""

import socket
import threading

import pytest

from console.stack.ports import LOOPBACK, free_port
from console.stack.tcp_probe import TcpProbe


@pytest.mark.parametrize(
    ("answer", "expected"), [(b"+PONG\r\n", True), (b"-LOADING\r\n", False), (b"", False)]
)
def test_only_the_expected_answer_counts(answer: bytes, *, expected: bool) -> None:
    """A server that answers otherwise, or closes the connection, is not ready."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        probe = TcpProbe(listener.getsockname()[1], b"PING\r\n", b"+PONG")
        assert probe.is_answered() is expected
        thread.join()


def test_a_port_without_a_listener_is_not_ready() -> None:
    """Before the server listens, the probe is false and raises nothing."""
    assert not TcpProbe(free_port(), b"PING\r\n", b"+PONG").is_answered()
