"""Tests that a data directory of version 0.1 is read, and that all of its messages are delivered.

``version_0_1.sql`` was made with version 0.1: ``python -m localpubsub --data DIR`` was started, filled by its
gRPC API, and killed with SIGKILL. Then ``sqlite3.Connection.iterdump`` of DIR/pubsub.sqlite was written to
the file, and its ``PRAGMA user_version`` was added. The project is called ``old``, and subscriptions have the
names of their topics:

- ``keyed`` has message ordering and the messages a1, b1, a2, a3 (with the ordering keys a, b, a, a) and u1
  (without a key). ``filtered``, on the same topic, has the filter ``attributes.kind = "even"``, which a2 and
  u1 match.
- ``leased`` has a dead-letter policy, and two outstanding messages: l1 (second attempt) and l2 (first one).
- ``failing`` has a dead-letter policy; its message f1 was nacked five times and is now on ``dead``.
- ``held`` retains acknowledged messages; s1 and s2 were acknowledged after the snapshot ``held`` was made.
- ``books`` is on a topic with the Avro schema ``book``, and has one validated message.
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from localpubsub.broker.broker import Broker
from localpubsub.broker.seek import SubscriptionSeeker
from localpubsub.clock import Clock
from localpubsub.protocol.messages import PubsubMessage, PubsubMessagePb, SeekRequest
from localpubsub.storage.store import Store

DUMP = Path(__file__).with_name("version_0_1.sql")
#: Seconds since the epoch, a minute after the messages of the dump were published.
NOW = 1_795_957_360.0


class StartedClock(Clock):
    """A clock that starts at a given time."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self._offset = start - time.time()

    def now(self) -> float:
        """See Clock."""
        return super().now() + self._offset


def written_by_0_1(directory: Path) -> Path:
    """Create the SQLite file of version 0.1 and return its path."""
    file = directory / "pubsub.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.executescript(DUMP.read_text(encoding="utf-8"))
    return file


def with_broker(directory: Path, scenario: Callable[[Broker], Awaitable[None]], now: float = NOW) -> None:
    """Run a scenario on a broker of the current version that opens the file of version 0.1 at a time."""

    async def run() -> None:
        store = Store(written_by_0_1(directory))
        broker = Broker(store, StartedClock(now))
        try:
            await scenario(broker)
        finally:
            await broker.close()
            store.close()

    asyncio.run(run())


async def deliver_all(broker: Broker, name: str) -> list[tuple[PubsubMessagePb, int]]:
    """Deliver and acknowledge every ready message; return each message with its attempt."""
    subscription = broker.catalogue.subscription(f"projects/old/subscriptions/{name}")
    delivered = []
    while (lease := broker.deliver(subscription, 10)) is not None:
        record = await broker.record(subscription, lease)
        assert record is not None
        delivered.append((PubsubMessage.FromString(record), lease.attempt))
        broker.acknowledge(subscription, lease)
    return delivered


def test_resources_of_version_0_1_exist(tmp_path: Path) -> None:
    """The topics, subscriptions, snapshots and schemas in the file of version 0.1 exist."""

    async def scenario(broker: Broker) -> None:
        catalogue = broker.catalogue
        names = ["books", "dead", "failing", "held", "keyed", "leased"]
        assert sorted(catalogue.topics) == [f"projects/old/topics/{name}" for name in names]
        assert sorted(catalogue.subscriptions) == [
            f"projects/old/subscriptions/{name}" for name in sorted([*names, "filtered"])
        ]
        assert list(broker.snapshots.snapshots) == ["projects/old/snapshots/held"]
        assert list(catalogue.schemas.revisions) == ["projects/old/schemas/book"]
        leased = catalogue.subscription("projects/old/subscriptions/leased")
        policy = leased.backlog.policy.dead_letter_policy
        assert policy is not None
        assert (policy.topic, policy.max_delivery_attempts) == ("projects/old/topics/dead", 5)

    with_broker(tmp_path, scenario)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("filtered", [(b"a2", 1), (b"u1", 1)]),
        ("leased", [(b"l1", 3), (b"l2", 2)]),
        ("dead", [(b"f1", 1)]),
        ("failing", []),
        ("held", []),
        ("books", [(b'{"title": "A"}', 1)]),
    ],
)
def test_backlog_of_version_0_1_is_delivered(
    tmp_path: Path, name: str, expected: list[tuple[bytes, int]]
) -> None:
    """Each unacknowledged message is delivered once, and outstanding deliveries count as failed attempts."""

    async def scenario(broker: Broker) -> None:
        delivered = await deliver_all(broker, name)
        assert sorted((message.data, attempt) for message, attempt in delivered) == expected

    with_broker(tmp_path, scenario)


