"""Tests how operators cancel runs on a broker other than Pub/Sub."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from math import inf
from pathlib import Path

import pytest

from console.controls.cancel import cancel
from console.controls.operator_queue import OperatorQueue
from console.controls.pause import Target, pause
from console.controls.queue import open_queue
from console.errors import ControlError, NoPubsubError
from console.ledger.ledger import Ledger
from console.stack.ports import free_port
from console.stack.pubsub_address import PubsubAddress
from contract.controls import Controls
from localpubsub.backlog.retry_policy import RetryPolicy
from publishing.rabbitmq import wire
from publishing.rabbitmq.publisher import RabbitMqPublisher
from relay.rabbitmq.topology import create
from relay.subscriptions import Redelivery, all_subscriptions
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.waiting import MAX_WAIT_SECONDS

LEDGER_QUEUE = "scrape-operator-ledger"


@pytest.fixture
def queue(rabbitmq_server: RabbitMqServer) -> Iterator[OperatorQueue]:
    """The queue of an operator, whose acts and controls are empty."""
    with rabbitmq_server.channel() as channel:
        for name in rabbitmq_server.queues:
            channel.queue_delete(name)
    redelivery = Redelivery(RetryPolicy(10, 600), 10)
    rabbitmq_server.queues = create(rabbitmq_server.url, all_subscriptions(redelivery))
    with open_queue(PubsubAddress("", broker_url=rabbitmq_server.url)) as opened:
        yield opened


def test_a_cancelled_run_is_in_the_labels_and_its_act_is_recorded(
    rabbitmq_server: RabbitMqServer, queue: OperatorQueue
) -> None:
    """The workers read the run from the labels, and the ledger gets the act."""
    began = time.time()
    cancel(queue, "books-1", "ada", in_flight=3)
    cancel(queue, "books-2", "ada")
    publisher = RabbitMqPublisher(rabbitmq_server.url, "scrape-jobs", timeout_seconds=MAX_WAIT_SECONDS)
    with closing(publisher):
        controls = Controls.from_labels(publisher.labels(MAX_WAIT_SECONDS))
    assert controls.is_cancelled("books-1")
    assert controls.is_cancelled("books-2")
    assert all(at >= began - 1 for at in controls.cancelled_runs.values())
    with rabbitmq_server.channel() as channel:
        _, properties, body = channel.basic_get(LEDGER_QUEUE, auto_ack=True)
    act = json.loads(wire.read(body, properties).message.data)
    assert (act["act"], act["run_id"], act["operator"], act["jobs"]) == ("cancel", "books-1", "ada", 3)
    assert len(queue.recorded) == 2


def test_a_pause_is_refused_with_what_to_do_instead(queue: OperatorQueue, tmp_path: Path) -> None:
    """A relay counts the deliveries that a worker holds, so a pause could make dead letters."""
    with pytest.raises(NoPubsubError, match="Stop the relays, or use `scrapeq down`"):
        pause(queue, Ledger(tmp_path), Target(run_id="books-1"), inf, "ada")
    assert queue.controls() == Controls()
    assert queue.recorded == []


def test_a_broker_that_cannot_be_reached_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that nothing was changed, and where the broker should be, without the password."""
    monkeypatch.setattr("console.controls.broker_queue.CALL_SECONDS", 1.0)
    port = free_port()
    address = PubsubAddress("", broker_url=f"amqp://user:secret@127.0.0.1:{port}/")
    with (
        open_queue(address) as queue,
        pytest.raises(ControlError, match=rf"nothing was changed: .*127\.0\.0\.1:{port}") as error,
    ):
        cancel(queue, "books-1", "ada")
    assert "secret" not in str(error.value)
