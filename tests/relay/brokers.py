"""Drives the brokers that the tests run against."""

from collections.abc import Callable, Mapping
from typing import Any

import pika

from publishing.open_publisher import TopicPublisher
from publishing.publisher import Message
from publishing.rabbitmq import wire
from publishing.rabbitmq.labels import labels_queue
from publishing.rabbitmq.publisher import RabbitMqPublisher
from publishing.redis import wire as redis_wire
from publishing.redis.publisher import RedisPublisher
from tests.relay.broker_under_test import BrokerUnderTest
from tests.relay.pubsub import PubsubUnderTest
from tests.relay.relay_process import run
from tests.relay.relayed_broker import RelayedBroker
from tests.relay.sqs import SqsFifoUnderTest, SqsUnderTest
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.redis import RedisServer, named
from tests.servers.waiting import MAX_WAIT_SECONDS


class RabbitMqUnderTest(RelayedBroker):
    """RabbitMQ."""

    name = "RabbitMQ"
    cannot: Mapping[str, str] = {}

    def __init__(self, server: RabbitMqServer) -> None:
        self.url = server.url
        self._server = server

    def create(self, *arguments: str) -> None:
        """See `RelayedBroker.create`."""
        self._server.queues.append(labels_queue("scrape-jobs"))
        self._server.delete_queues()
        done = run(self.url, "--create", *arguments)
        # After a failure, the queues that it has created do not disturb the next test.
        queues = self._server.all_queues() if done.returncode else done.stdout.split(": ")[-1].split()
        self._server.queues = queues
        assert done.returncode == 0, done.stderr

    def publisher(self, topic: str) -> TopicPublisher:
        """See `BrokerUnderTest.publisher`."""
        return RabbitMqPublisher(self.url, topic, timeout_seconds=MAX_WAIT_SECONDS)

    def publish_foreign(self, data: bytes) -> None:
        """See `BrokerUnderTest.publish_foreign`."""
        with self._server.channel() as channel:
            channel.confirm_delivery()
            channel.basic_publish("scrape-jobs", "", data, pika.BasicProperties(headers={"retries": 3}))

    def dead_letters(self) -> list[Message]:
        """See `BrokerUnderTest.dead_letters`."""
        found = list[Message]()
        with self._server.channel() as channel:
            while True:
                method, properties, body = channel.basic_get("scrape-jobs-dead-pull", auto_ack=True)
                if method is None:
                    return found
                found.append(wire.read(body, properties).message)

    def is_empty(self) -> bool:
        """See `BrokerUnderTest.is_empty`."""
        with self._server.channel() as channel:
            queues = [name for name in self._server.queues if name.startswith("scrape-jobs-push")]
            return not any(channel.queue_declare(name, passive=True).method.message_count for name in queues)

    def kill(self) -> None:
        """See `BrokerUnderTest.kill`."""
        self._server.kill()

    def start(self) -> None:
        """See `BrokerUnderTest.start`."""
        self._server.start()

    interrupt, resume = kill, start


class PartitionedRabbitMqUnderTest(RabbitMqUnderTest):
    """RabbitMQ with four partitions."""

    name = "RabbitMQ, partitions"
    options = ("--partitions", "4")


class RedisUnderTest(RelayedBroker):
    """Redis."""

    name = "Redis"
    cannot: Mapping[str, str] = {}

    def __init__(self, server: RedisServer) -> None:
        self.url = server.url
        self._server = server

    def create(self, *arguments: str) -> None:
        """See `RelayedBroker.create`."""
        self._server.run("FLUSHALL")
        done = run(self.url, "--create", *arguments)
        assert done.returncode == 0, done.stderr

    def publisher(self, topic: str) -> TopicPublisher:
        """See `BrokerUnderTest.publisher`."""
        return RedisPublisher(self.url, topic, timeout_seconds=MAX_WAIT_SECONDS)

    def publish_foreign(self, data: bytes) -> None:
        """See `BrokerUnderTest.publish_foreign`."""
        self._server.run("XADD", "scrape-jobs", "*", "data", data, "retries", "3")

    def dead_letters(self) -> list[Message]:
        """See `BrokerUnderTest.dead_letters`."""
        stream, group = "scrape-jobs-dead", "scrape-jobs-dead-pull"
        returned = self._server.run("XAUTOCLAIM", stream, group, "test", "0", "0", "COUNT", "1000")[1]
        read = ("XREADGROUP", "GROUP", group, "test", "COUNT", "1000", "STREAMS", stream, ">")
        new = self._server.run(*read)
        found = returned + (new[0][1] if new else [])
        if found:
            self._server.run("XACK", stream, group, *[entry for entry, _ in found])
        return [redis_wire.read(fields).message for _, fields in found]

    def is_empty(self) -> bool:
        """See `BrokerUnderTest.is_empty`."""
        groups = self._server.run("XINFO", "GROUPS", "scrape-jobs")
        [jobs] = [facts for each in groups if (facts := named(each))[b"name"] == b"scrape-jobs-push"]
        is_delivered = not self._server.run(
            "XRANGE", "scrape-jobs", b"(" + jobs[b"last-delivered-id"], "+", "COUNT", "1"
        )
        return is_delivered and jobs[b"pending"] == 0

    def kill(self) -> None:
        """See `BrokerUnderTest.kill`."""
        self._server.kill()

    def start(self) -> None:
        """See `BrokerUnderTest.start`."""
        self._server.start()

    interrupt, resume = kill, start


#: For each broker whose messages a relay delivers, the fixture of its server and the class that drives it.
BROKERS: dict[str, tuple[str, Callable[[Any], RelayedBroker]]] = {
    "RabbitMQ": ("rabbitmq_server", RabbitMqUnderTest),
    "Redis": ("redis_server", RedisUnderTest),
    "SQS": ("moto_sqs_server", SqsUnderTest),
    "SQS FIFO": ("moto_sqs_server", SqsFifoUnderTest),
}
#: The same for the columns of the table of promises: Pub/Sub, which pushes by itself, these brokers, and
#: RabbitMQ with partitions.
COLUMNS: dict[str, tuple[str, Callable[[Any], BrokerUnderTest]]] = {
    "Pub/Sub": ("restartable_localpubsub", PubsubUnderTest),
    **BROKERS,
    "RabbitMQ, partitions": ("rabbitmq_server", PartitionedRabbitMqUnderTest),
}
