"""Seek, snapshots, and what is kept for them."""

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from google.pubsub_v1.types import PushConfig, Snapshot, Topic, UpdateTopicRequest

from tests.servers.pubsub_client import PROJECT, PubsubClient
from tests.servers.push_endpoint import PushEndpoint

HOUR = timedelta(hours=1)
CLOCK = timedelta(milliseconds=3)  #: more than the coarsest clock's step


def now() -> datetime:
    """A time between what was done and what is done next, by a clock of milliseconds too (the emulator's)."""
    begun = datetime.now(UTC)
    while datetime.now(UTC) - begun < 2 * CLOCK:
        continue
    return begun + CLOCK


def seek(pubsub: PubsubClient, subscription: str, **target: object) -> None:
    """To a time or a snapshot."""
    pubsub.subscriber.seek({"subscription": subscription, **target})


def snapshot(pubsub: PubsubClient, subscription: str) -> str:
    """Name of a new snapshot."""
    made = pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription)
    return made.name


def waiting(pubsub: PubsubClient, subscription: str) -> list[str]:
    """What is there."""
    return sorted(received.message.data.decode() for received in pubsub.pull_now(subscription))


def test_a_seek_to_the_future_acknowledges_everything(pubsub: PubsubClient) -> None:
    """Behaviour 28: what was published before the time is acknowledged, waiting and outstanding alike."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"out", b"waiting")
    pubsub.nack(subscription, pubsub.pull(subscription))
    seek(pubsub, subscription, time=now() + HOUR)
    assert waiting(pubsub, subscription) == []
    pubsub.publish(topic, b"new")
    assert waiting(pubsub, subscription) == ["new"]


def test_a_seek_to_the_past_brings_back_what_was_retained(pubsub: PubsubClient) -> None:
    """Behaviour 28: with retain_acked_messages acked messages from that time on are delivered again."""
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


def test_a_seek_to_the_past_brings_back_nothing_that_was_not_kept(pubsub: PubsubClient) -> None:
    """Behaviour 28: without retention an ack is for good; what was not acked stays."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"acked")
    pubsub.ack(subscription, pubsub.pull(subscription))
    pubsub.publish(topic, b"unacked")
    seek(pubsub, subscription, time=now() - HOUR)
    assert waiting(pubsub, subscription) == ["unacked"]


@pytest.mark.differs("keeps nothing for a topic")
def test_a_topic_keeps_messages_for_all_its_subscriptions(pubsub: PubsubClient) -> None:
    """Behaviour 28: message_retention_duration of the topic, even for a subscription that came later."""
    topic = pubsub.topic(message_retention_duration=HOUR)
    pubsub.publish(topic, b"early")
    subscription = pubsub.subscription(topic)
    assert waiting(pubsub, subscription) == []
    seek(pubsub, subscription, time=now() - HOUR)
    assert waiting(pubsub, subscription) == ["early"]


@pytest.mark.differs("does not tell")
def test_a_subscription_tells_how_long_its_topic_keeps(pubsub: PubsubClient) -> None:
    """Behaviours 10 and 28: topic_message_retention_duration follows the topic."""
    topic = pubsub.topic(message_retention_duration=HOUR)
    made = pubsub.created(topic)
    assert made.topic_message_retention_duration == HOUR
    wish = Topic(name=topic, message_retention_duration=2 * HOUR)
    mask = {"paths": ["message_retention_duration"]}
    pubsub.publisher.update_topic(UpdateTopicRequest(topic=wish, update_mask=mask))
    told = pubsub.subscriber.get_subscription(subscription=made.name)
    assert told.topic_message_retention_duration == 2 * HOUR


@pytest.mark.differs("does not know the field")
def test_a_topic_that_keeps_no_more_has_nothing(pubsub: PubsubClient) -> None:
    """Behaviours 10 and 28: taking the retention away lets go of what was kept."""
    topic = pubsub.topic(message_retention_duration=HOUR)
    pubsub.publish(topic, b"early")
    pubsub.publisher.update_topic(
        UpdateTopicRequest(topic=Topic(name=topic), update_mask={"paths": ["message_retention_duration"]})
    )
    subscription = pubsub.subscription(topic)
    seek(pubsub, subscription, time=now() - HOUR)
    assert waiting(pubsub, subscription) == []


