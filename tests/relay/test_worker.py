"""The real worker takes the relay's pushes, and its outcome goes through RabbitMQ."""

import json
import time
from pathlib import Path

import pytest

from console.stack.ports import free_port
from contract.controls import Controls
from publishing.publisher import Message
from publishing.rabbitmq import wire
from publishing.rabbitmq.publisher import RabbitMqPublisher
from tests.relay.brokers import RabbitMqUnderTest
from tests.relay.relay_process import running_relay
from tests.relay.worker_process import running_worker
from tests.servers.pushes import ATTRIBUTES, JOB, job
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.site import Site, http
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for, wait_until

ACCOUNT, AUDIENCE = "relay@scrapeq.example", "scrapeq-worker"


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
    variables = {
        "PUSH_AUDIENCE": AUDIENCE,
        "PUSH_SERVICE_ACCOUNT": ACCOUNT,
        "PUSH_CERTS_URL": f"http://127.0.0.1:{port}/oauth2/v1/certs",
    }
    with running_worker(rabbitmq_server.url, tmp_path / "worker.log", **variables) as worker:
        tokens = ("--service-account", account, "--audience", AUDIENCE)
        with running_relay(
            rabbitmq_server.url, f"{worker.url}/", tmp_path / "relay.log", *settings, *tokens, port=port
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


def test_a_job_of_a_cancelled_run_is_acknowledged_and_not_requested(
    rabbitmq_server: RabbitMqServer, site: Site, tmp_path: Path
) -> None:
    """The worker reads the operator's controls from RabbitMQ before the first request."""
    broker = RabbitMqUnderTest(rabbitmq_server)
    broker.create()
    while outcome(rabbitmq_server) is not None:
        """Remove the outcomes of other tests."""
    publisher = broker.publisher("scrape-jobs")
    assert isinstance(publisher, RabbitMqPublisher)
    publisher.set_labels(Controls().cancel(JOB["run_id"], time.time()).to_labels(), MAX_WAIT_SECONDS)
    try:
        publisher.publish(Message(job(url=site.add("/page", http(200, b"<h1>Faust</h1>"))), ATTRIBUTES))
        log = tmp_path / "worker.log"
        with running_worker(rabbitmq_server.url, log, PUSH_AUTH="none") as worker:
            log = tmp_path / "relay.log"
            with running_relay(rabbitmq_server.url, f"{worker.url}/", log) as relay:
                wait_until(lambda: relay.counter("acknowledged") == 1)
    finally:
        publisher.set_labels({}, MAX_WAIT_SECONDS)
        publisher.close()
    record = outcome(rabbitmq_server)
    assert record is not None
    assert (record["outcome"], record["reason"]) == ("cancelled", "cancelled")
    assert site.requests == []
