"""A push endpoint: a small real HTTP server that records what it is sent, and answers what it is told to."""

import json
import secrets
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal

Answer = int | Literal["reset", "silence"]

#: Seconds a test waits for a fact before it gives up. Only failing tests wait that long.
PATIENCE: Final = 8.0


@dataclass(frozen=True)
class Push:
    """One request as it came."""

    at: float  #: time.monotonic()
    path: str
    headers: dict[str, str]  #: names in lower case
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def message_id(self) -> str:
        """Id of the message."""
        return str(self.envelope["message"]["messageId"])


@dataclass
class Endpoint:
    """Ask ``pushes`` what came; set ``answer`` to decide what goes back."""

    patience: float = PATIENCE
    url: str = ""
    pushes: list[Push] = field(default_factory=list)
    answer: Callable[[Push], Answer] = lambda _: 204
    closed_early: int = 0  #: requests whose connection the server closed before the answer
    connections: int = 0  #: that were opened to us
    _came: threading.Condition = field(default_factory=threading.Condition)

    def record(self, push: Push) -> Answer:
        """Called for each request."""
        with self._came:
            self.pushes.append(push)
            self._came.notify_all()
        return self.answer(push)

    def gave_up(self) -> None:
        """Called when a connection was closed on us before we answered."""
        with self._came:
            self.closed_early += 1
            self._came.notify_all()

    def wait_until(self, fact: Callable[[], bool], patience: float | None = None) -> None:
        """Return once the fact holds, looked at after each request; AssertionError if it does not in time."""
        with self._came:
            assert self._came.wait_for(fact, patience or self.patience), f"only {len(self.pushes)} pushes"

    def wait_for(self, count: int, patience: float | None = None) -> list[Push]:
        """The first ``count`` pushes, once they have come."""
        self.wait_until(lambda: len(self.pushes) >= count, patience)
        return self.pushes[:count]

    def bodies(self) -> list[bytes]:
        """The bodies so far."""
        return [push.body for push in self.pushes]


def own_address() -> str:
    """An address of this machine that nobody else was given, where loopback has more than one.

    A server that another test left running goes on pushing to its endpoint's port, whoever has that by then.
    """
    if sys.platform != "linux":
        return "127.0.0.1"
    first, second, third = secrets.token_bytes(3)
    return f"127.{first}.{second}.{max(2, min(third, 254))}"


class EndpointServer(ThreadingHTTPServer):
    """Serves one Endpoint until ``server_close``."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, endpoint: Endpoint, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Handler)
        self.endpoint = endpoint
        self.stopped = threading.Event()
        endpoint.url = f"http://{host}:{self.server_port}/push"

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class
        """Count the connection."""
        self.endpoint.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection cut by the other side is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EndpointServer

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        headers = {name.lower(): value for name, value in self.headers.items()}
        push = Push(time.monotonic(), self.path, headers, self.rfile.read(length))
        answer = self.server.endpoint.record(push)
        if answer == "reset":
            self.close_connection = True
        elif answer == "silence":
            self._wait_for_the_other_side()
        elif answer == 102:
            # No final answer ever follows.
            self.wfile.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            self._wait_for_the_other_side()
        else:
            self.send_response(answer)
            if answer != 204:
                self.send_header("Content-Length", "0")
            self.end_headers()

    def _wait_for_the_other_side(self) -> None:
        self.connection.settimeout(30)
        if self.rfile.read(1) == b"":
            self.server.endpoint.gave_up()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
