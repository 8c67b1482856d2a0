"""Tests connections to the worker: pushes that it reads itself, and requests that gunicorn reads."""

import fcntl
import logging
import os
import re
import socket
import struct
import termios
from typing import Any

import gevent
import gevent.socket
import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.ggevent import GeventWorker

from contract.outcome import Reason
from push_endpoint import plain_push as plain_push_module
from push_endpoint.errors import AuthenticationError
from push_endpoint.plain_push import PlainPush, PushResponse
from push_endpoint.request_origin import Headers
from tests.servers.malformed_requests import BODY, HEAD, HOST, LINE, MALFORMED_HEADS, OTHER_REQUESTS
from tests.servers.pushes import push
from tests.servers.waiting import MAX_WAIT_SECONDS
from tests.worker.worker_under_test import WorkerUnderTest
from worker import push_worker
from worker.push_worker import PushWorker


def plain_push(message_id: str) -> bytes:
    """Return the request of a push of a job."""
    body = push(message_id=message_id)
    return LINE + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body


PUSH = plain_push("1")
UNREADABLE_PUSH = HEAD + b"\r\n" + BODY
HEALTHZ = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"


class Served:
    """A connection to a worker of gunicorn in this process.

    Args:
        under_test: has the application.
        worker_class: the class of the worker.
    """

    def __init__(self, under_test: WorkerUnderTest, worker_class: type[Any] = PushWorker) -> None:
        config = Config()
        config.set("keepalive", int(MAX_WAIT_SECONDS))
        self.worker = worker_class(0, os.getppid(), [], None, 30, config, Logger(config))
        self.worker.wsgi = under_test.app
        self._server, self._client = gevent.socket.socketpair()
        self._client.settimeout(MAX_WAIT_SECONDS)
        self._listener = gevent.socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        address = self._listener.getsockname()
        self._handling = gevent.spawn(self.worker.handle, self._listener, self._server, address)
        gevent.sleep(0)

    def send(self, data: bytes) -> None:
        """Send bytes, and wait until the worker has received them."""
        self._client.sendall(data)
        with gevent.Timeout(MAX_WAIT_SECONDS):
            while not self._handling.ready() and self._waiting_bytes():
                gevent.sleep(0)

    def _waiting_bytes(self) -> int:
        [size] = struct.unpack("i", fcntl.ioctl(self._server.fileno(), termios.FIONREAD, b"\0" * 4))
        return int(size)

    def finish(self) -> str:
        """Close the sending side; return the responses until the worker closes the connection."""
        self._client.shutdown(socket.SHUT_WR)
        self._handling.get(timeout=MAX_WAIT_SECONDS)
        self._server.close()  # as gevent's server does
        received = b""
        while data := self._client.recv(65536):
            received += data
        self._client.close()
        self._listener.close()
        self.worker.tmp.close()
        return received.decode("latin-1")


def responses(under_test: WorkerUnderTest, *pieces: bytes, worker_class: type[Any] = PushWorker) -> str:
    """Return the responses to bytes that arrive in pieces, without reason phrases, Server and Date."""
    served = Served(under_test, worker_class)
    for piece in pieces:
        served.send(piece)
    text = re.sub("(?:Server|Date): .*\r\n", "", served.finish())
    return re.sub("(HTTP/1.[01] [0-9]{3}) .*\r\n", r"\1\r\n", text)


def statuses(text: str) -> list[int]:
    """Return the statuses of responses."""
    return [int(status) for status in re.findall(r"HTTP/1\.[01] ([0-9]{3})", text)]


def test_pushes_of_one_connection_are_acknowledged_without_flask(worker: WorkerUnderTest) -> None:
    """Pushes that follow each other, also without waiting, are scraped in order; gunicorn reads none."""
    worker.app.wsgi_app = None  # type: ignore[method-assign, assignment]  # fails if it is called
    text = responses(worker, PUSH + plain_push("2"), plain_push("3"))
    assert text == 3 * "HTTP/1.1 204\r\nConnection: keep-alive\r\n\r\n"
    assert len(worker.publisher.published) == 3


@pytest.mark.parametrize("size", [1, 20, 60, PUSH.index(b"{"), len(PUSH) - 1])
def test_a_push_in_pieces_is_acknowledged(worker: WorkerUnderTest, size: int) -> None:
    """A push whose head or body arrives in two pieces is scraped."""
    assert statuses(responses(worker, PUSH[:size], PUSH[size:])) == [204]
    assert len(worker.publisher.published) == 1


