"""The HTTP port also leads to gRPC; what speaks neither is not left hanging."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

import localpubsub
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient


@pytest.fixture(scope="module")
def server() -> Iterator[localpubsub.RunningServer]:
    """One server."""
    with localpubsub.running() as started:
        yield started


def address(server: localpubsub.RunningServer) -> str:
    """Host and port of its HTTP door."""
    return urlsplit(server.http_url).netloc


def test_grpc_works_through_the_http_port(server: localpubsub.RunningServer) -> None:
    """One port for everything, for who can open only one; 4 MB answers and requests pass as well."""
    with gapic_clients(address(server)) as clients:
        pubsub = PubsubClient(PubsubServer("localpubsub", address(server), None), 10, *clients)
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        pubsub.publish(topic, *[b"x" * 1_000_000] * 3)
        pubsub.ack(subscription, pubsub.pull(subscription, 3))
        assert pubsub.pull_now(subscription) == []


@pytest.mark.parametrize("cut", [1, 3, 4, 14])
def test_a_request_in_pieces_is_one_request(server: localpubsub.RunningServer, cut: int) -> None:
    """The first bytes decide, however few of them come first; PRI and PUT begin alike."""
    host, _, port = address(server).partition(":")
    request = b"PUT /v1/projects/p/topics/pieces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request[:cut])
        connection.sendall(request[cut:])
        assert connection.recv(12) in {b"HTTP/1.1 200", b"HTTP/1.1 409"}


def test_what_speaks_neither_is_refused(server: localpubsub.RunningServer) -> None:
    """An answer of HTTP/1.1 that says 400, and the end of the connection."""
    host, _, port = address(server).partition(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))


def test_who_leaves_before_saying_anything_is_forgotten(server: localpubsub.RunningServer) -> None:
    """Port scans and health checks of TCP."""
    host, _, port = address(server).partition(":")
    for first in (b"", b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=120) as connection:
            connection.sendall(first)
    with gapic_clients(server.host) as clients:
        PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients).topic()
