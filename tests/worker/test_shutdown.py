"""SIGTERM to a worker process: no new attempts, and no job that waits for its ack deadline."""

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
    """A worker whose pages may take far longer than the time after SIGTERM."""
    with running_worker(
        pubsub, PAGE_BUDGET_SECONDS="100", REQUEST_TIMEOUT_SECONDS="110", ACK_DEADLINE_SECONDS="120"
    ) as worker:
        yield worker


class Gate:
    """A page that responds when a test opens the gate.

    Attributes:
        requested: set when the page is requested.
        is_open: set by the test to let the page respond.
    """

    def __init__(self) -> None:
        self.requested = Event()
        self.is_open = Event()

    def __call__(self, request: PendingRequest) -> None:
        """Respond once the gate is open."""
        self.requested.set()
        assert self.is_open.wait(PATIENCE_SECONDS)
        request.send(answering(200, b"<h1>Faust</h1>"))


def test_sigterm_finishes_pages_within_the_grace_period_and_redelivers_the_rest(
    worker: WorkerProcess, site: Site, pubsub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New pushes are rejected with `shutdown`, and the process ends before Cloud Run kills it."""
    # Given a client that keeps its connection open
    keep_alive = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=PATIENCE_SECONDS)
    keep_alive.request("GET", "/healthz")
    assert keep_alive.getresponse().read()
    # And two running attempts, one of which cannot finish
    finishing, hanging = Gate(), Gate()
    finished_push = worker.start_push(site.add("/soon", finishing))
    ended_push = worker.start_push(site.add("/never", hanging))
    assert finishing.requested.wait(PATIENCE_SECONDS)
    assert hanging.requested.wait(PATIENCE_SECONDS)
    # When the process gets SIGTERM
    worker.process.send_signal(signal.SIGTERM)
    # Then a push over the open connection is rejected, once the signal has arrived
    fields: dict[str, str] = {}
    attempts = 0
    while fields.get("reason") != "shutdown":
        attempts += 1
        keep_alive.request("POST", "/", push(job(url=site.add("/new", answering(200, b"<h1>New</h1>")))))
        with keep_alive.getresponse() as response:
            status, fields = response.status, json.loads(response.read() or b"{}")
    assert (status, fields["reason"]) == (503, "shutdown")
    assert len(site.requests_for("/new")) == attempts - 1
    keep_alive.close()
    # And a page that responds in time is scraped
    finishing.is_open.set()
    assert finished_push.result() == (204, {})
    # And the other job is to be redelivered
    status, fields = ended_push.result()
    assert (status, fields["reason"]) == (503, "shutdown")
    assert fields["detail"] == "the worker is shutting down; the job will be redelivered"
    # And the process ends by itself, with an outcome for each job
    assert worker.process.wait(timeout=PATIENCE_SECONDS) == 0
    hanging.is_open.set()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    with SubscriberClient() as subscriber:
        pulled = subscriber.pull(subscription=OUTCOMES_SUBSCRIPTION, max_messages=1000, timeout=10)
    outcomes = [OutcomeRecord.decode(received.message.data) for received in pulled.received_messages]
    reasons = {(outcome.url, outcome.reason) for outcome in outcomes}
    assert {(site.url("/soon"), "ok"), (site.url("/never"), "shutdown")} <= reasons
    assert (site.url("/new"), "shutdown") in reasons
    assert "Traceback" not in "".join(worker.output)


def test_sigterm_ends_the_process_despite_idle_connections(worker: WorkerProcess) -> None:
    """Clients keep connections open for minutes; the process ends before Cloud Run kills it."""
    idle = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=PATIENCE_SECONDS)
    idle.request("GET", "/healthz")
    assert idle.getresponse().read()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(timeout=PATIENCE_SECONDS) == 0
    idle.close()
