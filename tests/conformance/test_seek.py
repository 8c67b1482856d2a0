"""Tests of seeks, snapshots and retained messages, and of detached subscriptions.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from google.pubsub_v1.types import PushConfig, Snapshot, Topic, UpdateTopicRequest

from tests.servers.pubsub_client import PROJECT, PubsubClient
from tests.servers.push_endpoint import PushEndpoint

HOUR = timedelta(hours=1)
CLOCK_STEP = timedelta(milliseconds=3)  #: This time is longer than the step of the emulator's clock.


def now() -> datetime:
    """Return a time after all earlier requests and before all later ones.

    This is so even if the server's clock has millisecond steps.
    """
    start = datetime.now(UTC)
    while datetime.now(UTC) - start < 2 * CLOCK_STEP:
        continue
    return start + CLOCK_STEP


def seek(pubsub: PubsubClient, subscription: str, **target: object) -> None:
    """Seek to a time or a snapshot."""
    pubsub.subscriber.seek({"subscription": subscription, **target})


def snapshot(pubsub: PubsubClient, subscription: str) -> str:
    """Create a snapshot and return its name."""
    made = pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription)
    return made.name


def ready_messages(pubsub: PubsubClient, subscription: str) -> list[str]:
    """Return the sorted data of the messages that are ready."""
    return sorted(received.message.data.decode() for received in pubsub.pull_now(subscription))


def test_seek_to_the_future_acknowledges_everything(pubsub: PubsubClient) -> None:
    """Behaviour 28: a seek to the future acknowledges all messages published before the seek."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"out", b"waiting")
    pubsub.nack(subscription, pubsub.pull(subscription))
    seek(pubsub, subscription, time=now() + HOUR)
    assert ready_messages(pubsub, subscription) == []
    pubsub.publish(topic, b"new")
    assert ready_messages(pubsub, subscription) == ["new"]


def test_seek_to_the_past_redelivers_retained_messages(pubsub: PubsubClient) -> None:
    """Behaviour 28: with retain_acked_messages, a seek redelivers acked messages published after its time."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, retain_acked_messages=True)
    pubsub.publish(topic, b"before")
    pubsub.ack(subscription, pubsub.pull(subscription))
    between = now()
    ids = pubsub.publish(topic, b"after")
    pubsub.ack(subscription, pubsub.pull(subscription))
    seek(pubsub, subscription, time=between)
    (again,) = pubsub.pull(subscription)
    assert (again.message.data, [again.message.message_id]) == (b"after", ids)


def test_seek_to_the_past_without_retention_redelivers_nothing(pubsub: PubsubClient) -> None:
    """Behaviour 28: without retention acked messages are not redelivered; unacked messages remain."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"acked")
    pubsub.ack(subscription, pubsub.pull(subscription))
    pubsub.publish(topic, b"unacked")
    seek(pubsub, subscription, time=now() - HOUR)
    assert ready_messages(pubsub, subscription) == ["unacked"]


@pytest.mark.emulator_differs("does not retain messages of a topic")
def test_seek_redelivers_messages_that_the_topic_retained(pubsub: PubsubClient) -> None:
    """Behaviour 28: a seek redelivers messages that the topic retained before the subscription existed."""
    topic = pubsub.topic(message_retention_duration=HOUR)
    pubsub.publish(topic, b"early")
    subscription = pubsub.subscription(topic)
    assert ready_messages(pubsub, subscription) == []
    seek(pubsub, subscription, time=now() - HOUR)
    assert ready_messages(pubsub, subscription) == ["early"]


@pytest.mark.emulator_differs("does not return the topic's retention")
def test_subscription_shows_the_retention_of_its_topic(pubsub: PubsubClient) -> None:
    """Behaviours 10 and 28: a subscription shows its topic's retention, even after an update of the topic."""
    topic = pubsub.topic(message_retention_duration=HOUR)
    made = pubsub.created(topic)
    assert made.topic_message_retention_duration == HOUR
    changed = Topic(name=topic, message_retention_duration=2 * HOUR)
    mask = {"paths": ["message_retention_duration"]}
    pubsub.publisher.update_topic(UpdateTopicRequest(topic=changed, update_mask=mask))
    found = pubsub.subscriber.get_subscription(subscription=made.name)
    assert found.topic_message_retention_duration == 2 * HOUR


@pytest.mark.emulator_differs("rejects message_retention_duration as an unknown field")
def test_topic_without_retention_deletes_retained_messages(pubsub: PubsubClient) -> None:
    """Behaviours 10 and 28: an update that removes the retention deletes the retained messages."""
    topic = pubsub.topic(message_retention_duration=HOUR)
    pubsub.publish(topic, b"early")
    pubsub.publisher.update_topic(
        UpdateTopicRequest(topic=Topic(name=topic), update_mask={"paths": ["message_retention_duration"]})
    )
    subscription = pubsub.subscription(topic)
    seek(pubsub, subscription, time=now() - HOUR)
    assert ready_messages(pubsub, subscription) == []


