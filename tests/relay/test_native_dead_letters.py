"""Tests how RabbitMQ's own dead letters are explained, and that queues without a limit drop nothing."""

import json
import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from console.ledger.ledger import Ledger
from console.ledger.sqlite_views import table
from publishing.publisher import Message
from publishing.rabbitmq.publisher import RabbitMqPublisher
from tests.relay.brokers import RabbitMqUnderTest
from tests.relay.ledger_process import running_ledger
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

BODY = b'{"version": 2, "url": "https://shop.example/"}'
JOB = Message(BODY, {"run_id": "books-1", "job_id": "a"}, "shop.example#0")
MORE_THAN_THE_DEFAULT = 25  #: RabbitMQ 4 drops a message after 20 returns, unless its queue says otherwise


def return_messages(server: RabbitMqServer, queue: str, times: int) -> None:
    """Receive the message of a queue and return it, as often as given."""
    with server.channel() as channel:
        channel.basic_qos(prefetch_count=1)
        deliveries = channel.consume(queue, inactivity_timeout=MAX_WAIT_SECONDS)
        for method, _, _ in islice(deliveries, times):
            channel.basic_nack(method.delivery_tag)


@pytest.mark.parametrize(
    ("option", "queue"),
    [((), "scrape-jobs-push"), (("--partitions", "2"), "scrape-jobs-push.partition-00")],
    ids=["one queue", "partitions"],
)
def test_the_delivery_limit_is_the_reason_of_a_dead_letter(
    rabbitmq_server: RabbitMqServer, tmp_path: Path, option: tuple[str, ...], queue: str
) -> None:
    """A job that RabbitMQ itself has dead-lettered is dead by the infrastructure, and its row says why."""
    RabbitMqUnderTest(rabbitmq_server).create("--max-attempts", "3", *option)
    RabbitMqPublisher(rabbitmq_server.url, "scrape-jobs", timeout_seconds=MAX_WAIT_SECONDS).publish(JOB)
    return_messages(rabbitmq_server, queue, 3)
    ledger = Ledger(tmp_path)
    with running_ledger(rabbitmq_server.url, tmp_path / "log", "--data", tmp_path):
        wait_until(lambda: ledger.accounting().dead == 1)
    query = f"SELECT attributes, publish_time FROM {table('dead_letters')}"  # noqa: S608 - the name is a constant
    with closing(sqlite3.connect(ledger.path)) as connection:
        [(text, died_at)] = connection.execute(query).fetchall()
        [(published_at,)] = connection.execute(
            f"SELECT publish_time FROM {table('jobs')}"  # noqa: S608 - the name is a constant
        ).fetchall()
    attributes = json.loads(text)
    assert attributes["reason"] == "delivery_limit"
    assert f"from the queue {queue} to the dead letters (delivery_limit)" in attributes["detail"]
    assert attributes["CloudPubSubDeadLetterSourceSubscription"] == "scrape-jobs-push"
    assert died_at >= published_at
    [dead] = ledger.dead_jobs("books-1")
    assert dead.cause == "infrastructure"


def test_a_message_of_the_ledger_is_kept_however_often_it_is_returned(
    rabbitmq_server: RabbitMqServer, tmp_path: Path
) -> None:
    """Writers that are killed again and again do not let RabbitMQ drop what they have received."""
    RabbitMqUnderTest(rabbitmq_server).create()
    RabbitMqPublisher(rabbitmq_server.url, "scrape-jobs", timeout_seconds=MAX_WAIT_SECONDS).publish(JOB)
    return_messages(rabbitmq_server, "scrape-jobs-ledger", MORE_THAN_THE_DEFAULT)
    ledger = Ledger(tmp_path)
    with running_ledger(rabbitmq_server.url, tmp_path / "log", "--data", tmp_path):
        wait_until(lambda: ledger.accounting().dispatched == 1)
