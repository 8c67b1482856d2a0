"""Runs a push endpoint: an HTTP server that records its requests and responds as a test decides."""

import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from tests.servers.http_server import serving_in_thread
from tests.servers.waiting import MAX_WAIT_SECONDS

#: An HTTP status, "reset" (close the connection without a response) or "silence" (send nothing).
Response = int | Literal["reset", "silence"]


@dataclass(frozen=True)
class Push:
    """One push request that the endpoint received.

    Attributes:
        at: the time of arrival (time.monotonic()).
        path: the request's path with its query.
        headers: the header fields; their names are in lower case.
        body: the body's bytes.
    """

    at: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The decoded JSON document of the body."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def message_id(self) -> str:
        """Id of the pushed message."""
        return str(self.envelope["message"]["messageId"])


@dataclass
class PushEndpoint:
    """Records the requests of an endpoint and decides its responses.

    Attributes:
        timeout: maximum number of seconds that `wait_until` and `wait_for` wait.
        url: the URL to push to.
        pushes: the requests so far, in the order of their arrival.
        respond: returns the response to a request.
        closed_early: number of requests whose connection Pub/Sub closed before it got a response.
        connections: number of connections that were opened.
    """

    timeout: float = MAX_WAIT_SECONDS
    url: str = ""
    pushes: list[Push] = field(default_factory=list)
    respond: Callable[[Push], Response] = lambda _: 204
    closed_early: int = 0
    connections: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def record(self, push: Push) -> Response:
        """Record a request and return the response to it."""
        with self._changed:
            self.pushes.append(push)
            self._changed.notify_all()
        return self.respond(push)

    def count_closed_early(self) -> None:
        """Count a connection that Pub/Sub closed before it got a response."""
        with self._changed:
            self.closed_early += 1
            self._changed.notify_all()

    def wait_until(self, fact: Callable[[], bool], timeout: float | None = None) -> None:
        """Return as soon as `fact()` is true; it is checked after each request.

        Raises:
            AssertionError: `fact()` did not become true before the timeout.
        """
        with self._changed:
            assert self._changed.wait_for(fact, timeout or self.timeout), f"only {len(self.pushes)} pushes"

    def wait_for(self, count: int, timeout: float | None = None) -> list[Push]:
        """Wait for ``count`` requests and return the first ``count``."""
        self.wait_until(lambda: len(self.pushes) >= count, timeout)
        return self.pushes[:count]

    def bodies(self) -> list[bytes]:
        """Return the bodies of the requests so far."""
        return [push.body for push in self.pushes]


class PushEndpointServer(ThreadingHTTPServer):
    """Serves one PushEndpoint until ``server_close``."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, endpoint: PushEndpoint, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Handler)
        self.endpoint = endpoint
        endpoint.url = f"http://{host}:{self.server_port}/push"

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - types of the base class
        """Count the connection."""
        self.endpoint.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a connection that the client closed, because some tests close connections on purpose."""


@contextmanager
def running_endpoint(timeout: float = MAX_WAIT_SECONDS) -> Iterator[PushEndpoint]:
    """Serve an endpoint, which responds 204 by default, until the block ends."""
    endpoint = PushEndpoint(timeout)
    with PushEndpointServer(endpoint, unused_loopback_address()) as server, serving_in_thread(server):
        yield endpoint


def unused_loopback_address() -> str:
    """Return a random loopback address on Linux, and 127.0.0.1 on other systems.

    An endpoint must not have the address and port of an earlier test's endpoint, because the Pub/Sub server
    of that test may still be pushing to them.
    """
    if sys.platform != "linux":
        return "127.0.0.1"
    first, second, third = secrets.token_bytes(3)
    return f"127.{first}.{second}.{max(2, min(third, 254))}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PushEndpointServer

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        headers = {name.lower(): value for name, value in self.headers.items()}
        push = Push(time.monotonic(), self.path, headers, self.rfile.read(length))
        response = self.server.endpoint.record(push)
        if response == "reset":
            self.close_connection = True
        elif response == "silence":
            self._wait_until_closed()
        elif response == 102:
            # Send an informational response, but no final response.
            self.wfile.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            self._wait_until_closed()
        else:
            self.send_response(response)
            if response != 204:
                self.send_header("Content-Length", "0")
            self.end_headers()

    def _wait_until_closed(self) -> None:
        self.connection.settimeout(MAX_WAIT_SECONDS)
        if self.rfile.read(1) == b"":
            self.server.endpoint.count_closed_early()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
