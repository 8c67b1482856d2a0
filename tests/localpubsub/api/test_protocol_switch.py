"""Tests of the ports, which serve HTTP/1.1 and gRPC and reject other protocols."""

import errno
import os
import socket
from collections.abc import Iterator
from types import ModuleType
from urllib.parse import urlsplit

import pytest

import localpubsub
from localpubsub.api import ports
from tests.servers.pubsub_client import connect
from tests.servers.rest_connection import RestConnection


@pytest.fixture(scope="module")
def server() -> Iterator[localpubsub.RunningServer]:
    """A running server."""
    with localpubsub.running() as started:
        yield started


def address(server: localpubsub.RunningServer) -> str:
    """Return host and port of the HTTP port."""
    return urlsplit(server.http_url).netloc


def test_grpc_works_through_the_http_port(server: localpubsub.RunningServer) -> None:
    """Messages of 1 MB each are published, pulled and acknowledged over gRPC through the HTTP port."""
    with connect(address(server)) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        pubsub.publish(topic, *[b"x" * 1_000_000] * 3)
        pubsub.ack(subscription, pubsub.pull(subscription, 3))
        assert pubsub.pull_now(subscription) == []


def test_rest_works_through_the_grpc_port(server: localpubsub.RunningServer) -> None:
    """REST clients that use PUBSUB_EMULATOR_HOST get JSON, as from the official emulator's only port."""
    rest = RestConnection(f"http://{server.host}")
    assert rest.send("PUT", "/v1/projects/p/topics/through-the-grpc-port")[0] == 200
    assert rest.send("GET", "/v1/projects/p/topics/missing")[0] == 404
    rest.close()


@pytest.mark.parametrize("cut", [1, 3, 4, 14])
def test_http_request_may_arrive_in_pieces(server: localpubsub.RunningServer, cut: int) -> None:
    """An HTTP request is recognized even if its first piece ("P") could also begin HTTP/2 ("PRI")."""
    host, _, port = address(server).partition(":")
    request = b"PUT /v1/projects/p/topics/pieces HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request[:cut])
        connection.sendall(request[cut:])
        assert connection.recv(12) in {b"HTTP/1.1 200", b"HTTP/1.1 409"}


def test_unknown_protocol_is_rejected(server: localpubsub.RunningServer) -> None:
    """A connection with another protocol gets an HTTP response with status 400 and is closed."""
    host, _, port = address(server).partition(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        response = connection.makefile("rb").read()
    assert response.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))


def test_connection_closed_before_its_first_bytes_has_no_effect(server: localpubsub.RunningServer) -> None:
    """Connections that close before or after the first bytes, like port scans, do not stop the server."""
    host, _, port = address(server).partition(":")
    for first in (b"", b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=120) as connection:
            connection.sendall(first)
    with connect(server.host) as pubsub:
        pubsub.topic()


def test_first_http_request_without_free_files_fails_at_once_and_later_ones_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the HTTP application cannot be imported, its client does not wait, and the next one gets it."""
    with monkeypatch.context() as patch, localpubsub.running() as server:
        patch.setattr(ports, "import_module", _without_free_files)
        rest = RestConnection(server.http_url)
        with pytest.raises(ConnectionError):
            rest.send("GET", "/v1/projects/p/topics")
        patch.undo()
        rest = RestConnection(server.http_url)
        assert rest.send("GET", "/v1/projects/p/topics")[0] == 200
        rest.close()


def _without_free_files(name: str) -> ModuleType:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), name)
