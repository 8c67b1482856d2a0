"""The real worker takes the relay's pushes, and its outcome goes through RabbitMQ."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from console.stack.ports import free_port
from publishing.publisher import Message
from publishing.rabbitmq import wire
from tests.relay.brokers import RabbitMqUnderTest
from tests.relay.relay_process import running_relay
from tests.repository.tree import ROOT
from tests.servers.pushes import job
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.site import Site, http
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for, wait_until
from tests.servers.worker_process import COMMAND, environment

ACCOUNT, AUDIENCE = "relay@scrapeq.example", "scrapeq-worker"


@contextmanager
def worker(broker_url: str, certs_port: int, log: Path) -> Iterator[str]:
    """Run a worker that publishes to a broker and takes only pushes with a token; yield its URL."""
    port = free_port()
    variables = environment(
        BROKER_URL=broker_url,
        PUSH_AUDIENCE=AUDIENCE,
        PUSH_SERVICE_ACCOUNT=ACCOUNT,
        PUSH_CERTS_URL=f"http://127.0.0.1:{certs_port}/oauth2/v1/certs",
        FETCH_ALLOW_NETWORKS="127.0.0.0/8",
        HOST="127.0.0.1",
        PORT=str(port),
    )
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(COMMAND, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: is_healthy(url), "the worker is healthy")
        yield url
    finally:
        process.kill()
        process.wait(MAX_WAIT_SECONDS)


def is_healthy(url: str) -> bool:
    """Return whether the worker answers a health check."""
    try:
        return requests.get(f"{url}/healthz", timeout=MAX_WAIT_SECONDS).ok
    except requests.ConnectionError:
        return False


def outcome(server: RabbitMqServer) -> dict[str, object] | None:
    """Take the next outcome record from RabbitMQ; None if there is none yet."""
    with server.channel() as channel:
        method, properties, body = channel.basic_get("scrape-outcomes-ledger", auto_ack=True)
        return None if method is None else json.loads(wire.read(body, properties).message.data)


@pytest.mark.parametrize(("account", "is_accepted"), [(ACCOUNT, True), ("other@scrapeq.example", False)])
def test_the_worker_scrapes_a_job_only_with_the_token_of_its_account(
    rabbitmq_server: RabbitMqServer, site: Site, tmp_path: Path, account: str, is_accepted: bool
) -> None:
    """The worker verifies the token with the relay's certificates, scrapes, and publishes the outcome."""
    broker = RabbitMqUnderTest(rabbitmq_server)
    settings = ("--min-backoff", "1", "--max-attempts", "2")
    broker.create(*settings)
    while outcome(rabbitmq_server) is not None:
        """Remove the outcomes of other tests."""
    site.add("/robots.txt", http(404))
    data = job(url=site.add("/page", http(200, b"<h1>Faust</h1>")))
    publisher = broker.publisher("scrape-jobs")
    publisher.publish(Message(data, {"job_id": "1"}))
    publisher.close()
    port = free_port()
    with worker(rabbitmq_server.url, port, tmp_path / "worker.log") as url:
        tokens = ("--service-account", account, "--audience", AUDIENCE)
        with running_relay(
            rabbitmq_server.url, f"{url}/", tmp_path / "relay.log", *settings, *tokens, port=port
        ) as relay:
            if is_accepted:
                record = wait_for(lambda: outcome(rabbitmq_server), bool)
                assert record is not None
                assert (record["outcome"], record["attempt"]) == ("succeeded", 1)
            else:
                wait_until(lambda: "reason=wrong_caller" in relay.output())
                [letter] = wait_for(broker.dead_letters, bool)
                assert letter.attributes["reason"] == "wrong_caller"
            wait_until(broker.is_empty)
    assert broker.dead_letters() == []
