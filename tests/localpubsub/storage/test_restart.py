"""Tests what survives SIGKILL and a migration from format 1, and what expires after its retention or ttl."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.api_core.exceptions import InvalidArgument
from google.pubsub_v1.types import DeadLetterPolicy, PubsubMessage

import localpubsub
from localpubsub.broker.broker import EXPIRY_INTERVAL, Broker
from localpubsub.clock import Clock
from localpubsub.errors import NotFound
from localpubsub.protocol.messages import PubsubMessage as RawMessage
from localpubsub.protocol.messages import Subscription, Topic
from localpubsub.storage.store import Store
from tests.servers.localpubsub_process import running_process
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient, connect
from tests.servers.waiting import MAX_WAIT_SECONDS

TOPIC, NAME = "projects/p/topics/ttt", "projects/p/subscriptions/sss"
DAY = 86_400.0


@contextmanager
def running(data: Path) -> Iterator[PubsubClient]:
    """Run a server with this data directory until the block ends; yield a client of it."""
    with localpubsub.running(data=data) as server, gapic_clients(server.host) as clients:
        yield PubsubClient(PubsubServer("localpubsub", server.host, None), MAX_WAIT_SECONDS, *clients)


def test_snapshots_and_retained_messages_survive_sigkill(tmp_path: Path) -> None:
    """Confirmed snapshots, retained messages, policies, ordering keys and detachments survive SIGKILL."""
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, retain_acked_messages=True, enable_message_ordering=True)
        detached = pubsub.subscription(topic)
        pubsub.publisher.detach_subscription({"subscription": detached})
        for name in (b"1", b"2", b"3"):
            message = PubsubMessage(data=name, ordering_key="k")
            pubsub.publisher.publish(topic=topic, messages=[message])
        snapshot = pubsub.subscriber.create_snapshot(
            name=pubsub.name("snapshots"), subscription=subscription
        ).name
        policy = pubsub.publisher.set_iam_policy(request={"resource": topic, "policy": {"version": 1}})
        for _ in range(2):
            pubsub.ack(subscription, pubsub.pull(subscription))
        server.kill()
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        assert pubsub.subscriber.get_subscription(subscription=detached).detached
        assert pubsub.publisher.get_iam_policy(request={"resource": topic}) == policy
        assert [each.message.data for each in pubsub.pull(subscription)] == [b"3"]
        for target in ({"snapshot": snapshot}, {"time": datetime.now(UTC) - timedelta(hours=1)}):
            pubsub.subscriber.seek({"subscription": subscription, **target})
            received = pubsub.pull_now(subscription)
            assert [each.message.data for each in received] == [b"1", b"2", b"3"]
            pubsub.ack(subscription, received)


def test_purge_survives_sigkill(tmp_path: Path) -> None:
    """After a kill right after the return of a seek past 3,000 messages, none of them is delivered."""
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        subscription, other = pubsub.subscription(topic), pubsub.subscription(topic)
        for _ in range(3):
            pubsub.publish(topic, *[b"x"] * 1000)
        pubsub.subscriber.seek({"subscription": subscription, "time": datetime.now(UTC) + timedelta(hours=1)})
        server.kill()
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        assert pubsub.pull_now(subscription) == []
        assert len(pubsub.pull(other, 3000)) == 3000


def test_seek_during_publishes_loses_no_message(tmp_path: Path) -> None:
    """Repeated seeks while messages are published and acknowledged lose no message."""
    with running(tmp_path) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, retain_acked_messages=True)
        published: list[str] = []
        done = threading.Event()

        def publish() -> None:
            for _ in range(100):
                published.extend(pubsub.publish(topic, *[b"x"] * 5))
            done.set()

        publishing = threading.Thread(target=publish)
        publishing.start()
        while not done.is_set():
            pubsub.subscriber.seek(
                {"subscription": subscription, "time": datetime.now(UTC) - timedelta(days=1)}
            )
            if received := pubsub.pull_now(subscription):
                pubsub.ack(subscription, received)
        publishing.join()
        pubsub.subscriber.seek({"subscription": subscription, "time": datetime.now(UTC) - timedelta(days=1)})
        remaining = [received.message.message_id for received in pubsub.pull(subscription, len(published))]
    assert sorted(remaining) == sorted(published)


def test_file_of_format_1_is_migrated(tmp_path: Path) -> None:
    """After a file of format 1 was migrated, its messages are delivered and snapshots can be created."""
    with running(tmp_path) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        pubsub.publish(topic, b"old")
    with closing(sqlite3.connect(tmp_path / "pubsub.sqlite")) as database:
        database.executescript(
            """
            ALTER TABLE backlog RENAME TO backlog_3;
            CREATE TABLE backlog (message INTEGER NOT NULL, subscription INTEGER NOT NULL,
                attempts INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (message, subscription)) WITHOUT ROWID;
            INSERT INTO backlog SELECT message, number, attempts FROM backlog_3;
            DROP TABLE backlog_3; DROP TABLE retained; DROP TABLE snapshot; DROP TABLE policy;
            ALTER TABLE subscription DROP COLUMN backlog; PRAGMA user_version = 1;
            """
        )
    with running(tmp_path) as pubsub:
        snapshot = pubsub.subscriber.create_snapshot(
            name=pubsub.name("snapshots"), subscription=subscription
        ).name
        pubsub.ack(subscription, pubsub.pull(subscription))
        pubsub.subscriber.seek({"subscription": subscription, "snapshot": snapshot})
        assert [each.message.data for each in pubsub.pull(subscription)] == [b"old"]


class MovableClock(Clock):
    """A clock that a test moves forward."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0

    def now(self) -> float:
        """See Clock."""
        return super().now() + self.ahead


