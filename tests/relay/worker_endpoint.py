"""An HTTP endpoint in the place of the worker, which records each push and answers as the test says."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Push:
    """A push as the endpoint received it.

    Attributes:
        data: the message's data.
        message_id: the message's id.
        attempt: the number of the delivery.
        ordering_key: the ordering key; `""` if missing.
        attributes: the attributes.
        authorization: the request's `Authorization` header.
        path: the path of the request, by which a test can tell relays apart.
        began: when it arrived, monotonic seconds.
    """

    data: str
    message_id: str
    attempt: int
    ordering_key: str
    attributes: dict[str, str]
    authorization: str
    path: str
    began: float


#: Returns the HTTP status of a push; None closes the connection without an answer.
Answer = Callable[[Push], int | None]


@dataclass
class WorkerEndpoint:
    """The endpoint.

    Attributes:
        url: its URL.
        answer: decides the answers.
        pushes: the pushes so far, in the order of their arrival.
        answered: the pushes that were answered so far.
        most_open_of_a_key: largest number of pushes of one ordering key that were open at the same time.
    """

    url: str = ""
    answer: Answer = lambda _: 204
    pushes: list[Push] = field(default_factory=list)
    answered: list[Push] = field(default_factory=list)
    most_open_of_a_key: int = 0
    _open: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self, body: bytes, authorization: str, path: str) -> int | None:
        """Record a push; return the status of its answer."""
        document = json.loads(body)
        message = document["message"]
        push = Push(
            base64.b64decode(message.get("data", "")).decode(),
            message["messageId"],
            document["deliveryAttempt"],
            message.get("orderingKey", ""),
            message.get("attributes", {}),
            authorization,
            path,
            time.monotonic(),
        )
        with self._lock:
            self.pushes.append(push)
            self._open.append(push.ordering_key)
            if push.ordering_key:
                self.most_open_of_a_key = max(self.most_open_of_a_key, self._open.count(push.ordering_key))
        status = self.answer(push)
        with self._lock:
            self._open.remove(push.ordering_key)
            self.answered.append(push)
        return status

    def attempts(self, data: str) -> list[int]:
        """Return the numbers of the deliveries of a message so far."""
        return [push.attempt for push in list(self.pushes) if push.data == data]


@contextmanager
def running_endpoint() -> Iterator[WorkerEndpoint]:
    """Run an endpoint on a free port."""
    endpoint = WorkerEndpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = endpoint.receive(body, self.headers.get("Authorization", ""), self.path)
            if status is None:
                self.close_connection = True
                return
            answer = b"" if status == 204 else b'{"reason": "http_status", "detail": "the site said no"}\n'
            with suppress(OSError):  # the relay waits no longer
                self.send_response(status)
                if answer:
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        endpoint.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield endpoint
        server.shutdown()
        thread.join()
