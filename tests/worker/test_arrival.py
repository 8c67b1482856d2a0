"""The time a push has waited counts: what cannot finish is given back before it is begun."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from tests.servers.site import PendingRequest, Site, http
from tests.servers.worker_process import WorkerProcess, running_worker
from worker.budget import MIN_REMAINING_FRACTION, PageBudget
from worker.queueing_delay import seconds_waited

BUDGET_SECONDS = 3
PATIENCE_SECONDS = 120


@pytest.fixture
def worker(pubsub: str) -> Iterator[WorkerProcess]:
    """A worker of one push at a time, which has room for 65 connections."""
    with running_worker(pubsub, PAGE_BUDGET_SECONDS=str(BUDGET_SECONDS), CONCURRENCY="1") as worker:
        yield worker


def test_a_push_that_waited_too_long_is_given_back_at_once(worker: WorkerProcess, site: Site) -> None:
    """With nobody free it lies unread in the backlog; then a page would be cut off, so none is asked for."""
    # Given a process all of whose connections are taken by pages that take the whole budget
    busy = [worker.start_push(site.add("/silent", PendingRequest.wait_until_closed)) for _ in range(65)]
    # When one more push comes, and waits until the first of them has ended
    late = worker.start_push(site.add("/late", http(200, b"<h1>Late</h1>")))
    for other in busy:
        assert other.result()[1]["reason"] == "page_budget_exceeded"
    # Then it is given back, with its own reason
    status, told = late.result()
    assert (status, told["reason"]) == (503, "queued_too_long")
    assert "the page was not requested" in told["detail"]
    assert site.requests_for("/late") == []
    # And one that comes now is scraped
    assert worker.push(site.url("/late"))[0] == 204


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="only Linux tells how long data has waited")
def test_the_kernel_knows_how_long_a_request_has_waited() -> None:
    """Since the last of it came in, whoever accepts it whenever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        client.sendall(b"POST / HTTP/1.1\r\n")
        sent = time.monotonic()
        accepted, _ = listener.accept()
        with closing(client), closing(accepted):
            while (waited := seconds_waited(accepted)) < 0.05:
                assert time.monotonic() - sent < PATIENCE_SECONDS
            assert waited <= time.monotonic() - sent + 0.01
            assert accepted.recv(100)
            assert seconds_waited(accepted) >= 0.05
            client.sendall(b"more")
            while seconds_waited(accepted) >= waited:
                assert time.monotonic() - sent < PATIENCE_SECONDS


def test_what_is_no_tcp_connection_has_not_waited() -> None:
    """A test's client, a socket of Unix: the budget then counts from when it is read."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        assert seconds_waited(ours) == 0
    assert seconds_waited(None) == 0


@pytest.mark.parametrize(("waited", "is_late"), [(0, False), (29, False), (31, True), (41, True)])
def test_a_page_is_begun_with_a_quarter_of_its_budget_or_not_at_all(waited: float, is_late: bool) -> None:
    """The rest of the budget is what the push waited for this worker."""
    budget = PageBudget(40, arrived=100, clock=lambda: 100 + waited)
    assert MIN_REMAINING_FRACTION == 0.25
    if is_late:
        with pytest.raises(AttemptFailed) as ended:
            budget.start()
        assert ended.value.reason is Reason.QUEUED_TOO_LONG
    else:
        budget.start()
        assert budget.remaining() == 40 - waited
