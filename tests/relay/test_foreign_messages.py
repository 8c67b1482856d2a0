"""Messages of other programs, whatever they contain, end as one dead letter each, and stop no others."""

import json
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pika
import pytest

from console.ledger.ledger import Ledger
from console.ledger.sqlite_views import table
from contract.topology import JOBS_TOPIC
from publishing.publisher import Message
from tests.relay.brokers import RabbitMqUnderTest, RedisUnderTest
from tests.relay.ledger_process import running_ledger
from tests.relay.relay_process import running_relay
from tests.relay.relayed_broker import RelayedBroker
from tests.relay.worker_endpoint import WorkerEndpoint
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until

SETTINGS = ("--min-backoff", "1", "--max-backoff", "1", "--max-attempts", "3")
LETTER = struct.pack(">I", 1) + b"a"


class RawProperties(pika.BasicProperties):  # type: ignore[misc] # pika is not typed
    """Properties with headers that pika itself would not write, and the id `id`."""

    def __init__(self, name: bytes, value: bytes, message_id: bytes = b"id") -> None:
        super().__init__()
        self._headers = bytes([len(name)]) + name + value
        self._id = message_id

    def encode(self) -> list[bytes]:
        """See pika."""
        return [
            struct.pack(">HI", self.FLAG_HEADERS | self.FLAG_MESSAGE_ID, len(self._headers)),
            self._headers,
            bytes([len(self._id)]) + self._id,
        ]


def publish_raw(broker: RabbitMqUnderTest, properties: pika.BasicProperties, body: bytes = b"theirs") -> None:
    """Publish a message of another program to the jobs of RabbitMQ."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish(JOBS_TOPIC, "", body, properties)
    connection.close()


def assert_dead_lettered(broker: RelayedBroker, endpoint: WorkerEndpoint, log: Path) -> Message:
    """Assert that a foreign message in the queue is dead-lettered, and that another one is delivered."""
    broker.publisher(JOBS_TOPIC).publish(Message(b"ours", {}))
    with running_relay(broker.url, endpoint.url, log, *SETTINGS) as relay:
        wait_until(lambda: relay.counter("acknowledged") == 1)
        wait_until(broker.is_empty)
    assert [(push.data, push.attempt) for push in endpoint.pushes] == [("ours", 1)]
    [letter] = broker.dead_letters()
    assert letter.attributes["reason"] == "bad_envelope"
    return letter


@pytest.mark.parametrize("broker", ["RabbitMQ"], indirect=True)
@pytest.mark.parametrize(
    "properties",
    [
        RawProperties(b"\xff\xfe", b"S" + LETTER),
        RawProperties(b"when", b"T" + struct.pack(">Q", 1_764_572_400_000)),
        RawProperties(b"a", b"S" + LETTER, b"\xff\xfe"),
        pika.BasicProperties(message_id="id", headers={"a": "b" * 130_000}),
    ],
    ids=["name", "date after 9999", "id", "as large as a frame"],
)
def test_properties_that_cannot_be_read_end_no_connection(
    broker: RabbitMqUnderTest, endpoint: WorkerEndpoint, tmp_path: Path, properties: pika.BasicProperties
) -> None:
    """A message whose properties pika cannot read, or not write again, costs no other message an attempt."""
    broker.create(*SETTINGS)
    publish_raw(broker, properties)
    letter = assert_dead_lettered(broker, endpoint, tmp_path / "log")
    assert letter.data == b"theirs"
    assert "broker_lost" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("broker", ["Redis"], indirect=True)
@pytest.mark.parametrize("changed", [{"attributes": {"a": "\ud800"}}, {"message_id": "\ud800"}], ids=str)
def test_half_a_surrogate_pair_stops_neither_relay_nor_ledger(
    redis_server: RedisServer,
    broker: RedisUnderTest,
    endpoint: WorkerEndpoint,
    tmp_path: Path,
    changed: dict[str, object],
) -> None:
    """A text that UTF-8 cannot encode is found before the message is pushed or written."""
    broker.create(*SETTINGS)
    properties = json.dumps({"message_id": "1", "published_at": 1.0, "attributes": {}, **changed})
    redis_server.run("XADD", JOBS_TOPIC, "*", "data", "theirs", "properties", properties)
    with running_ledger(broker.url, tmp_path / "ledger.log", "--data", tmp_path / "data") as writer:
        wait_until(lambda: len(dead_letters(Ledger(tmp_path / "data"))) == 1)
        assert writer.stop()["written"] == {"dead_letters": 1}
    assert len(broker.dead_letters()) == 1
    assert_dead_lettered(broker, endpoint, tmp_path / "log")


def dead_letters(ledger: Ledger) -> list[int]:
    """Return the sizes of the dead letters in a ledger."""
    if not ledger.path.exists():
        return []
    with closing(sqlite3.connect(ledger.path)) as connection:
        try:
            query = f"SELECT length(data) FROM {table('dead_letters')}"  # noqa: S608 - the name is a constant
            return [size for (size,) in connection.execute(query)]
        except sqlite3.OperationalError:  # the command has not made the table yet
            return []


def publish_large(broker: RelayedBroker, redis_server: RedisServer) -> None:
    """Publish a message of another program with one byte too many."""
    if isinstance(broker, RabbitMqUnderTest):
        publish_raw(broker, pika.BasicProperties(), bytes(10_000_001))
    elif isinstance(broker, RedisUnderTest):
        redis_server.run("XADD", JOBS_TOPIC, "*", "data", bytes(10_000_001))


@pytest.mark.parametrize("broker", ["RabbitMQ", "Redis"], indirect=True)
def test_a_message_that_is_too_large_becomes_one_dead_letter(
    redis_server: RedisServer, broker: RelayedBroker, tmp_path: Path
) -> None:
    """Its dead letter is cut, since it would otherwise be foreign as well, and be dead-lettered for ever."""
    broker.create(*SETTINGS)
    publish_large(broker, redis_server)
    with running_ledger(broker.url, tmp_path / "ledger.log", "--data", tmp_path / "data") as writer:
        wait_until(lambda: dead_letters(Ledger(tmp_path / "data")) == [10_000_000])
        assert writer.stop()["written"] == {"dead_letters": 1}
    assert len(broker.dead_letters()) == 1


@pytest.mark.parametrize("broker", ["RabbitMQ"], indirect=True)
def test_an_id_of_another_program_is_pushed_as_it_is(
    broker: RabbitMqUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """An id with characters that JSON escapes makes no invalid push."""
    broker.create(*SETTINGS)
    publish_raw(broker, pika.BasicProperties(message_id='a"b\\'))
    with running_relay(broker.url, endpoint.url, tmp_path / "log", *SETTINGS):
        wait_until(broker.is_empty)
    assert [push.message_id for push in endpoint.pushes] == ['a"b\\']