def with_broker(scenario: Callable[[Broker, MovableClock, Store], Awaitable[None]]) -> None:
    """Run a scenario on a broker with a topic that retains messages for an hour."""

    async def run() -> None:
        store, clock = Store(None), MovableClock()
        broker = Broker(store, clock)
        topic = Topic(name=TOPIC)
        topic.message_retention_duration.seconds = 3600
        await broker.catalogue.create_topic(topic)
        await scenario(broker, clock, store)
        await broker.close()
        store.close()

    asyncio.run(run())


async def advance(broker: Broker, clock: MovableClock, seconds: float) -> None:
    """Move the clock forward and call the function that the alarm would call."""
    clock.ahead += seconds
    broker._advance()  # noqa: SLF001 - only the alarm calls this method
    await broker.tasks.join()
    await broker.journal.commit()


def message_count(store: Store) -> int:
    """Return the number of messages in the store."""
    return int(store.query(lambda database: database.execute("SELECT count(*) FROM message")).fetchone()[0])


def test_topic_retains_messages_for_its_retention() -> None:
    """A message is stored for the topic's message_retention_duration, and then deleted."""

    async def scenario(broker: Broker, clock: MovableClock, store: Store) -> None:
        await broker.publish(TOPIC, [RawMessage(data=b"x")])
        await advance(broker, clock, 3500)
        assert message_count(store) == 1
        await advance(broker, clock, 200)
        assert message_count(store) == 0

    with_broker(scenario)


def test_expired_snapshot_is_deleted_with_its_messages() -> None:
    """After seven days a snapshot is deleted, together with the messages that only it retained."""

    async def scenario(broker: Broker, clock: MovableClock, store: Store) -> None:
        subscription = await broker.catalogue.create_subscription(
            Subscription(name=NAME, topic=TOPIC, retain_acked_messages=True)
        )
        request = type("", (), {"name": "projects/p/snapshots/nnn", "subscription": NAME, "labels": {}})()
        await broker.snapshots.create(request)
        await broker.publish(TOPIC, [RawMessage(data=b"x")])
        lease = broker.deliver(subscription, 10)
        assert lease is not None
        broker.acknowledge(subscription, lease)
        for _ in range(8):
            assert message_count(store) == 1
            assert "projects/p/snapshots/nnn" in broker.snapshots.snapshots
            subscription.used = True
            await advance(broker, clock, DAY * 0.99)
            if clock.ahead > 7 * DAY:
                break
        await advance(broker, clock, EXPIRY_INTERVAL)
        assert not broker.snapshots.snapshots
        assert message_count(store) == 0

    with_broker(scenario)


