"""Tests that reads which wait end at their deadline."""

import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from push_endpoint import read_deadlines
from push_endpoint.read_deadlines import ReadDeadlines


@pytest.fixture
def deadlines(monkeypatch: pytest.MonkeyPatch) -> ReadDeadlines:
    """Return deadlines that are checked often."""
    monkeypatch.setattr(read_deadlines, "CHECK_SECONDS", 0.01)
    return ReadDeadlines()


@pytest.fixture
def connections() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Return connections, each with its other end."""
    pairs = [socket.socketpair() for _ in range(3)]
    yield pairs
    for pair in pairs:
        for each in pair:
            each.close()


def count_threads() -> int:
    """Return how many threads of this process check deadlines."""
    return sum(thread.name == "read-deadlines" for thread in threading.enumerate())


def test_reads_that_wait_end_at_their_deadline_in_one_thread(
    deadlines: ReadDeadlines, connections: list[tuple[socket.socket, socket.socket]]
) -> None:
    """A read with a past deadline ends as if the client had closed; all reads share one thread."""
    before = count_threads()
    for server, _ in connections:
        with deadlines.reading_until(time.monotonic() + 0.05, server):
            assert server.recv(1) == b""
    assert count_threads() == before + 1


def test_a_response_can_be_sent_after_the_deadline(
    deadlines: ReadDeadlines, connections: list[tuple[socket.socket, socket.socket]]
) -> None:
    """Only the reading ends, so that the client learns why."""
    server, client = connections[0]
    with deadlines.reading_until(time.monotonic(), server):
        assert server.recv(1) == b""
    server.sendall(b"too slow")
    assert client.recv(100) == b"too slow"


def test_a_read_that_ended_in_time_keeps_its_connection(
    deadlines: ReadDeadlines,
    connections: list[tuple[socket.socket, socket.socket]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next request on the connection is read, although the deadline of the first is over by then."""
    (server, client), (slow, _), _ = connections
    now = 0.0
    clock = SimpleNamespace(sleep=time.sleep, monotonic=lambda: now)
    monkeypatch.setattr(read_deadlines, "time", clock)
    with deadlines.reading_until(60.0, server):
        client.sendall(b"1")
        assert server.recv(1) == b"1"
    now = 61.0
    with deadlines.reading_until(60.0, slow):
        assert slow.recv(1) == b""  # the deadline is over, and was looked at
    client.sendall(b"2")
    assert server.recv(1) == b"2"
