"""Tests that a subscription of another version is replaced, and keeps its messages."""

from collections.abc import Iterator

import pytest
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1 import types

import localpubsub
from console.stack.pubsub_setup import (
    prepare_topology,
    publisher_client,
    subscriber_client,
    subscription_path,
    topic_path,
)
from console.stack.replacement import delete_if_different, restore_messages
from console.stack.services import PROJECT, DeliveryPolicy
from contract.topology import (
    DISPATCH_FILTER,
    DISPATCH_SUBSCRIPTION,
    DISPATCH_TOPIC,
    JOBS_TOPIC,
    PUSH_SUBSCRIPTION,
)

SUBSCRIPTION = subscription_path(PUSH_SUBSCRIPTION)
WANTED = types.Subscription(name=SUBSCRIPTION, topic=topic_path(JOBS_TOPIC), enable_message_ordering=True)
SNAPSHOT = f"projects/{PROJECT}/snapshots/{PUSH_SUBSCRIPTION}-replaced"


def publish(host: str, *names: str) -> None:
    """Publish a job for each name, and wait for the confirmations."""
    with publisher_client(host) as publisher:
        futures = [publisher.publish(topic_path(JOBS_TOPIC), name.encode(), job_id=name) for name in names]
        for future in futures:
            future.result(timeout=120)


def pull(host: str, count: int) -> list[str]:
    """Pull and acknowledge `count` jobs of the jobs subscription, and return their names."""
    names = list[str]()
    with subscriber_client(host) as subscriber:
        while len(names) < count:
            pulled = subscriber.pull(
                subscription=SUBSCRIPTION, max_messages=count - len(names), timeout=120, retry=None
            ).received_messages
            names += [each.message.data.decode() for each in pulled]
            subscriber.acknowledge(
                subscription=SUBSCRIPTION, ack_ids=[each.ack_id for each in pulled], timeout=120
            )
    return names


def subscription_of(subscriber: SubscriberClient) -> types.Subscription:
    """Return the jobs subscription."""
    found: types.Subscription = subscriber.get_subscription(subscription=SUBSCRIPTION, timeout=120)
    return found


def start(host: str) -> None:
    """Prepare the topology as at the start of a stack, and end the pushes, so that the jobs can be pulled."""
    policy = DeliveryPolicy(minimum_backoff_seconds=0, maximum_backoff_seconds=0)
    prepare_topology(host, "http://127.0.0.1:9/", policy)
    with subscriber_client(host) as subscriber:
        subscriber.modify_push_config(subscription=SUBSCRIPTION, push_config=types.PushConfig(), timeout=120)


@pytest.fixture
def host() -> Iterator[str]:
    """Yield a Pub/Sub with an unordered jobs subscription; of its jobs a, b and c, one is acknowledged."""
    with localpubsub.running() as server:
        start(server.host)
        with subscriber_client(server.host) as subscriber:
            wanted = subscription_of(subscriber)
            subscriber.delete_subscription(subscription=SUBSCRIPTION, timeout=120)
            subscriber.create_subscription(
                request={"name": SUBSCRIPTION, "topic": wanted.topic, "ack_deadline_seconds": 10}, timeout=120
            )
        publish(server.host, "a", "b", "c")
        yield server.host


def snapshot(subscriber: SubscriberClient) -> None:
    """Make the first step of the replacement."""
    subscriber.create_snapshot(name=SNAPSHOT, subscription=SUBSCRIPTION, timeout=120)


def delete(subscriber: SubscriberClient) -> None:
    """Make the first two steps of the replacement."""
    delete_if_different(subscriber, WANTED)


def create(subscriber: SubscriberClient) -> None:
    """Make the first three steps of the replacement."""
    delete(subscriber)
    subscriber.create_subscription(request=WANTED, timeout=120)


@pytest.mark.parametrize("interrupted_after", [None, snapshot, delete, create])
def test_unordered_subscription_is_replaced_and_keeps_its_jobs(host: str, interrupted_after: object) -> None:
    """The jobs that are not acknowledged are delivered once, even if an earlier start was interrupted."""
    # Given an unordered subscription of which one job is done
    done = pull(host, 1)
    # And a start that was interrupted after some steps, and a job that was published since
    if callable(interrupted_after):
        with subscriber_client(host) as subscriber:
            interrupted_after(subscriber)
    publish(host, "d")
    # When the stack starts
    start(host)
    # Then the subscription has message ordering, and the other jobs
    with subscriber_client(host) as subscriber:
        assert subscription_of(subscriber).enable_message_ordering
        assert list(subscriber.list_snapshots(project=f"projects/{PROJECT}")) == []
    assert sorted(done + pull(host, 3)) == ["a", "b", "c", "d"]
    # And another start changes nothing: new jobs come next
    start(host)
    publish(host, "e")
    assert pull(host, 1) == ["e"]


def test_subscription_without_a_filter_is_replaced_and_keeps_its_shards(host: str) -> None:
    """An end record that an earlier version left in the subscription of shards is not delivered any more."""
    name, topic = subscription_path(DISPATCH_SUBSCRIPTION), topic_path(DISPATCH_TOPIC)
    wanted = types.Subscription(name=name, topic=topic, filter=DISPATCH_FILTER)
    with subscriber_client(host) as subscriber, publisher_client(host) as publisher:
        # Given a subscription without a filter, with an end record and a shard
        subscriber.create_subscription(request={"name": name, "topic": topic}, timeout=120)
        publisher.publish(topic, b"end", dispatch="complete").result(timeout=120)
        publisher.publish(topic, b"shard", shard="2").result(timeout=120)
        # When it is replaced
        delete_if_different(subscriber, wanted)
        subscriber.create_subscription(request=wanted, timeout=120)
        restore_messages(subscriber, name)
        # Then of the messages it has only the shard, and it is not replaced again
        pulled = subscriber.pull(subscription=name, max_messages=10, timeout=120).received_messages
        assert [each.message.data for each in pulled] == [b"shard"]
        delete_if_different(subscriber, wanted)
        assert subscriber.get_subscription(subscription=name, timeout=120).filter == DISPATCH_FILTER