def test_snapshot_retains_unacked_and_later_messages(pubsub: PubsubClient) -> None:
    """Behaviour 28: a seek to a snapshot redelivers the messages that were acked after its creation."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"acked before")
    pubsub.ack(subscription, pubsub.pull(subscription))
    pubsub.publish(topic, b"unacked")
    name = snapshot(pubsub, subscription)
    pubsub.publish(topic, b"since")
    pubsub.ack(subscription, pubsub.pull(subscription, 2))
    assert ready_messages(pubsub, subscription) == []
    seek(pubsub, subscription, snapshot=name)
    assert ready_messages(pubsub, subscription) == ["since", "unacked"]


def test_snapshot_can_be_used_by_another_subscription_of_its_topic(pubsub: PubsubClient) -> None:
    """Behaviour 28: a snapshot can be used by every subscription of its topic, but by no other."""
    topic = pubsub.topic()
    first, second = pubsub.subscription(topic), pubsub.subscription(topic)
    pubsub.publish(topic, b"x")
    pubsub.ack(second, pubsub.pull(second))
    name = snapshot(pubsub, first)
    pubsub.publish(topic, b"y")
    seek(pubsub, second, snapshot=name)
    assert ready_messages(pubsub, second) == ["x", "y"]
    with pytest.raises((FailedPrecondition, InvalidArgument)):
        seek(pubsub, pubsub.subscription(pubsub.topic()), snapshot=name)


@pytest.mark.emulator_differs("does not retain messages of a topic and ignores filters")
def test_seek_applies_the_filter(pubsub: PubsubClient) -> None:
    """Behaviours 24 and 28: a seek delivers only messages that match the filter."""
    topic = pubsub.topic(message_retention_duration=HOUR)
    pubsub.publish(topic, b"no")
    pubsub.publish(topic, b"yes", a="1")
    subscription = pubsub.subscription(topic, filter="attributes:a")
    seek(pubsub, subscription, time=now() - HOUR)
    assert ready_messages(pubsub, subscription) == ["yes"]


def test_snapshot_is_created_listed_and_deleted(pubsub: PubsubClient) -> None:
    """Behaviour 28: a snapshot is listed until it is deleted; its name cannot be used twice."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    name = snapshot(pubsub, subscription)
    with pytest.raises(AlreadyExists):
        pubsub.subscriber.create_snapshot(name=name, subscription=subscription)
    with pytest.raises(NotFound):
        pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription + "-not")
    listed = pubsub.subscriber.list_snapshots(project=f"projects/{PROJECT}")
    assert name in {each.name for each in listed}
    pubsub.subscriber.delete_snapshot(snapshot=name)
    with pytest.raises(NotFound):
        seek(pubsub, subscription, snapshot=name)
    with pytest.raises(NotFound):
        pubsub.subscriber.delete_snapshot(snapshot=name)


def test_snapshot_expires_within_seven_days(pubsub: PubsubClient) -> None:
    """Behaviour 28: a snapshot lasts for seven days minus the age of its oldest message."""
    subscription = pubsub.subscription(pubsub.topic())
    made = pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription)
    remaining = made.expire_time - now()
    assert timedelta(days=7) - HOUR < remaining <= timedelta(days=7)


def test_get_snapshot(pubsub: PubsubClient) -> None:
    """Behaviour 28: get_snapshot returns the snapshot that create_snapshot returned."""
    subscription = pubsub.subscription(pubsub.topic())
    made = pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription)
    assert pubsub.subscriber.get_snapshot(snapshot=made.name) == made


@pytest.mark.emulator_differs("does not offer ListTopicSnapshots")
def test_list_topic_snapshots(pubsub: PubsubClient) -> None:
    """Behaviour 28: the snapshots of a topic are listed; a deleted topic leaves its snapshots."""
    topic = pubsub.topic()
    name = snapshot(pubsub, pubsub.subscription(topic))
    snapshot(pubsub, pubsub.subscription(pubsub.topic()))
    assert list(pubsub.publisher.list_topic_snapshots(topic=topic)) == [name]
    pubsub.publisher.delete_topic(topic=topic)
    assert pubsub.subscriber.get_snapshot(snapshot=name).topic == "_deleted-topic_"


@pytest.mark.emulator_differs("rejects labels as an unknown field")
def test_update_snapshot_labels(pubsub: PubsubClient) -> None:
    """Behaviours 10 and 28: the labels of a snapshot can be updated, but not its topic."""
    name = snapshot(pubsub, pubsub.subscription(pubsub.topic()))
    changed = Snapshot(name=name, labels={"team": "one"}, topic="projects/p/topics/ttt")
    request = {"snapshot": changed, "update_mask": {"paths": ["labels"]}}
    assert dict(pubsub.subscriber.update_snapshot(request).labels) == {"team": "one"}
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.update_snapshot({"snapshot": changed, "update_mask": {"paths": ["topic"]}})


@pytest.mark.emulator_differs("does not offer DetachSubscription")
def test_detached_subscription_receives_no_pushes(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 30: after a detach, neither the backlog nor later messages are pushed."""
    endpoint.respond = lambda _: 500
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url))
    pubsub.publish(topic, b"x")
    endpoint.wait_for(1)
    pubsub.publisher.detach_subscription({"subscription": subscription})
    count = len(endpoint.pushes)
    pubsub.publish(topic, b"y")
    with pytest.raises(AssertionError):
        endpoint.wait_for(count + 2, 1.0)


@pytest.mark.emulator_differs("does not offer DetachSubscription")
def test_calls_on_a_detached_subscription_fail_with_failed_precondition(pubsub: PubsubClient) -> None:
    """Behaviour 30: a detached subscription has ``detached`` set, and pull, ack and seek fail."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"x")
    received = pubsub.pull(subscription)
    pubsub.publisher.detach_subscription({"subscription": subscription})
    assert pubsub.subscriber.get_subscription(subscription=subscription).detached
    with pytest.raises(FailedPrecondition):
        pubsub.pull_now(subscription)
    with pytest.raises(FailedPrecondition):
        pubsub.ack(subscription, received)
    with pytest.raises(FailedPrecondition):
        seek(pubsub, subscription, time=now())
    assert list(pubsub.publisher.list_topic_subscriptions(topic=topic)) == []
    with pytest.raises(NotFound):
        pubsub.publisher.detach_subscription({"subscription": subscription + "-not"})
