"""The worker as a process: gunicorn, gevent, real sockets, a real Pub/Sub."""

import http.client
import signal
import subprocess
from collections.abc import Iterator
from threading import Thread

import pytest
from google.cloud.pubsub_v1 import SubscriberClient

from contract.outcome import Reason
from contract.outcome_record import OutcomeRecord
from tests.servers.site import PendingRequest, Response, Site
from tests.servers.site import http as answering
from tests.servers.worker_process import (
    COMMAND,
    OUTCOMES_SUBSCRIPTION,
    ROOT,
    WorkerProcess,
    environment,
    running_worker,
)

BUDGET_SECONDS = 1


def test_a_broken_environment_ends_with_one_sentence() -> None:
    """Whoever reads the deployment's log sees every fault and no traceback; Cloud Run sees a failure."""
    ended = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment(PORT="80x", PUSH_AUDIENCE="https://worker.example/"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode != 0
    [sentence] = ended.stderr.strip().splitlines()
    assert sentence.startswith("worker does not start. ")
    for name in ("GOOGLE_CLOUD_PROJECT", "PORT", "PUSH_SERVICE_ACCOUNT"):
        assert f"{name}: " in sentence
    assert ended.stdout == ""


@pytest.fixture(scope="module")
def worker(pubsub: str) -> Iterator[WorkerProcess]:
    """A worker that anybody may push to, one push at a time."""
    with running_worker(pubsub, PAGE_BUDGET_SECONDS=str(BUDGET_SECONDS)) as worker:
        yield worker


def test_it_says_that_anybody_may_push(worker: WorkerProcess) -> None:
    """PUSH_AUTH=none is a warning, and the worker lives."""
    assert any("WARNING push_authentication_disabled PUSH_AUTH=none" in line for line in worker.output)
    assert worker.request("GET", "/healthz") == (200, b'{"status":"ok"}\n')


def test_a_job_is_acknowledged_with_its_outcome_in_the_topic(
    worker: WorkerProcess, site: Site, pubsub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way, in the process that is deployed: push, page, outcome confirmed by Pub/Sub, 204."""
    url = site.add("/book", answering(200, b"<h1>Faust</h1>"))
    assert worker.push(url) == (204, {})
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    with SubscriberClient() as subscriber:
        pulled = subscriber.pull(subscription=OUTCOMES_SUBSCRIPTION, max_messages=1000, timeout=10)
    outcomes = [OutcomeRecord.decode(received.message.data) for received in pulled.received_messages]
    [outcome] = [outcome for outcome in outcomes if outcome.url == url]
    assert (outcome.reason, outcome.items) == (Reason.OK, '[{"title":"Faust"}]')
    assert outcome.worker.startswith("local/")


def test_it_says_what_is_open_to_fetches(worker: WorkerProcess) -> None:
    """Whoever reads the log of a deployment sees what is not as safe as it could be."""
    assert any("WARNING private_networks_allowed" in line for line in worker.output)


def test_where_and_whether_to_fetch_is_decided_in_the_process(worker: WorkerProcess, site: Site) -> None:
    """The whole way: an address that stays refused, and a page that robots.txt disallows, with its rule."""
    assert worker.push("http://169.254.169.254/latest/")[1]["reason"] == "refused_address"
    site.add("/robots.txt", answering(200, b"User-agent: scrapeq\nDisallow: /private"))
    status, told = worker.push(site.add("/private/1", answering(200, b"<h1>Faust</h1>")))
    assert (status, told["reason"]) == (422, "robots_disallowed")
    assert "robots.txt disallows /private/1 for scrapeq" in told["detail"]
    assert site.requests_for("/private/1") == []


def drip_header(visit: PendingRequest) -> None:
    """Send a header field, byte by byte."""
    visit.send(b"HTTP/1.1 200 OK\r\nX: ")
    visit.send_slowly(b"y" * 10_000)


def drip_body(visit: PendingRequest) -> None:
    """Send a body, byte by byte."""
    visit.send(answering(200, b"", length=10_000))
    visit.send_slowly(b"x" * 10_000)


@pytest.mark.parametrize("drip", [drip_header, drip_body, PendingRequest.wait_until_closed])
def test_no_site_holds_a_worker_beyond_the_budget(worker: WorkerProcess, site: Site, drip: Response) -> None:
    """Not even with a header sent byte by byte, which no timeout of a read sees."""
    status, told = worker.push(site.add("/slow", drip))
    assert (status, told["reason"]) == (503, "page_budget_exceeded")


def test_idle_and_busy_connections_leave_room(worker: WorkerProcess, site: Site) -> None:
    """Clients keep connections open for minutes: neither a health check nor a push may wait for them."""
    # Given as many connections as pushes are taken at once, kept open by clients that say nothing more
    idle = [http.client.HTTPConnection("127.0.0.1", worker.port, timeout=120) for _ in range(3)]
    for connection in idle:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
    # And a push whose page takes its time
    busy = Thread(target=worker.push, args=[site.add("/slow", PendingRequest.wait_until_closed)])
    busy.start()
    # When others come
    # Then they are answered
    assert worker.request("GET", "/healthz")[0] == 200
    assert worker.push(site.add("/book", answering(200, b"<h1>Faust</h1>"))) == (204, {})
    busy.join()
    for connection in idle:
        connection.close()


def test_sigterm_ends_it(worker: WorkerProcess) -> None:
    """Cloud Run sends SIGTERM and kills ten seconds later: by then the worker is gone by itself."""
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(timeout=120) == 0
    assert "Traceback" not in "".join(worker.output)