def test_ordered_backlog_of_version_0_1_is_delivered_in_order(tmp_path: Path) -> None:
    """All messages of version 0.1 are delivered, those of one ordering key in order."""

    async def scenario(broker: Broker) -> None:
        delivered = [message for message, _ in await deliver_all(broker, "keyed")]
        assert sorted(message.data for message in delivered) == [b"a1", b"a2", b"a3", b"b1", b"u1"]
        assert [message.data for message in delivered if message.ordering_key == "a"] == [b"a1", b"a2", b"a3"]

    with_broker(tmp_path, scenario)


def test_dead_letter_of_version_0_1_has_its_attributes(tmp_path: Path) -> None:
    """A dead letter of version 0.1 has its original attributes and those that name its source."""

    async def scenario(broker: Broker) -> None:
        ((message, _),) = await deliver_all(broker, "dead")
        assert message.attributes["name"] == "x"
        assert message.attributes["CloudPubSubDeadLetterSourceSubscription"] == "failing"
        assert message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"

    with_broker(tmp_path, scenario)


def test_seek_to_a_snapshot_of_version_0_1_delivers_its_messages(tmp_path: Path) -> None:
    """After a seek to a snapshot of version 0.1, the messages that it retained are delivered again."""

    async def scenario(broker: Broker) -> None:
        request = SeekRequest(
            subscription="projects/old/subscriptions/held", snapshot="projects/old/snapshots/held"
        )
        await SubscriptionSeeker(broker).seek(request)
        delivered = await deliver_all(broker, "held")
        assert [message.data for message, _ in delivered] == [b"s1", b"s2"]

    with_broker(tmp_path, scenario)


def test_schema_of_version_0_1_validates_messages(tmp_path: Path) -> None:
    """With a schema of version 0.1, a stored message is decoded and a new message is validated."""
    pytest.importorskip("fastavro")

    async def scenario(broker: Broker) -> None:
        ((message, _),) = await deliver_all(broker, "books")
        schemas = broker.catalogue.schemas
        assert schemas.decode(message) == {"title": "A"}
        settings = broker.catalogue.topic("projects/old/topics/books").resource.schema_settings
        new = PubsubMessage(data=b'{"title": "B"}')
        schemas.validate_messages(settings, [new])
        assert schemas.decode(new) == {"title": "B"}

    with_broker(tmp_path, scenario)


def test_file_of_version_0_1_is_opened_by_a_clock_that_was_set_back(tmp_path: Path) -> None:
    """If the clock is a day behind the file, new ids follow the old ones, and a seek purges the old."""

    async def scenario(broker: Broker) -> None:
        topic, subscription = (f"projects/old/{kind}/leased" for kind in ("topics", "subscriptions"))
        request = SeekRequest(subscription=subscription)
        request.time.FromMicroseconds(int(broker.clock.now() * 1e6))
        await SubscriptionSeeker(broker).seek(request)
        (new,) = await broker.publish(topic, [PubsubMessage(data=b"new")])
        assert (
            new > NOW * 1e6 - 120e6
        )  # the messages of the dump were published in the two minutes before NOW
        ((message, _),) = await deliver_all(broker, "leased")
        assert message.data == b"new"
        assert message.publish_time.ToSeconds() < NOW - 86_000

    with_broker(tmp_path, scenario, NOW - 86_400)
