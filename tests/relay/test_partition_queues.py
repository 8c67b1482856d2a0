"""RabbitMQ divides the jobs by their ordering key over the partitions, always in the same way."""

from collections.abc import Mapping

import pika
import pytest

from publishing.publisher import Message
from publishing.rabbitmq import wire
from tests.relay.brokers import RabbitMqUnderTest
from tests.relay.relay_process import run
from tests.servers.rabbitmq import RabbitMqServer
from tests.servers.waiting import wait_until

PARTITIONS = 4
SETTINGS = ("--partitions", str(PARTITIONS), "--min-backoff", "1", "--max-backoff", "1")
QUEUES = [f"scrape-jobs-push.partition-{number:02d}" for number in range(PARTITIONS)]
RETRY_EXCHANGE = "scrape-jobs-push.retry-1s"
KEYS = [f"shop{number}.example#0" for number in range(40)]
ENDPOINT = ("--endpoint", "http://127.0.0.1:1/")


@pytest.fixture
def broker(rabbitmq_server: RabbitMqServer) -> RabbitMqUnderTest:
    """RabbitMQ with empty partitions."""
    under_test = RabbitMqUnderTest(rabbitmq_server)
    under_test.create(*SETTINGS)
    return under_test


def publish(broker: RabbitMqUnderTest, messages: list[Message]) -> None:
    """Publish jobs."""
    publisher = broker.publisher("scrape-jobs")
    for result in publisher.publish_all(messages):
        assert isinstance(result, str), result
    publisher.close()


def take_all(server: RabbitMqServer, count: int) -> list[tuple[str, wire.StoredMessage]]:
    """Wait until so many jobs are in the partitions; take them, and return the queue of each."""
    found = list[tuple[str, wire.StoredMessage]]()
    with server.channel() as channel:
        for queue in QUEUES:

            def receive(
                _: object, __: object, properties: pika.BasicProperties, body: bytes, queue: str = queue
            ) -> None:
                found.append((queue, wire.read(body, properties)))

            channel.basic_consume(queue, receive, auto_ack=True)

        def are_there() -> bool:
            channel.connection.process_data_events()
            return len(found) >= count

        wait_until(are_there)
    return found


def by_key(found: list[tuple[str, wire.StoredMessage]]) -> Mapping[str, str]:
    """Return the queue of each ordering key."""
    return {stored.message.ordering_key: queue for queue, stored in found}


def test_jobs_without_a_key_are_divided_evenly(
    rabbitmq_server: RabbitMqServer, broker: RabbitMqUnderTest
) -> None:
    """Each partition gets at least half of its share of them, and they still have no key."""
    publish(broker, [Message(b"a", {})] * 400)
    found = take_all(rabbitmq_server, 400)
    assert {stored.message.ordering_key for _, stored in found} == {""}
    for each in QUEUES:
        assert sum(queue == each for queue, _ in found) >= 400 / PARTITIONS / 2


def test_a_returned_job_comes_back_into_its_partition(
    rabbitmq_server: RabbitMqServer, broker: RabbitMqUnderTest
) -> None:
    """A copy in a retry queue returns to the queue that the job was in, with or without an ordering key."""
    publish(broker, [Message(b"a", {}, key) for key in (*KEYS, *[""] * 40)])
    first = take_all(rabbitmq_server, 80)
    with rabbitmq_server.channel() as channel:
        for _, stored in first:
            copy = wire.properties(stored.message, stored.message_id, stored.published_at, 1)
            key = wire.routing_key(stored.message, stored.message_id)
            channel.basic_publish(RETRY_EXCHANGE, key, stored.message.data, copy)
    second = take_all(rabbitmq_server, 80)
    before, after = ({stored.message_id: queue for queue, stored in found} for found in (first, second))
    assert after == before
    assert {stored.attempts for _, stored in second} == {1}


def test_a_key_stays_in_its_partition_when_rabbitmq_starts_again(
    rabbitmq_server: RabbitMqServer, broker: RabbitMqUnderTest
) -> None:
    """After a kill of RabbitMQ each key is in the same queue as before, so it is never in two."""
    messages = [Message(b"a", {}, key) for key in KEYS]
    publish(broker, messages)
    before = by_key(take_all(rabbitmq_server, len(KEYS)))
    broker.kill()
    broker.start()
    publish(broker, messages)
    assert by_key(take_all(rabbitmq_server, len(KEYS))) == before
    assert set(before.values()) == set(QUEUES)


@pytest.mark.parametrize("command", [ENDPOINT, ("--create",)], ids=["relay", "create"])
@pytest.mark.parametrize(("created", "wanted"), [(4, 2), (4, 8), (4, 1), (1, 4)])
def test_another_number_of_partitions_is_explained(
    rabbitmq_server: RabbitMqServer, command: tuple[str, ...], created: int, wanted: int
) -> None:
    """Neither a relay nor --create leaves jobs in a queue that no relay consumes."""
    broker = RabbitMqUnderTest(rabbitmq_server)
    broker.create("--partitions", str(created))
    done = run(broker.url, *command, "--partitions", str(wanted))
    assert done.returncode == 2
    assert f"was created with --partitions {created}, and not {wanted}: give {created}, or" in done.stderr
    assert "docs/brokers.md" in done.stderr


def test_a_missing_partition_is_explained_and_created_again(
    rabbitmq_server: RabbitMqServer, broker: RabbitMqUnderTest
) -> None:
    """The sentence names the queue, and --create creates it; then each key has a queue again."""
    with rabbitmq_server.channel() as channel:
        channel.queue_delete(QUEUES[2])
    done = run(broker.url, *ENDPOINT, *SETTINGS)
    assert done.returncode == 2
    assert f"no queue '{QUEUES[2]}'" in done.stderr
    assert "`python -m relay --create` creates" in done.stderr
    assert run(broker.url, "--create", *SETTINGS).returncode == 0
    publish(broker, [Message(b"a", {}, key) for key in KEYS])
    assert set(by_key(take_all(rabbitmq_server, len(KEYS))).values()) == set(QUEUES)
