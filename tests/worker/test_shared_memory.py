"""Tests that the processes of an instance share the rate limit of each host."""

import json
import secrets
from collections import defaultdict
from contextlib import ExitStack, closing
from http.client import HTTPConnection as Connection

import pytest
from google.cloud.pubsub_v1 import SubscriberClient

from contract.outcome_record import OutcomeRecord
from tests.servers.pushes import job, push
from tests.servers.site import Site, http, running_site
from tests.servers.waiting import MAX_WAIT_SECONDS
from tests.servers.worker_process import OUTCOMES_SUBSCRIPTION, running_worker

# More connections than one process accepts (worker/gunicorn_conf.py), so that both processes get some.
CONNECTIONS = 70
PAGE = http(200, b"<h1>One</h1>")


def send_push(connection: Connection, url: str, *, respect_robots: bool, message_id: str = "") -> None:
    """Push a job for the page at `url`, without waiting for the response."""
    politeness = {"respect_robots": respect_robots}
    message_id = message_id or secrets.token_hex(8)
    connection.request("POST", "/", push(job(url=url, politeness=politeness), message_id=message_id))


def read_reason(connection: Connection) -> str:
    """Wait for the response to a push; return its reason, `ok` if the push was acknowledged."""
    with connection.getresponse() as response:
        document = json.loads(response.read() or b"{}")
    return str(document.get("reason", "ok"))


def connections_by_process(connections: list[Connection], site: Site) -> list[Connection]:
    """Push one job over each connection; return one connection to each process that handled a push.

    The jobs are pushed one after the other, so that none waits for a page slot; the connections stay open.
    """
    for number, connection in enumerate(connections):
        send_push(connection, site.add(f"/{number}", PAGE), respect_robots=False)
        assert read_reason(connection) == "ok"
    with SubscriberClient() as subscriber:
        pulled = subscriber.pull(
            subscription=OUTCOMES_SUBSCRIPTION, max_messages=1000, timeout=MAX_WAIT_SECONDS
        )
    by_process = defaultdict[str, list[Connection]](list)
    for received in pulled.received_messages:
        outcome = OutcomeRecord.decode(received.message.data)
        if outcome.url.startswith(site.url()):
            number = int(outcome.url.rpartition("/")[2])
            by_process[outcome.worker].append(connections[number])
    return [several[0] for several in by_process.values()]


def test_processes_of_an_instance_share_slots_and_finished_messages(
    pubsub: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one worker process requested a host, another process must wait for the host's delay.

    A message that one process has finished is only acknowledged by another.
    """
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    with (
        running_worker(pubsub, WEB_CONCURRENCY="2", CONCURRENCY="2", WAIT_BUDGET_SECONDS="10") as worker,
        running_site() as host,
        ExitStack() as stack,
    ):
        # Given a connection to each of two processes, and a host that was not requested before, whose
        # Crawl-delay is longer than a job may wait
        connections = [
            stack.enter_context(closing(Connection("127.0.0.1", worker.port, timeout=MAX_WAIT_SECONDS)))
            for _ in range(CONNECTIONS)
        ]
        first, second = connections_by_process(connections, site)
        host.add("/robots.txt", http(200, b"User-agent: *\nCrawl-delay: 3600\n"))
        url = host.add("/", PAGE)
        # When the first process requests a page of the host
        send_push(first, url, respect_robots=True, message_id="finished")
        assert read_reason(first) == "ok"
        # Then the second process must wait for the host's delay
        send_push(second, url, respect_robots=True)
        assert read_reason(second) == "rate_limited"
        assert len(host.requests_for("/")) == 1
        # And it only acknowledges the message that the first process has finished
        send_push(second, url, respect_robots=False, message_id="finished")
        assert read_reason(second) == "ok"
        assert len(host.requests_for("/")) == 1
        # And the second process scrapes a job that ignores the delay
        send_push(second, url, respect_robots=False)
        assert read_reason(second) == "ok"
        assert len(host.requests_for("/")) == 2
