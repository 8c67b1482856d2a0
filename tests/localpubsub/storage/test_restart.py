"""What is kept for seek: across a kill, for how long, and in files of an earlier format."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.pubsub_v1.types import PubsubMessage

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

TOPIC, NAME = "projects/p/topics/ttt", "projects/p/subscriptions/sss"
DAY = 86_400.0


@contextmanager
def running(data: Path) -> Iterator[PubsubClient]:
    """A server on a data directory."""
    with localpubsub.running(data=data) as server, gapic_clients(server.host) as clients:
        yield PubsubClient(PubsubServer("localpubsub", server.host, None), 8, *clients)


def test_what_is_kept_for_seek_survives_sigkill(tmp_path: Path) -> None:
    """Snapshots, retained messages, policies, ordering keys and detachment are on disk when confirmed."""
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, retain_acked_messages=True, enable_message_ordering=True)
        detached = pubsub.subscription(topic)
        pubsub.publisher.detach_subscription({"subscription": detached})
        for name in (b"1", b"2", b"3"):
            message = PubsubMessage(data=name, ordering_key="k")
            pubsub.publisher.publish(topic=topic, messages=[message])
        held = pubsub.subscriber.create_snapshot(
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
        for target in ({"snapshot": held}, {"time": datetime.now(UTC) - timedelta(hours=1)}):
            pubsub.subscriber.seek({"subscription": subscription, **target})
            for name in (b"1", b"2", b"3"):
                received = pubsub.pull_now(subscription)
                assert [each.message.data for each in received] == [name]
                pubsub.ack(subscription, received)


def test_a_seek_amid_publishes_loses_nothing(tmp_path: Path) -> None:
    """Publishing and acknowledging go on while a subscription is sought again and again."""
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
        left = [received.message.message_id for received in pubsub.pull(subscription, len(published))]
    assert sorted(left) == sorted(published)


def test_a_file_of_the_first_format_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its backlog is still there, and what is new can be used on it."""
    with running(tmp_path) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        pubsub.publish(topic, b"old")
    with closing(sqlite3.connect(tmp_path / "pubsub.sqlite")) as database:
        database.executescript(
            "ALTER TABLE backlog DROP COLUMN key; DROP TABLE retained; DROP TABLE snapshot;"
            "DROP TABLE policy; PRAGMA user_version = 1;"
        )
    with running(tmp_path) as pubsub:
        held = pubsub.subscriber.create_snapshot(
            name=pubsub.name("snapshots"), subscription=subscription
        ).name
        pubsub.ack(subscription, pubsub.pull(subscription))
        pubsub.subscriber.seek({"subscription": subscription, "snapshot": held})
        assert [each.message.data for each in pubsub.pull(subscription)] == [b"old"]


class SetClock(Clock):
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0

    def now(self) -> float:
        """See Clock."""
        return super().now() + self.ahead


def at_a_broker(scenario: Callable[[Broker, SetClock, Store], Awaitable[None]]) -> None:
    """Run a scenario on a broker with a topic that retains for an hour."""

    async def run() -> None:
        store, clock = Store(None), SetClock()
        broker = Broker(store, clock)
        topic = Topic(name=TOPIC)
        topic.message_retention_duration.seconds = 3600
        await broker.catalogue.create_topic(topic)
        await scenario(broker, clock, store)
        await broker.close()
        store.close()

    asyncio.run(run())


async def advance(broker: Broker, clock: SetClock, seconds: float) -> None:
    """Let time pass, and everything that is due happen."""
    clock.ahead += seconds
    broker._advance()  # noqa: SLF001 - what the alarm calls
    await asyncio.gather(*broker._tasks)  # noqa: SLF001 - what it started
    await broker.journal.commit()


def bodies(store: Store) -> int:
    """Messages in the store."""
    return int(store.query(lambda database: database.execute("SELECT count(*) FROM message")).fetchone()[0])


def test_a_topic_keeps_messages_as_long_as_it_says() -> None:
    """message_retention_duration: within it they can be sought, after it they are gone."""

    async def scenario(broker: Broker, clock: SetClock, store: Store) -> None:
        await broker.publish(TOPIC, [RawMessage(data=b"x")])
        await advance(broker, clock, 3500)
        assert bodies(store) == 1
        await advance(broker, clock, 200)
        assert bodies(store) == 0

    at_a_broker(scenario)


def test_an_expired_snapshot_lets_go() -> None:
    """After seven days it is not found, and nothing is left of what only it held."""

    async def scenario(broker: Broker, clock: SetClock, store: Store) -> None:
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
            assert bodies(store) == 1
            assert "projects/p/snapshots/nnn" in broker.snapshots.snapshots
            subscription.used = True
            await advance(broker, clock, DAY * 0.99)
            if clock.ahead > 7 * DAY:
                break
        await advance(broker, clock, EXPIRY_INTERVAL)
        assert not broker.snapshots.snapshots
        assert bodies(store) == 0

    at_a_broker(scenario)


def test_a_subscription_that_nobody_uses_expires() -> None:
    """After the ttl without a call, pull or ack; each of them sets the clock back."""

    async def scenario(broker: Broker, clock: SetClock, _: Store) -> None:
        wish = Subscription(name=NAME, topic=TOPIC)
        wish.expiration_policy.ttl.seconds = int(2 * DAY)
        await broker.catalogue.create_subscription(wish)
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
        raise AssertionError("it is still there")

    at_a_broker(scenario)


def test_a_subscription_without_ttl_never_expires() -> None:
    """An expiration policy that names no ttl."""

    async def scenario(broker: Broker, clock: SetClock, _: Store) -> None:
        wish = Subscription(name=NAME, topic=TOPIC)
        wish.expiration_policy.SetInParent()
        await broker.catalogue.create_subscription(wish)
        for _month in range(3):
            await advance(broker, clock, 40 * DAY)
        assert NAME in broker.catalogue.subscriptions

    at_a_broker(scenario)