def test_a_snapshot_holds_what_was_unacked_and_all_since(pubsub: PubsubClient) -> None:
    """Behaviour 28: what was acked before stays acked; what was acked since comes back."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"acked before")
    pubsub.ack(subscription, pubsub.pull(subscription))
    pubsub.publish(topic, b"unacked")
    held = snapshot(pubsub, subscription)
    pubsub.publish(topic, b"since")
    pubsub.ack(subscription, pubsub.pull(subscription, 2))
    assert waiting(pubsub, subscription) == []
    seek(pubsub, subscription, snapshot=held)
    assert waiting(pubsub, subscription) == ["since", "unacked"]


def test_a_snapshot_serves_another_subscription(pubsub: PubsubClient) -> None:
    """Behaviour 28: of the same topic; one of another topic is refused."""
    topic = pubsub.topic()
    first, second = pubsub.subscription(topic), pubsub.subscription(topic)
    pubsub.publish(topic, b"x")
    pubsub.ack(second, pubsub.pull(second))
    held = snapshot(pubsub, first)
    pubsub.publish(topic, b"y")
    seek(pubsub, second, snapshot=held)
    assert waiting(pubsub, second) == ["x", "y"]
    with pytest.raises((FailedPrecondition, InvalidArgument)):
        seek(pubsub, pubsub.subscription(pubsub.topic()), snapshot=held)


@pytest.mark.differs("keeps nothing for a topic, and ignores filters")
def test_a_seek_keeps_to_the_filter(pubsub: PubsubClient) -> None:
    """Behaviours 24 and 28: what a subscription does not want, no seek brings it."""
    topic = pubsub.topic(message_retention_duration=HOUR)
    pubsub.publish(topic, b"no")
    pubsub.publish(topic, b"yes", a="1")
    subscription = pubsub.subscription(topic, filter="attributes:a")
    seek(pubsub, subscription, time=now() - HOUR)
    assert waiting(pubsub, subscription) == ["yes"]


def test_snapshots_are_resources(pubsub: PubsubClient) -> None:
    """Behaviour 28: created once, got, listed, deleted."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    held = snapshot(pubsub, subscription)
    with pytest.raises(AlreadyExists):
        pubsub.subscriber.create_snapshot(name=held, subscription=subscription)
    with pytest.raises(NotFound):
        pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription + "-not")
    listed = pubsub.subscriber.list_snapshots(project=f"projects/{PROJECT}")
    assert held in {each.name for each in listed}
    pubsub.subscriber.delete_snapshot(snapshot=held)
    with pytest.raises(NotFound):
        seek(pubsub, subscription, snapshot=held)
    with pytest.raises(NotFound):
        pubsub.subscriber.delete_snapshot(snapshot=held)


def test_a_snapshot_expires_within_seven_days(pubsub: PubsubClient) -> None:
    """Behaviour 28: seven days less the age of its oldest message."""
    subscription = pubsub.subscription(pubsub.topic())
    made = pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription)
    left = made.expire_time - now()
    assert timedelta(days=7) - HOUR < left <= timedelta(days=7)


def test_one_snapshot_can_be_got(pubsub: PubsubClient) -> None:
    """Behaviour 28: as it was answered when it was made."""
    subscription = pubsub.subscription(pubsub.topic())
    made = pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription)
    assert pubsub.subscriber.get_snapshot(snapshot=made.name) == made


@pytest.mark.differs("does not offer ListTopicSnapshots")
def test_a_topic_lists_its_snapshots(pubsub: PubsubClient) -> None:
    """Behaviour 28: by name; a deleted topic leaves its snapshots."""
    topic = pubsub.topic()
    held = snapshot(pubsub, pubsub.subscription(topic))
    snapshot(pubsub, pubsub.subscription(pubsub.topic()))
    assert list(pubsub.publisher.list_topic_snapshots(topic=topic)) == [held]
    pubsub.publisher.delete_topic(topic=topic)
    assert pubsub.subscriber.get_snapshot(snapshot=held).topic == "_deleted-topic_"


@pytest.mark.differs("does not know the field")
def test_a_snapshot_can_be_labelled(pubsub: PubsubClient) -> None:
    """Behaviours 10 and 28: labels and expire_time change by mask, and nothing else does."""
    held = snapshot(pubsub, pubsub.subscription(pubsub.topic()))
    wish = Snapshot(name=held, labels={"team": "one"}, topic="projects/p/topics/ttt")
    request = {"snapshot": wish, "update_mask": {"paths": ["labels"]}}
    assert dict(pubsub.subscriber.update_snapshot(request).labels) == {"team": "one"}
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.update_snapshot({"snapshot": wish, "update_mask": {"paths": ["topic"]}})


@pytest.mark.differs("does not offer DetachSubscription")
def test_a_detached_subscription_is_pushed_nothing(pubsub: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 30: neither its backlog nor what is published later."""
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


@pytest.mark.differs("does not offer DetachSubscription")
def test_a_detached_subscription_is_cut_off(pubsub: PubsubClient) -> None:
    """Behaviour 30: it says so, its messages are gone, and pull, ack and seek answer FAILED_PRECONDITION."""
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