def test_unused_subscription_expires_after_its_ttl() -> None:
    """A subscription that requests name every day is kept; after its ttl without use it is deleted."""

    async def scenario(broker: Broker, clock: MovableClock, _: Store) -> None:
        given = Subscription(name=NAME, topic=TOPIC)
        given.expiration_policy.ttl.seconds = int(2 * DAY)
        await broker.catalogue.create_subscription(given)
        for _day in range(5):
            broker.catalogue.subscription(NAME)
            await advance(broker, clock, DAY)
        await advance(broker, clock, DAY)
        assert NAME in broker.catalogue.subscriptions
        await advance(broker, clock, 1.5 * DAY)
        try:
            broker.catalogue.subscription(NAME)
        except NotFound:
            return
        raise AssertionError("the subscription still exists")

    with_broker(scenario)


def test_subscription_without_ttl_never_expires() -> None:
    """A subscription whose expiration policy has no ttl exists after 120 days without use."""

    async def scenario(broker: Broker, clock: MovableClock, _: Store) -> None:
        given = Subscription(name=NAME, topic=TOPIC)
        given.expiration_policy.SetInParent()
        await broker.catalogue.create_subscription(given)
        for _month in range(3):
            await advance(broker, clock, 40 * DAY)
        assert NAME in broker.catalogue.subscriptions

    with_broker(scenario)


def test_ordering_key_keeps_its_order_at_a_restart_after_a_seek(tmp_path: Path) -> None:
    """Behaviours 23, 28 and 31: with a dead-letter policy a key starts with its first message after a seek.

    The second message is outstanding during the seek, so that it has a delivery count after the restart.
    """
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=5)
        subscription = pubsub.subscription(
            topic, retain_acked_messages=True, enable_message_ordering=True, dead_letter_policy=policy
        )
        messages = [PubsubMessage(data=name, ordering_key="k") for name in (b"1", b"2", b"3")]
        pubsub.publisher.publish(topic=topic, messages=messages)
        pubsub.ack(subscription, pubsub.pull(subscription, 1))
        pubsub.pull(subscription, 1)
        pubsub.subscriber.seek({"subscription": subscription, "time": datetime.now(UTC) - timedelta(hours=1)})
        server.kill()
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        seen: list[bytes] = []
        while len(seen) < 3:
            received = pubsub.pull(subscription, 1)
            seen += [each.message.data for each in received]
            pubsub.ack(subscription, received)
    assert seen == [b"1", b"2", b"3"]


def test_ack_id_of_before_a_restart_has_no_effect(tmp_path: Path) -> None:
    """Behaviours 26 and 31: such an ack id is ignored, and rejected with exactly-once delivery."""
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        plain = pubsub.subscription(topic)
        exactly_once = pubsub.subscription(topic, enable_exactly_once_delivery=True)
        pubsub.publish(topic, b"x")
        ids = {name: pubsub.pull(name)[0].ack_id for name in (plain, exactly_once)}
        server.kill()
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        again = {name: pubsub.pull(name) for name in (plain, exactly_once)}
        pubsub.subscriber.acknowledge(subscription=plain, ack_ids=[ids[plain]])
        with pytest.raises(InvalidArgument):
            pubsub.subscriber.acknowledge(subscription=exactly_once, ack_ids=[ids[exactly_once]])
        for name, received in again.items():
            pubsub.nack(name, received)
            assert [each.message.data for each in pubsub.pull(name)] == [b"x"]
