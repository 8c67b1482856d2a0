"""The processes of an instance, as one towards each host."""

import http.client
import time
from collections import defaultdict
from contextlib import ExitStack, closing

import pytest
from google.cloud.pubsub_v1 import SubscriberClient

from contract.outcome_record import OutcomeRecord
from tests.servers.pushes import job, push
from tests.servers.site import PendingRequest, Site
from tests.servers.site import http as answering
from tests.servers.worker_process import OUTCOMES_SUBSCRIPTION, running_worker

CONNECTIONS = 70  #: more than one process takes (worker/gunicorn_conf.py), so the other has some of them
DELAY_SECONDS, EACH = 0.3, 5


def test_a_hosts_delay_lies_between_the_requests_of_all_processes(
    pubsub: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cloud Run gives an instance several processors, and gunicorn a process to each."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    asked = list[float]()

    def page(visit: PendingRequest) -> None:
        asked.append(time.monotonic())
        visit.send(answering(200, b"<h1>One</h1>"))

    def begin(connection: http.client.HTTPConnection, path: str, delay: float) -> None:
        politeness = {"delay_seconds": delay, "respect_robots": False}
        connection.request("POST", "/", push(job(url=site.add(path, page), politeness=politeness)))

    def end(connection: http.client.HTTPConnection) -> int:
        with connection.getresponse() as answer:
            answer.read()
            return answer.status

    with running_worker(pubsub, WEB_CONCURRENCY="2", CONCURRENCY="2") as worker, ExitStack() as held:
        # Given connections to both processes
        connections = [
            held.enter_context(closing(http.client.HTTPConnection("127.0.0.1", worker.port, timeout=120)))
            for _ in range(CONNECTIONS)
        ]
        for number, connection in enumerate(connections):
            begin(connection, f"/first/{number}", 0)
        assert {end(connection) for connection in connections} == {204}
        of_process = defaultdict[str, list[http.client.HTTPConnection]](list)
        for url, process in processes().items():
            if url.startswith(site.url("/first/")):
                of_process[process].append(connections[int(url.rpartition("/")[2])])
        assert len(of_process) == 2
        # When both have pages of one host at once
        asked.clear()
        chosen = [connection for several in of_process.values() for connection in several[:EACH]]
        for number, connection in enumerate(chosen):
            begin(connection, f"/then/{number}", DELAY_SECONDS)
        assert [end(connection) for connection in chosen] == [204] * len(chosen)
    # Then they take turns: two that know nothing of each other would take half as long
    assert len(asked) == 2 * EACH
    assert max(asked) - min(asked) >= (2 * EACH - 1) * DELAY_SECONDS - 0.2


def processes() -> dict[str, str]:
    """Return the URLs of all outcomes so far, and which process each is of."""
    with SubscriberClient() as subscriber:
        pulled = subscriber.pull(subscription=OUTCOMES_SUBSCRIPTION, max_messages=1000, timeout=10)
    outcomes = [OutcomeRecord.decode(received.message.data) for received in pulled.received_messages]
    return {outcome.url: outcome.worker for outcome in outcomes}
