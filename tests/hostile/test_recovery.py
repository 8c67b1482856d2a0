"""Tests a worker whose extraction processes are killed, and that no process outlives the worker."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.hostile.process_tree import Process, descendants, fork_server, is_running
from tests.servers.pushes import job, push
from tests.servers.site import Site, http
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for, wait_until
from tests.servers.worker_process import PendingResponse, WorkerProcess, running_worker

#: Recipe whose time grows with the square of the number of digits on the page: 5 s for a million of them.
DIGITS = {"name": "digits", "fields": {"price": {"css": "p", "re": r"(\d+) EUR"}}}


@pytest.fixture
def worker(pubsub: str) -> Iterator[WorkerProcess]:
    """A worker that permits a minute of CPU time for a page."""
    with running_worker(
        pubsub,
        EXTRACTION_CPU_SECONDS="60",
        PAGE_BUDGET_SECONDS="240",
        WAIT_BUDGET_SECONDS="240",
        CONCURRENCY="9",
    ) as worker:
        yield worker


def push_digits(worker: WorkerProcess, site: Site, count: int) -> PendingResponse:
    """Push a page of digits without waiting for the response."""
    url = site.add(f"/digits/{count}", http(200, b"<p>" + b"1" * count))
    body = push(job(url=url, recipe=DIGITS), message_id=secrets.token_hex(8))
    return worker.start_request("POST", "/", body)


def slowest(worker: WorkerProcess) -> list[Process]:
    """Return the child on the last level, which has the highest niceness."""
    server = fork_server(worker.process.pid)
    children = [each for each in descendants(server.pid) if each.niceness >= server.niceness + 5]
    return children if len(children) == 1 else []


def test_worker_whose_fork_server_is_killed_replaces_itself(worker: WorkerProcess, site: Site) -> None:
    """The process that needs a child ends, gunicorn starts another one with a server, and jobs succeed."""
    url = site.add("/", http(200, b"<h1>Faust</h1>"))
    assert worker.push(url) == (204, {})
    server = fork_server(worker.process.pid)
    children = descendants(server.pid)
    assert children
    os.kill(server.pid, signal.SIGKILL)
    for child in children:  # so that no idle child can answer
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
    reasons = list[str]()

    def succeeds() -> bool:
        try:
            status, document = worker.push(url)
        except OSError:  # gunicorn has not started the new process yet
            return False
        reasons.append(document.get("reason", "ok"))
        return status == 204

    wait_until(succeeds, "a job succeeds")
    assert set(reasons) == {"shutdown", "ok"}
    assert fork_server(worker.process.pid).pid != server.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_worker(worker: WorkerProcess, site: Site, number: signal.Signals) -> None:
    """However the worker ends, its processes end, too, even one that works on a page."""
    response = push_digits(worker, site, 4_000_000)
    wait_for(lambda: slowest(worker), bool, "the page is on the last level")
    processes = descendants(worker.process.pid)
    assert len(processes) >= 3  # the worker's process, the fork server and a child
    worker.process.send_signal(number)
    worker.process.wait(timeout=MAX_WAIT_SECONDS)
    wait_until(lambda: not any(is_running(each.pid) for each in processes), "all have ended")
    response.connection.close()
