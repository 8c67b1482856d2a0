"""Tests SIGTERM to a worker process: no attempt begins, and unfinished jobs are redelivered immediately."""

import ast
import http.client
import json
import signal
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event
from google.cloud.pubsub_v1 import SubscriberClient

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from contract.outcome_record import OutcomeRecord
from tests.repository.tree import ROOT, parsed
from tests.servers.pushes import job, push
from tests.servers.site import HeldPage, Site
from tests.servers.site import http as http_response
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until
from tests.servers.worker_process import OUTCOMES_SUBSCRIPTION, WorkerProcess, running_worker
from worker.shutdown import GRACE_SECONDS, Shutdown


@pytest.fixture
def worker(pubsub: str) -> Iterator[WorkerProcess]:
    """A worker whose page budget is far longer than the time between SIGTERM and the end of the process."""
    with running_worker(pubsub, PAGE_BUDGET_SECONDS="100", WAIT_BUDGET_SECONDS="400") as worker:
        yield worker


def test_sigterm_finishes_pages_within_the_grace_period_and_redelivers_the_rest(
    worker: WorkerProcess, site: Site, pubsub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After SIGTERM new pushes are rejected and running attempts finish or fail with `shutdown`."""
    # Given a client that keeps its connection open
    keep_alive = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=MAX_WAIT_SECONDS)
    keep_alive.request("GET", "/healthz")
    assert keep_alive.getresponse().read()
    # And two running attempts, one of which cannot finish
    finishing, hanging = HeldPage(), HeldPage()
    finished_push = worker.start_push(site.add("/soon", finishing))
    ended_push = worker.start_push(site.add("/never", hanging))
    assert finishing.requested.wait(MAX_WAIT_SECONDS)
    assert hanging.requested.wait(MAX_WAIT_SECONDS)
    # When the process gets SIGTERM
    worker.process.send_signal(signal.SIGTERM)
    # Then a push over the open connection is rejected, as soon as the process has handled the signal
    fields: dict[str, str] = {}
    attempts = 0
    while fields.get("reason") != "shutdown":
        attempts += 1
        new_job = job(url=site.add("/new", http_response(200, b"<h1>New</h1>")))
        keep_alive.request("POST", "/", push(new_job, message_id=f"new-{attempts}"))
        with keep_alive.getresponse() as response:
            status, fields = response.status, json.loads(response.read() or b"{}")
    assert (status, fields["reason"]) == (503, "shutdown")
    assert len(site.requests_for("/new")) == attempts - 1
    keep_alive.close()
    # And a page that responds in time is scraped
    finishing.is_released.set()
    assert finished_push.result() == (204, {})
    # And the other job fails with `shutdown`, so that it is redelivered
    status, fields = ended_push.result()
    assert (status, fields["reason"]) == (503, "shutdown")
    assert fields["detail"] == "the worker is shutting down; the job will be redelivered"
    # And the process ends by itself, with an outcome for each job
    assert worker.process.wait(timeout=MAX_WAIT_SECONDS) == 0
    hanging.is_released.set()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    with SubscriberClient() as subscriber:
        pulled = subscriber.pull(subscription=OUTCOMES_SUBSCRIPTION, max_messages=1000, timeout=10)
    outcomes = [OutcomeRecord.decode(received.message.data) for received in pulled.received_messages]
    reasons = {(outcome.url, outcome.reason) for outcome in outcomes}
    assert {(site.url("/soon"), "ok"), (site.url("/never"), "shutdown")} <= reasons
    assert (site.url("/new"), "shutdown") in reasons
    assert "Traceback" not in "".join(worker.output)


def test_sigterm_ends_the_hold_of_a_lane(
    worker: WorkerProcess, site: Site, pubsub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push that is held for a Retry-After is answered at SIGTERM, and its job is redelivered."""
    # Given a push that is held, since its outcome is published and it was not answered
    url = site.add("/busy", http_response(429, b"", "Retry-After: 400"))
    politeness = {"delay_seconds": 0.01, "respect_robots": False}
    held_push = worker.start_request("POST", "/", push(job(url=url, politeness=politeness)))
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    with SubscriberClient() as subscriber:
        outcomes = list[OutcomeRecord]()

        def has_outcome() -> bool:
            pulled = subscriber.pull(subscription=OUTCOMES_SUBSCRIPTION, max_messages=1000, timeout=10)
            outcomes.extend(
                OutcomeRecord.decode(received.message.data) for received in pulled.received_messages
            )
            return any(outcome.url == url for outcome in outcomes)

        wait_until(has_outcome, "the outcome is published")
    assert not any("delivery_finished" in line for line in worker.output)
    # When the process gets SIGTERM, then the push is answered
    worker.process.send_signal(signal.SIGTERM)
    status, fields = held_push.result()
    assert (status, fields["reason"]) == (429, "http_429")
    assert worker.process.wait(timeout=MAX_WAIT_SECONDS) == 0


def test_waits_end_when_the_shutdown_begins() -> None:
    """A job that waits fails with `shutdown` at once, and a push that is held is answered at once."""
    shutdown = Shutdown(grace_seconds=MAX_WAIT_SECONDS)
    waiting = gevent.spawn(shutdown.wait, MAX_WAIT_SECONDS)
    held = gevent.spawn(shutdown.hold, MAX_WAIT_SECONDS)
    gevent.sleep(0)
    assert not waiting.ready()
    assert not held.ready()
    shutdown.begin()
    with pytest.raises(AttemptFailed) as failure:
        waiting.get(timeout=MAX_WAIT_SECONDS)
    assert failure.value.reason is Reason.SHUTDOWN
    held.get(timeout=MAX_WAIT_SECONDS)
    # And a wait that begins later fails as well
    with pytest.raises(AttemptFailed):
        shutdown.wait(MAX_WAIT_SECONDS)
    shutdown.hold(MAX_WAIT_SECONDS)


def test_attempt_that_finishes_when_its_time_is_over_is_not_disturbed() -> None:
    """If an attempt finishes just before it would be ended, what follows it gets no error."""
    shutdown = Shutdown(grace_seconds=0)
    page = Event()

    def scrape_and_publish() -> str:
        with shutdown.attempt():
            page.wait(MAX_WAIT_SECONDS)
        gevent.sleep(0)
        return "published"

    running = gevent.spawn(scrape_and_publish)
    gevent.sleep(0)
    # Given a page that comes in the same turn of gevent's loop in which the grace period ends
    gevent.spawn_later(0, page.set)
    shutdown.begin()
    # Then its outcome is published
    assert running.get(timeout=MAX_WAIT_SECONDS) == "published"


def test_waits_end_by_themselves() -> None:
    """Without a shutdown, a wait lasts for its time and raises nothing."""
    shutdown = Shutdown()
    shutdown.wait(0.001)
    shutdown.hold(0.001)


def test_sigterm_ends_the_process_despite_idle_connections(worker: WorkerProcess) -> None:
    """After SIGTERM the process exits although a client keeps a connection open."""
    idle = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=MAX_WAIT_SECONDS)
    idle.request("GET", "/healthz")
    assert idle.getresponse().read()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(timeout=MAX_WAIT_SECONDS) == 0
    idle.close()


def test_grace_period_ends_before_cloud_run_kills_the_process() -> None:
    """Jobs are returned before gunicorn's graceful timeout, which ends before Cloud Run's SIGKILL (10 s)."""
    # The file is parsed, because an import of it would patch this process for gevent.
    statements = parsed(ROOT / "worker" / "gunicorn_conf.py").body
    (graceful_timeout,) = [
        ast.literal_eval(statement.value)
        for statement in statements
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "graceful_timeout"
    ]
    assert GRACE_SECONDS < graceful_timeout < 10
