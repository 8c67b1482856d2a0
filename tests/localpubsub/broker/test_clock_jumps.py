"""Tests a broker whose clock jumps, or is behind the times that its file contains."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from localpubsub.broker.broker import Broker
from localpubsub.broker.state import ServerState
from localpubsub.broker.subscription import Subscription
from localpubsub.clock import Clock
from localpubsub.protocol.messages import PubsubMessage, SeekRequest, Topic
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from localpubsub.storage.store import Store
from tests.localpubsub.broker.stepped_broker import NAME, NOW, TOPIC, SteppedBroker
from tests.servers.waiting import MAX_WAIT_SECONDS

AHEAD: Final = (
    60 * 3600.0
)  #: Seconds by which the times in a file are ahead of the clock, as after a scaled run.
SNAPSHOT: Final = "projects/p/snapshots/snap"


@pytest.fixture
def behind(tmp_path: Path) -> SteppedBroker:
    """A broker on a file with two messages that were published in the future."""
    file = tmp_path / "pubsub.sqlite"
    earlier = SteppedBroker(file, NOW + AHEAD)
    earlier.create(retain_acked_messages=True, message_retention_duration={"seconds": 3600})
    earlier.publish(b"old 1", b"old 2")
    request = type("", (), {"name": SNAPSHOT, "subscription": NAME, "labels": {}})()
    earlier.call(earlier.broker.snapshots.create(request))
    earlier.close()
    return SteppedBroker(file, NOW)


def seek(stepped: SteppedBroker, seconds: float) -> None:
    """Seek the subscription to a time, in seconds since the epoch."""
    request = SeekRequest(subscription=NAME)
    request.time.FromMicroseconds(int(seconds * 1e6))
    stepped.call(stepped.seeker.seek(request))


def test_new_ids_are_higher_and_new_messages_are_published_now(behind: SteppedBroker) -> None:
    """If the file has ids of the future, new ids follow them, with publish times of now."""
    old, _ = behind.unacknowledged()
    behind.advance(5)
    (new,) = behind.publish(b"new")
    assert new > max(old)
    record = behind.store.read([new], 1000)[new]
    assert PubsubMessage.FromString(record).publish_time.ToSeconds() == int(behind.loop.now)
    behind.close()


def test_seek_to_now_acknowledges_messages_of_the_future(behind: SteppedBroker) -> None:
    """A seek to now acknowledges messages whose time is later, because they were published before."""
    behind.advance(5)
    seek(behind, behind.loop.now)
    assert behind.unacknowledged() == ([], [])
    behind.advance(5)
    (new,) = behind.publish(b"new")
    assert behind.unacknowledged() == ([new], [new])
    seek(behind, NOW - 60)  # retained messages are unacknowledged again
    assert len(behind.unacknowledged()[0]) == 3
    seek(behind, NOW + 7)
    behind.restart()
    assert behind.unacknowledged() == ([new], [new])
    behind.close()


def test_retention_age_and_snapshot_of_the_future_count_from_the_start(behind: SteppedBroker) -> None:
    """Messages of the future are as old as the run; they and their snapshot expire in time."""
    behind.advance(60)
    (state,) = ServerState(behind.broker).subscriptions()
    assert state.oldest_unacked_seconds == pytest.approx(60, abs=0.01)
    assert len(behind.unacknowledged()[0]) == 2
    behind.advance(3600)
    behind.finish()
    assert behind.unacknowledged() == ([], [])
    behind.advance(7 * 86_400)
    behind.finish()
    assert not behind.broker.snapshots.snapshots
    behind.close()


async def until(fact: Callable[[], bool]) -> None:
    """Return once a fact is true; it is checked after each iteration of the event loop."""
    async with asyncio.timeout(MAX_WAIT_SECONDS):
        while not fact():  # noqa: ASYNC110 - the backlog has no event to wait for
            await asyncio.sleep(0.001)


async def ready_messages(broker: Broker, subscription: Subscription, count: int) -> list[bytes]:
    """Wait until this number of messages is ready, and deliver them; return their data in order."""
    await until(lambda: subscription.backlog.ready(broker.clock.now()) >= count)
    found = []
    for _ in range(count):
        lease = broker.deliver(subscription, 1000)
        assert lease is not None
        record = await broker.record(subscription, lease)
        assert record is not None
        found.append(bytes(PubsubMessage.FromString(record).data))
    return found


def with_broker(scenario: Callable[[Broker, Subscription], Awaitable[None]]) -> None:
    """Run a scenario on a broker with a subscription with a backoff of 10 s and a retention of 1,800 s."""

    async def run() -> None:
        store = Store(None)
        broker = Broker(store, Clock())
        await broker.catalogue.create_topic(Topic(name=TOPIC))
        given = SubscriptionMessage(name=NAME, topic=TOPIC)
        given.message_retention_duration.seconds = 1800
        given.retry_policy.minimum_backoff.seconds = 10
        given.retry_policy.maximum_backoff.seconds = 10
        await scenario(broker, await broker.catalogue.create_subscription(given))
        await broker.close()
        store.close()

    asyncio.run(run())


def test_advance_ends_leases_and_backoffs_in_their_order_and_then_retention() -> None:
    """What ends within the time that is passed over ends in its order, each backoff after its lease."""

    async def scenario(broker: Broker, subscription: Subscription) -> None:
        await broker.publish(
            TOPIC, [PubsubMessage(data=data) for data in (b"300 s", b"nacked", b"12 s", b"5 s")]
        )
        for seconds in (300, 0, 12, 5):
            lease = broker.deliver(subscription, seconds or 600)
            assert lease is not None
            if not seconds:
                broker.nack(subscription, lease)
        broker.clock.advance(600)
        assert await ready_messages(broker, subscription, 4) == [b"nacked", b"5 s", b"12 s", b"300 s"]
        broker.clock.advance(1300)  # the leases of 1,000 s end, and then the retention
        await until(lambda: not len(subscription.backlog))

    with_broker(scenario)