def test_a_slow_push_is_left_to_gunicorn(worker: WorkerUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A push that is not complete after a while is acknowledged as well, and so are those that follow."""
    monkeypatch.setattr(push_worker, "COMPLETION_SECONDS", 0.01)
    served = Served(worker)
    served.send(PUSH[:-1])
    gevent.sleep(0.05)
    served.send(PUSH[-1:] + plain_push("2"))
    assert statuses(served.finish()) == [204, 204]
    assert len(worker.publisher.published) == 2


def test_a_push_in_single_bytes_is_read_once(
    worker: WorkerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head of a push is read once, although its body arrives in single bytes: reading it takes long."""
    sizes = list[int]()

    def read_push(received: bytes) -> PlainPush | int:
        sizes.append(len(received))
        return plain_push_module.read_push(received)

    monkeypatch.setattr(push_worker, "read_push", read_push)
    monkeypatch.setattr(push_worker, "COMPLETION_SECONDS", MAX_WAIT_SECONDS)
    head_size = PUSH.index(b"\r\n\r\n") + 4
    text = responses(worker, PUSH[:head_size], *(bytes([byte]) for byte in PUSH[head_size:]))
    assert statuses(text) == [204]
    assert sizes[:2] == [head_size, len(PUSH)]


def test_a_push_of_cloud_run_is_read_without_gunicorn(worker: WorkerUnderTest) -> None:
    """The header fields that Pub/Sub and the proxy of Cloud Run send belong to a plain push."""
    worker.app.wsgi_app = None  # type: ignore[method-assign, assignment]  # fails if it is called
    fields = (
        b"Content-Type: application/json\r\n"
        b"Authorization: Bearer e30.e30.e30\r\n"
        b"Accept: application/json\r\n"
        b"From: noreply@google.com\r\n"
        b"User-Agent: APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)\r\n"
        b"X-Cloud-Trace-Context: 105445aa7843bc8bf206b12000100000/1;o=1\r\n"
        b"traceparent: 00-105445aa7843bc8bf206b12000100000-0000000000000001-01\r\n"
        b"X-Forwarded-For: 66.102.8.1\r\n"
        b"X-Forwarded-Proto: https\r\n"
        b'Forwarded: for="66.102.8.1";proto=https\r\n'
        b"Accept-Encoding: gzip, deflate, br\r\n"
    )
    assert statuses(responses(worker, PUSH.replace(HOST, HOST + fields))) == [204]


def test_an_incomplete_push_is_rejected(worker: WorkerUnderTest) -> None:
    """A push whose body ends early is rejected with 400 and published nowhere."""
    text = responses(worker, PUSH[:-1])
    assert statuses(text) == [400]
    assert "bytes were received" in text
    assert worker.publisher.published == []


def test_an_incomplete_head_is_not_answered(worker: WorkerUnderTest) -> None:
    """A connection that closes within a head gets no response, as in gunicorn."""
    assert responses(worker, PUSH, LINE + HOST) == responses(worker, PUSH)


def test_other_requests_follow_pushes(worker: WorkerUnderTest) -> None:
    """A connection may carry pushes and other requests in any order."""
    text = responses(worker, PUSH + HEALTHZ + PUSH, HEALTHZ)
    assert statuses(text) == [204, 200, 204, 200]


@pytest.mark.parametrize("before", [b"", UNREADABLE_PUSH], ids=["first", "after a push"])
@pytest.mark.parametrize("head", [*MALFORMED_HEADS.values(), *OTHER_REQUESTS.values(), HEAD])
def test_every_request_gets_the_response_of_gunicorn(
    worker: WorkerUnderTest, head: bytes, before: bytes
) -> None:
    """A malformed request, or one that may hide another, gets the response of gunicorn's own class."""
    received = before + head + b"\r\n" + BODY + UNREADABLE_PUSH
    expected = responses(worker, received, worker_class=GeventWorker)
    assert statuses(expected)
    assert responses(worker, received) == expected


def test_an_unauthenticated_push_is_rejected_and_its_connection_kept(worker: WorkerUnderTest) -> None:
    """A rejected push gets its status and reason, and the next one is read."""
    worker.authenticator.error = AuthenticationError(Reason.BAD_TOKEN, "because")
    text = responses(worker, PUSH, PUSH)
    assert statuses(text) == [401, 401]
    assert text.endswith('\r\n\r\n{"reason":"bad_token","detail":"because"}\n')


def test_a_push_of_a_web_page_is_refused(worker: WorkerUnderTest) -> None:
    """A push with a foreign Host or Origin is refused with 403."""
    origin = PUSH.replace(HOST, HOST + b"Origin: https://evil.example\r\n")
    host = PUSH.replace(HOST, b"Host: evil.example\r\n")
    assert statuses(responses(worker, origin)) == [403]
    assert statuses(responses(worker, host)) == [403]
    assert worker.publisher.published == []


@pytest.mark.parametrize("error", [TypeError, OSError, ConnectionResetError, TimeoutError])
def test_an_unexpected_exception_is_logged_and_answered_with_500(
    worker: WorkerUnderTest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    """A bug outside of the consumer acknowledges nothing, and ends only its own connection."""

    def fail(_headers: Headers, _body: bytes) -> PushResponse | None:
        raise error

    monkeypatch.setattr(worker.app, "take_push", fail)
    caplog.set_level(logging.ERROR, logger="gunicorn.error")
    logging.getLogger("gunicorn.error").addHandler(caplog.handler)
    assert statuses(responses(worker, PUSH)) == [500]
    assert error.__name__ in caplog.text


def test_a_push_during_the_shutdown_closes_its_connection(
    worker: WorkerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After SIGTERM a push that is being handled is answered with `Connection: close`."""
    served, app = Served(worker), worker.app
    take_push = app.take_push

    def take_push_during_sigterm(headers: Headers, body: bytes) -> PushResponse | None:
        served.worker.alive = False
        return take_push(headers, body)

    monkeypatch.setattr(app, "take_push", take_push_during_sigterm)
    served.send(PUSH + PUSH)
    text = served.finish()
    assert statuses(text) == [204]
    assert "Connection: close\r\n" in text
