"""Tests requests that a site refuses, or does not read, while they are being sent."""

import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from guarded_http import byte_budget
from guarded_http.errors import FetchErrorKind
from guarded_http.request import HttpRequest
from tests.guarded_http.requesting import MAX_BYTES, SecondsLeft, local_client
from tests.servers.site import http
from tests.servers.waiting import MAX_WAIT_SECONDS

#: Its body is larger than the buffers of a connection, so that it cannot be sent if the site does not read.
LARGE_POST = HttpRequest(method="POST", body=bytes(32 * 1024 * 1024))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket to which the client connects."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(MAX_WAIT_SECONDS)
        yield listening


def url_of(listener: socket.socket) -> str:
    """Return a URL at the socket."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_response_before_the_request_was_read_is_returned(listener: socket.socket) -> None:
    """A site that refuses a large POST and resets the connection has its status in the outcome."""

    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            connection.sendall(http(413, b"too large"))
        # Closing with unread bytes sends RST (RFC 1122 section 4.2.2.13).

    refusing = Thread(target=refuse)
    refusing.start()
    with local_client().send(url_of(listener), SecondsLeft(MAX_WAIT_SECONDS), LARGE_POST) as response:
        assert (response.status, response.read_body(MAX_BYTES)) == (413, b"too large")
    refusing.join()


def test_request_that_is_not_read_fails_with_timeout(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site that reads no byte of a large POST for a long time has timed out, as one that sends nothing."""
    monkeypatch.setattr(byte_budget, "MAX_SILENCE_SECONDS", 0.1)
    with pytest.raises(Exception, match="did not read") as failure:
        local_client().send(url_of(listener), SecondsLeft(MAX_WAIT_SECONDS), LARGE_POST)
    assert getattr(failure.value, "kind", None) is FetchErrorKind.TIMEOUT
