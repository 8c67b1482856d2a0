"""Malformed and slow bodies do not harm a dispatcher that runs as it is deployed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from console.stack.ports import free_port
from dispatcher.settings import RESERVED_THREADS
from tests.repository.tree import ROOT
from tests.servers.raw_requests import MALFORMED, read_response, request, send_slowly, start_request
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

THREADS = 2 * RESERVED_THREADS


class RunningDispatcher(NamedTuple):
    """A dispatcher process.

    Attributes:
        port: the port on which it listens.
        log: the file with its output.
    """

    port: int
    log: Path

    def is_healthy(self) -> bool:
        """Return whether the health check succeeds."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=MAX_WAIT_SECONDS).ok
        except requests.ConnectionError:
            return False


@pytest.fixture(scope="module")
def dispatcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDispatcher]:
    """A dispatcher with few threads, which takes replays without a token; no Pub/Sub is needed."""
    port, log = free_port(), tmp_path_factory.mktemp("dispatcher") / "log"
    command = (
        *(sys.executable, "-m", "functions_framework", "--source", str(ROOT / "dispatcher" / "main.py")),
        *("--target", "dispatch", "--host", "127.0.0.1", "--port", str(port)),
    )
    variables = {"GOOGLE_CLOUD_PROJECT": "p", "PUBSUB_EMULATOR_HOST": "127.0.0.1:1", "PUSH_AUTH": "none"}
    environment = {**os.environ, **variables, "THREADS": str(THREADS), "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
    found = RunningDispatcher(port, log)
    try:
        wait_until(found.is_healthy, "the dispatcher answers")
        yield found
    finally:
        process.terminate()
        process.wait(timeout=MAX_WAIT_SECONDS)


@pytest.mark.parametrize("path", ["/", "/replay"])
@pytest.mark.parametrize(("fields", "body"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_body_is_rejected_with_400(
    dispatcher: RunningDispatcher, path: str, fields: bytes, body: bytes
) -> None:
    """A body that is cut, or whose chunks are malformed, is the client's fault, and no bug is logged."""
    status, text = request(dispatcher.port, path, fields, body)
    assert status == 400
    assert "chunk" in text or "bytes were received" in text or "not JSON" in text or "empty" in text
    assert "Traceback" not in dispatcher.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["/elsewhere", "/robots.txt", "/favicon.ico", "//", "/healthz"])
@pytest.mark.parametrize(("fields", "body"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_body_for_another_path_is_not_read(
    dispatcher: RunningDispatcher, path: str, fields: bytes, body: bytes
) -> None:
    """A path that takes no body is answered without it, and no bug is logged."""
    status, _ = request(dispatcher.port, path, fields, body)
    assert status in {308, 400, 404}
    assert "Traceback" not in dispatcher.log.read_text(encoding="utf-8")


def test_health_check_succeeds_while_as_many_bodies_are_slow_as_there_are_threads(
    dispatcher: RunningDispatcher,
) -> None:
    """Slow bodies end with 400 within a limit; some threads receive none, so the health check answers."""
    # Given as many requests as there are threads, whose bodies do not arrive, or byte by byte
    length = b"Content-Length: 100000\r\n"
    paths = ["/", "/replay"] * (THREADS // 2)
    connections = [start_request(dispatcher.port, path, length, b"{") for path in paths]
    with ThreadPoolExecutor(THREADS) as pool:
        sent = [pool.submit(send_slowly, each) for each in connections[::2]]
        # When the health check is requested, then it succeeds, also after unread bodies for other paths
        assert dispatcher.is_healthy()
        others = [
            start_request(dispatcher.port, path, length, b"{") for path in ("/x", "/robots.txt") * THREADS
        ]
        assert dispatcher.is_healthy()
        assert {read_response(each)[0] for each in others} == {404}
        assert not all(each.done() for each in sent)
        # And the requests for which there is room end with 400, the others with 503
        for each in sent:
            each.result()
    responses = [read_response(each) for each in connections]
    statuses = [status for status, _ in responses]
    assert (statuses.count(400), statuses.count(503)) == (THREADS - RESERVED_THREADS, RESERVED_THREADS)
    assert all("not received within 30 s" in text for status, text in responses if status == 400)
    assert all("Retry-After: 1" in text for status, text in responses if status == 503)
