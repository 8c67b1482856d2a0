"""Malformed and slow bodies do not harm a worker process, and are never acknowledged."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.raw_requests import MALFORMED, read_response, request, send_slowly, start_request
from tests.servers.worker_process import WorkerProcess, running_worker


@pytest.fixture(scope="module")
def worker(pubsub: str) -> Iterator[WorkerProcess]:
    """A worker that accepts pushes without a token."""
    with running_worker(pubsub) as worker:
        yield worker


@pytest.mark.parametrize(("fields", "body"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_push_is_rejected_with_bad_envelope(
    worker: WorkerProcess, fields: bytes, body: bytes
) -> None:
    """A push that is cut, or whose chunks are malformed, is rejected with 400, and no bug is logged."""
    status, text = request(worker.port, "/", fields, body)
    assert (status, '"reason":"bad_envelope"' in text) == (400, True)
    assert not any("internal_error" in line or "Traceback" in line for line in worker.output)


def test_slow_push_ends_within_a_limit(worker: WorkerProcess) -> None:
    """A push whose body does not arrive, or byte by byte, ends with 400; meanwhile the worker answers."""
    fields = [b"Content-Length: 100000\r\n", b"Transfer-Encoding: chunked\r\n"]
    begun = [b"{", b"1\r\n{\r\n2000\r\n"]
    connections = [
        start_request(worker.port, "/", *each) for each in zip(fields, begun, strict=True) for _ in range(20)
    ]
    with ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(send_slowly, each) for each in (connections[0], connections[-1])]
        assert worker.request("GET", "/healthz")[0] == 200
        for each in sent:
            each.result()
    for status, text in map(read_response, connections):
        assert (status, "the push was not received within 30 s" in text) == (400, True)
