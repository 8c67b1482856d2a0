"""The worker as a process: gunicorn, gevent, real sockets, a real Pub/Sub."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

import localpubsub
from contract.outcome import Reason
from contract.outcome_record import OutcomeRecord
from tests.service.site import Answer, Site, Visit, open_site
from tests.service.site import http as answering
from tests.worker.pushes import job, push

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "gunicorn", "-c", "python:worker.serving"]
TOPIC, KEPT = "projects/p/topics/scrape-outcomes", "projects/p/subscriptions/kept"
BUDGET_SECONDS = 1


def environment(**variables: str) -> dict[str, str]:
    """Return an environment for a worker: what a process needs, and these."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT)} | variables


def test_a_broken_environment_ends_with_one_sentence() -> None:
    """Whoever reads the deployment's log sees every fault and no traceback; Cloud Run sees a failure."""
    ended = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment(PORT="80x", PUSH_AUDIENCE="https://worker.example/"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode != 0
    [sentence] = ended.stderr.strip().splitlines()
    assert sentence.startswith("worker does not start. ")
    for name in ("GOOGLE_CLOUD_PROJECT", "PORT", "PUSH_SERVICE_ACCOUNT"):
        assert f"{name}: " in sentence
    assert ended.stdout == ""


@dataclass
class RunningWorker:
    """A worker process, and what it says."""

    process: subprocess.Popen[str]
    port: int
    said: list[str]

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Ask over a connection of its own; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def push(self, url: str) -> tuple[int, dict[str, str]]:
        """Push a job for the page at `url`; return status and reason."""
        status, body = self.ask("POST", "/", push(job(url=url)))
        return status, json.loads(body or b"{}")


@pytest.fixture(scope="module")
def pubsub() -> Iterator[str]:
    """A running Pub/Sub, with the outcomes topic and a subscription to it."""
    with localpubsub.running(log_level="error") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUBSUB_EMULATOR_HOST", server.host)
        topics = PublisherClient()
        topics.create_topic(name=TOPIC, timeout=10)
        with SubscriberClient() as subscriptions:
            subscriptions.create_subscription(name=KEPT, topic=TOPIC, timeout=10)
        topics.stop()
        yield server.host


@pytest.fixture(scope="module")
def worker(pubsub: str) -> Iterator[RunningWorker]:
    """A worker that anybody may push to, one push at a time."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    chosen = environment(
        GOOGLE_CLOUD_PROJECT="p",
        PUBSUB_EMULATOR_HOST=pubsub,
        PUSH_AUTH="none",
        FETCH_ALLOW_NETWORKS="127.0.0.0/8",
        HOST="127.0.0.1",
        PORT=str(port),
        PAGE_BUDGET_SECONDS=str(BUDGET_SECONDS),
        CONCURRENCY="1",
        PYTHONUNBUFFERED="1",
    )
    process = subprocess.Popen(
        COMMAND, cwd=ROOT, env=chosen, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    worker = RunningWorker(process, port, [])
    assert process.stdout is not None
    for line in process.stdout:  # until it says that its application is there
        worker.said.append(line)
        if "pushes are not authenticated" in line:
            break
    listening = Thread(target=lambda: worker.said.extend(process.stdout or ()))
    listening.start()
    try:
        yield worker
    finally:
        process.kill()
        process.wait(timeout=20)
        listening.join()
        process.stdout.close()


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of this test's own."""
    with open_site() as site:
        yield site


def test_it_says_that_anybody_may_push(worker: RunningWorker) -> None:
    """PUSH_AUTH=none is a warning, and the worker lives."""
    assert any("WARNING pushes are not authenticated PUSH_AUTH=none" in line for line in worker.said)
    assert worker.ask("GET", "/healthz") == (200, b'{"status":"ok"}\n')


def test_a_job_is_acknowledged_with_its_outcome_in_the_topic(
    worker: RunningWorker, site: Site, pubsub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way, in the process that is deployed: push, page, outcome confirmed by Pub/Sub, 204."""
    url = site.add("/book", answering(200, b"<h1>Faust</h1>"))
    assert worker.push(url) == (204, {})
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    with SubscriberClient() as subscriber:
        pulled = subscriber.pull(subscription=KEPT, max_messages=1000, timeout=10)
    outcomes = [OutcomeRecord.decode(received.message.data) for received in pulled.received_messages]
    [outcome] = [outcome for outcome in outcomes if outcome.url == url]
    assert (outcome.reason, outcome.items) == (Reason.OK, '[{"title":"Faust"}]')
    assert outcome.worker.startswith("local/")


def test_it_says_what_is_open_to_fetches(worker: RunningWorker) -> None:
    """Whoever reads the log of a deployment sees what is not as safe as it could be."""
    assert any("WARNING fetches may leave the public internet" in line for line in worker.said)


def test_where_and_whether_to_fetch_is_decided_in_the_process(worker: RunningWorker, site: Site) -> None:
    """The whole way: an address that stays refused, and a page that robots.txt disallows, with its rule."""
    assert worker.push("http://169.254.169.254/latest/")[1]["reason"] == "refused_address"
    site.add("/robots.txt", answering(200, b"User-agent: scrapeq\nDisallow: /private"))
    status, told = worker.push(site.add("/private/1", answering(200, b"<h1>Faust</h1>")))
    assert (status, told["reason"]) == (422, "robots")
    assert '"Disallow: /private" for "User-agent: scrapeq"' in told["detail"]
    assert site.asked("/private/1") == []


def drip_header(visit: Visit) -> None:
    """Send a header field, byte by byte."""
    visit.send(b"HTTP/1.1 200 OK\r\nX: ")
    visit.send_slowly(b"y" * 10_000)


def drip_body(visit: Visit) -> None:
    """Send a body, byte by byte."""
    visit.send(answering(200, b"", length=10_000))
    visit.send_slowly(b"x" * 10_000)


@pytest.mark.parametrize("drip", [drip_header, drip_body, Visit.say_nothing])
def test_no_site_holds_a_worker_beyond_the_budget(worker: RunningWorker, site: Site, drip: Answer) -> None:
    """Not even with a header sent byte by byte, which no timeout of a read sees."""
    status, told = worker.push(site.add("/slow", drip))
    assert (status, told["reason"]) == (503, "budget")


def test_idle_and_busy_connections_leave_room(worker: RunningWorker, site: Site) -> None:
    """Clients keep connections open for minutes: neither a health check nor a push may wait for them."""
    # Given as many connections as pushes are taken at once, kept open by clients that say nothing more
    idle = [http.client.HTTPConnection("127.0.0.1", worker.port, timeout=20) for _ in range(3)]
    for connection in idle:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
    # And a push whose page takes its time
    busy = Thread(target=worker.push, args=[site.add("/slow", Visit.say_nothing)])
    busy.start()
    # When others come
    # Then they are answered
    assert worker.ask("GET", "/healthz")[0] == 200
    assert worker.push(site.add("/book", answering(200, b"<h1>Faust</h1>"))) == (204, {})
    busy.join()
    for connection in idle:
        connection.close()


def test_sigterm_ends_it(worker: RunningWorker) -> None:
    """Cloud Run sends SIGTERM and kills ten seconds later: by then the worker is gone by itself."""
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(timeout=15) == 0
    assert "Traceback" not in "".join(worker.said)
