"""Tests the worker as a process: gunicorn, gevent, real sockets and a real Pub/Sub server."""

import http.client
import signal
import subprocess
from collections.abc import Iterator

import pytest
from google.cloud.pubsub_v1 import SubscriberClient

from contract.outcome import Reason
from contract.outcome_record import OutcomeRecord
from tests.repository.tree import ROOT
from tests.servers.site import HeldPage, PendingRequest, Response, Site, running_site
from tests.servers.site import http as http_response
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until
from tests.servers.worker_process import (
    COMMAND,
    OUTCOMES_SUBSCRIPTION,
    WorkerProcess,
    environment,
    running_worker,
)


def test_invalid_settings_end_the_process_with_one_line() -> None:
    """With invalid settings the worker exits with an error and prints one line, which lists every fault."""
    finished = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment(PORT="80x", PUSH_AUDIENCE="https://worker.example/"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode != 0
    [line] = finished.stderr.strip().splitlines()
    assert line.startswith("worker does not start. ")
    for name in ("GOOGLE_CLOUD_PROJECT", "PORT", "PUSH_SERVICE_ACCOUNT"):
        assert f"{name}: " in line
    assert finished.stdout == ""


@pytest.fixture(scope="module")
def worker(pubsub: str) -> Iterator[WorkerProcess]:
    """A worker without push authentication that handles one push at a time."""
    with running_worker(pubsub) as worker:
        yield worker


def test_push_auth_none_is_logged_as_a_warning(worker: WorkerProcess) -> None:
    """With PUSH_AUTH=none the worker starts and logs a warning that pushes are not authenticated."""
    assert any("WARNING push_authentication_disabled PUSH_AUTH=none" in line for line in worker.output)
    assert worker.request("GET", "/healthz") == (200, b'{"status":"ok"}\n')


def test_a_job_is_acknowledged_with_its_outcome_in_the_topic(
    worker: WorkerProcess, site: Site, pubsub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker process responds to a push with 204, and the job's outcome is in the topic."""
    url = site.add("/book", http_response(200, b"<h1>Faust</h1>"))
    assert worker.push(url) == (204, {})
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    with SubscriberClient() as subscriber:
        pulled = subscriber.pull(subscription=OUTCOMES_SUBSCRIPTION, max_messages=1000, timeout=10)
    outcomes = [OutcomeRecord.decode(received.message.data) for received in pulled.received_messages]
    [outcome] = [outcome for outcome in outcomes if outcome.url == url]
    assert (outcome.reason, outcome.items) == (Reason.OK, '[{"title":"Faust"}]')
    assert outcome.worker.startswith("local/")


def test_allowed_private_networks_are_logged_as_a_warning(worker: WorkerProcess) -> None:
    """A worker that may request private networks logs a warning when it starts."""
    wait_until(
        lambda: any("WARNING private_networks_allowed" in line for line in worker.output),
        "the log has private_networks_allowed",
    )


def test_refused_addresses_and_robots_txt_apply_in_the_process(worker: WorkerProcess, site: Site) -> None:
    """A worker process refuses a private address and does not request a page that robots.txt disallows."""
    assert worker.push("http://169.254.169.254/latest/")[1]["reason"] == "refused_address"
    site.add("/robots.txt", http_response(200, b"User-agent: scrapeq\nDisallow: /private"))
    status, fields = worker.push(site.add("/private/1", http_response(200, b"<h1>Faust</h1>")))
    assert (status, fields["reason"]) == (422, "robots_disallowed")
    assert "robots.txt disallows /private/1 for scrapeq" in fields["detail"]
    assert site.requests_for("/private/1") == []


def drip_header(request: PendingRequest) -> None:
    """Send a header field, byte by byte."""
    request.send(b"HTTP/1.1 200 OK\r\nX: ")
    request.send_slowly(b"y" * 10_000)


def drip_body(request: PendingRequest) -> None:
    """Send a body, byte by byte."""
    request.send(http_response(200, b"", length=10_000))
    request.send_slowly(b"x" * 10_000)


@pytest.fixture(scope="module")
def impatient_worker(pubsub: str) -> Iterator[WorkerProcess]:
    """A worker whose page budget is one second, in which a busy machine may not scrape any page."""
    with running_worker(pubsub, PAGE_BUDGET_SECONDS="1") as worker:
        yield worker


@pytest.mark.parametrize("drip", [drip_header, drip_body, PendingRequest.wait_until_closed])
def test_slow_page_ends_within_the_page_budget(
    impatient_worker: WorkerProcess, site: Site, drip: Response
) -> None:
    """A page that is sent byte by byte, or not at all, fails with `page_budget_exceeded`."""
    status, fields = impatient_worker.push(site.add("/slow", drip))
    assert (status, fields["reason"]) == (503, "page_budget_exceeded")


def test_idle_and_busy_connections_do_not_block_other_requests(worker: WorkerProcess, site: Site) -> None:
    """Health checks and pushes get a response while other connections are idle or wait for a page."""
    # Given more idle connections than CONCURRENCY, kept open by their clients
    idle = [http.client.HTTPConnection("127.0.0.1", worker.port, timeout=120) for _ in range(3)]
    for connection in idle:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
    # And a push whose page does not respond yet
    slow_page = HeldPage()
    pending_push = worker.start_push(site.add("/slow", slow_page))
    assert slow_page.requested.wait(MAX_WAIT_SECONDS)
    # Then other requests get a response
    assert worker.request("GET", "/healthz")[0] == 200
    assert worker.push(site.add("/book", http_response(200, b"<h1>Faust</h1>"))) == (204, {})
    slow_page.is_released.set()
    assert pending_push.result() == (204, {})
    for connection in idle:
        connection.close()


def test_waiting_jobs_leave_the_page_slots_to_others(pubsub: str, site: Site) -> None:
    """With one page slot, a job that waits for its host lets another run; one that works does not."""
    with running_worker(pubsub, PAGE_CONCURRENCY="1", WAIT_BUDGET_SECONDS="10", CONCURRENCY="9") as worker:
        # Given a job that waits for the Crawl-delay of its host
        site.add("/robots.txt", http_response(200, b"User-agent: *\nCrawl-delay: 3600\n"))
        page = http_response(200, b"<h1>Faust</h1>")
        assert worker.push(site.add("/first", page)) == (204, {})
        waiting = worker.start_push(site.add("/waiting", page))
        # Then a job for another host is scraped
        with running_site() as other:
            assert worker.push(other.add("/book", page)) == (204, {})
            # And while that host sends no response, no other job gets the page slot
            slow_page = HeldPage()
            slow = worker.start_push(other.add("/slow", slow_page))
            assert slow_page.requested.wait(MAX_WAIT_SECONDS)
            status, fields = worker.push(other.add("/other", page))
            assert (status, fields["reason"]) == (503, "queued_too_long")
            assert other.requests_for("/other") == []
            slow_page.is_released.set()
            assert slow.result() == (204, {})
        # And the waiting job fails after the time for which it may wait
        status, fields = waiting.result()
        assert (status, fields["reason"]) == (503, "rate_limited")
        assert "3600 s); the job may wait 10 s (WAIT_BUDGET_SECONDS)" in fields["detail"]


def test_sigterm_ends_the_process(worker: WorkerProcess) -> None:
    """After SIGTERM the worker process exits with status 0 and without a traceback."""
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(timeout=120) == 0
    assert "Traceback" not in "".join(worker.output)
