"""SIGTERM, to the process that is deployed: no new work, and no job that waits for its ack deadline."""

import http.client
import json
import signal
from collections.abc import Iterator
from threading import Event

import pytest
from google.cloud.pubsub_v1 import SubscriberClient

from contract.outcome_record import OutcomeRecord
from tests.servers.pushes import job, push
from tests.servers.site import PendingRequest, Site
from tests.servers.site import http as answering
from tests.servers.worker_process import OUTCOMES_SUBSCRIPTION, WorkerProcess, running_worker

PATIENCE_SECONDS = 120


@pytest.fixture
def worker(pubsub: str) -> Iterator[WorkerProcess]:
    """A worker whose pages may take far longer than it has after SIGTERM."""
    with running_worker(
        pubsub, PAGE_BUDGET_SECONDS="100", REQUEST_TIMEOUT_SECONDS="110", ACK_DEADLINE_SECONDS="120"
    ) as worker:
        yield worker


class Door:
    """A page that is asked for, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked = Event()
        self.opened = Event()

    def __call__(self, visit: PendingRequest) -> None:
        """Response, once opened."""
        self.asked.set()
        assert self.opened.wait(PATIENCE_SECONDS)
        visit.send(answering(200, b"<h1>Faust</h1>"))


def test_sigterm_finishes_what_it_can_and_gives_back_the_rest(
    worker: WorkerProcess, site: Site, pubsub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In flight: finished within the grace, or given back. New: not begun. Then it is gone."""
    # Given a client that keeps its connection open
    kept = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=PATIENCE_SECONDS)
    kept.request("GET", "/healthz")
    assert kept.getresponse().read()
    # And two pages on their way, of which one will never come
    soon, never = Door(), Door()
    finishes = worker.start_push(site.add("/soon", soon))
    is_cut = worker.start_push(site.add("/never", never))
    assert soon.asked.wait(PATIENCE_SECONDS)
    assert never.asked.wait(PATIENCE_SECONDS)
    # When the process is told to end
    worker.process.send_signal(signal.SIGTERM)
    # Then a push over the open connection is not begun, as soon as the signal is there
    told: dict[str, str] = {}
    tried = 0
    while told.get("reason") != "shutdown":
        tried += 1
        kept.request("POST", "/", push(job(url=site.add("/new", answering(200, b"<h1>New</h1>")))))
        with kept.getresponse() as answer:
            status, told = answer.status, json.loads(answer.read() or b"{}")
    assert (status, told["reason"]) == (503, "shutdown")
    assert len(site.requests_for("/new")) == tried - 1
    kept.close()
    # And a page that comes in time is scraped
    soon.opened.set()
    assert finishes.result() == (204, {})
    # And the other job is given back
    status, told = is_cut.result()
    assert (status, told["reason"]) == (503, "shutdown")
    assert told["detail"] == "the worker is shutting down; the job will be redelivered"
    # And the process is gone before it is killed, with an outcome for each
    assert worker.process.wait(timeout=PATIENCE_SECONDS) == 0
    never.opened.set()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    with SubscriberClient() as subscriber:
        pulled = subscriber.pull(subscription=OUTCOMES_SUBSCRIPTION, max_messages=1000, timeout=10)
    outcomes = [OutcomeRecord.decode(received.message.data) for received in pulled.received_messages]
    reasons = {(outcome.url, outcome.reason) for outcome in outcomes}
    assert {(site.url("/soon"), "ok"), (site.url("/never"), "shutdown")} <= reasons
    assert (site.url("/new"), "shutdown") in reasons
    assert "Traceback" not in "".join(worker.output)


def test_sigterm_lets_no_idle_connection_hold_it(worker: WorkerProcess) -> None:
    """Clients keep connections open for minutes; the process ends by itself before it is killed."""
    idle = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=PATIENCE_SECONDS)
    idle.request("GET", "/healthz")
    assert idle.getresponse().read()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(timeout=PATIENCE_SECONDS) == 0
    idle.close()
