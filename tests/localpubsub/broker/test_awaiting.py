"""Tests what happens while an operation awaits the disk: seeks, expiries, cancellations, refused writes."""

from typing import TYPE_CHECKING, cast

import pytest
from google.protobuf.field_mask_pb2 import FieldMask  # type: ignore[import-untyped]  # protobuf publishes no types

from localpubsub.broker.subscription_deletion import delete_subscription
from localpubsub.errors import InvalidArgument, NotFound, StoreFailure
from localpubsub.protocol.iam import Policy
from localpubsub.protocol.messages import (
    CreateSnapshotRequest,
    PubsubMessage,
    RequestPb,
    SeekRequest,
    Snapshot,
    Subscription,
    Topic,
)
from localpubsub.pull.flow_control import FlowControl
from localpubsub.pull.receive import PullLimits, receive
from localpubsub.pull.streaming_pull import serve_stream
from tests.localpubsub.broker.stepped_broker import NAME, TOPIC, SteppedBroker
from tests.localpubsub.broker.stream_context import StreamContext

if TYPE_CHECKING:
    from localpubsub.protocol.calls import Context

SNAPSHOT = "projects/p/snapshots/nnn"
ONE = PullLimits(max_messages=1, max_bytes=1000, lease_seconds=10)


def open_stream(stepped: SteppedBroker, max_outstanding_messages: int) -> StreamContext:
    """Open a stream on the subscription; return its context."""
    context = StreamContext(max_outstanding_messages)
    find = stepped.broker.catalogue.subscription
    stepped.start(serve_stream(stepped.broker, find, cast("Context", context)))
    return context


def seek_to(seconds: float) -> RequestPb:
    """Return the request of a seek to a time."""
    request = SeekRequest(subscription=NAME)
    request.time.seconds = int(seconds)
    return request


def test_stream_delivers_after_a_seek_during_its_read(stepped: SteppedBroker) -> None:
    """A lease that a seek ends during the read of its message does not count as outstanding any longer."""
    stepped.create()
    stepped.publish(b"1")
    stepped.restart()  # so that the message is read from the disk
    context = open_stream(stepped, max_outstanding_messages=1)
    assert stepped.jobs, "the stream must be reading"
    stepped.start(stepped.seeker.seek(seek_to(stepped.loop.now + 1)))
    stepped.finish()
    stepped.publish(b"2")
    assert context.received == [b"2"]


def test_stream_delivers_after_an_expiry_during_its_read(stepped: SteppedBroker) -> None:
    """A lease that expires during the read of its message does not count as outstanding any longer."""
    stepped.create()
    stepped.publish(b"1", b"2")
    stepped.restart()
    context = open_stream(stepped, max_outstanding_messages=1)
    stepped.advance(601)
    stepped.finish()
    subscription = stepped.broker.catalogue.subscription(NAME)
    for lease in list(subscription.backlog.outstanding.values()):
        stepped.acknowledge(lease)
    stepped.finish()
    assert context.received == [b"1", b"2"]


def test_message_that_two_consumers_read_is_delivered_to_the_second(stepped: SteppedBroker) -> None:
    """If a lease expires during the read, the next consumer reads the same message; neither fails."""
    stepped.create()
    stepped.publish(b"1")
    stepped.restart()
    subscription = stepped.broker.catalogue.subscription(NAME)
    first = stepped.start(receive(stepped.broker, subscription, ONE, FlowControl()))
    stepped.advance(11)
    second = stepped.start(receive(stepped.broker, subscription, ONE, FlowControl()))
    stepped.finish()
    assert first.result() == []
    assert [each.message.data for each in second.result()] == [b"1"]


def test_message_that_a_seek_acknowledges_during_its_read_is_not_delivered(stepped: SteppedBroker) -> None:
    """A pull that reads a message returns nothing if a seek acknowledges the message in the meantime."""
    stepped.create()
    stepped.publish(b"1")
    stepped.restart()
    subscription = stepped.broker.catalogue.subscription(NAME)
    pull = stepped.start(receive(stepped.broker, subscription, ONE, FlowControl()))
    stepped.start(stepped.seeker.seek(seek_to(stepped.loop.now + 1)))
    stepped.finish()
    assert pull.result() == []
    assert stepped.unacknowledged() == ([], [])


def test_cancelled_pull_undoes_its_deliveries(stepped: SteppedBroker) -> None:
    """Messages of a cancelled pull are ready at once, and their next attempt is the first."""
    stepped.create()
    stepped.publish(b"1")
    stepped.restart()
    subscription = stepped.broker.catalogue.subscription(NAME)
    stepped.start(receive(stepped.broker, subscription, ONE, FlowControl())).cancel()
    stepped.finish()
    assert stepped.lease().attempt == 1


@pytest.mark.parametrize("steps", range(4))
def test_cancelled_seek_leaves_memory_and_disk_equal(stepped: SteppedBroker, steps: int) -> None:
    """A seek whose caller is cancelled at any time continues, and the backlog equals the disk."""
    stepped.create(retain_acked_messages=True)
    first, second = stepped.publish(b"1", b"2")
    stepped.acknowledge(stepped.lease())
    stepped.finish()
    seek = stepped.start(stepped.seeker.seek(seek_to(0)))
    stepped.step(steps)
    seek.cancel()
    stepped.finish()
    assert stepped.unacknowledged() == ([first, second], [first, second])


def test_failed_seek_makes_outstanding_messages_ready(stepped: SteppedBroker) -> None:
    """After a seek that could not be written, the messages whose leases it has ended are delivered again."""
    stepped.create()
    stepped.publish(b"1", b"2")
    context = open_stream(stepped, max_outstanding_messages=1)
    stepped.finish()
    stepped.store.refuses = {"write"}
    seek = stepped.start(stepped.seeker.seek(seek_to(0)))
    stepped.finish()
    assert isinstance(seek.exception(), StoreFailure)
    assert context.received == [b"1", b"1"]


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize("steps", range(4))
def test_cancelled_creation_of_a_snapshot_leaves_memory_and_disk_equal(
    stepped: SteppedBroker, steps: int, refuses: bool
) -> None:
    """A snapshot whose creation is cancelled at any time is listed if and only if it is on disk."""
    stepped.create()
    stepped.publish(b"1")
    request = CreateSnapshotRequest(name=SNAPSHOT, subscription=NAME)
    creation = stepped.start(stepped.broker.snapshots.create(request))
    stepped.step(steps)
    creation.cancel()
    stepped.store.refuses = {"write"} if refuses else set()
    stepped.finish()
    on_disk = stepped.store._connection.execute("SELECT name FROM snapshot").fetchall()  # noqa: SLF001 - a test may look
    assert list(stepped.broker.snapshots.snapshots) == [name for (name,) in on_disk]
    retained_for = stepped.broker.catalogue.topic(TOPIC).snapshots
    assert len(retained_for) == len(on_disk)


def test_changes_of_cancelled_callers_are_undone_if_the_disk_refuses(stepped: SteppedBroker) -> None:
    """Of resources whose creation was cancelled and failed, none exists; changed ones are as before."""
    stepped.create()
    broker = stepped.broker
    stepped.store.refuses = {"write"}
    changed = Topic(name=TOPIC, labels={"a": "b"})
    mask = FieldMask(paths=["labels"])
    calls = [
        broker.catalogue.create_topic(Topic(name="projects/p/topics/new")),
        broker.catalogue.update_topic(changed, mask),
        broker.catalogue.create_subscription(
            Subscription(name="projects/p/subscriptions/new", topic="projects/p/topics/new")
        ),
        broker.policies.set(broker.catalogue.topic(TOPIC).number, Policy(version=1)),
        delete_subscription(broker.catalogue, NAME),
    ]
    for call in calls:
        stepped.start(call).cancel()
    stepped.finish()
    assert list(broker.catalogue.topics) == [TOPIC]
    assert list(broker.catalogue.subscriptions) == [NAME]
    assert not broker.catalogue.topic(TOPIC).resource.labels
    assert broker.policies.get(broker.catalogue.topic(TOPIC).number).version == 0


def test_failed_changes_of_one_transaction_are_undone_in_reverse_order(stepped: SteppedBroker) -> None:
    """After two changes of a topic that fail together, the topic is as it was before both."""
    stepped.create()
    mask = FieldMask(paths=["labels"])
    stepped.store.refuses = {"write"}
    for value in ("b", "c"):
        stepped.start(stepped.broker.catalogue.update_topic(Topic(name=TOPIC, labels={"a": value}), mask))
    stepped.finish()
    assert not stepped.broker.catalogue.topic(TOPIC).resource.labels


def test_subscription_fails_together_with_its_topic(stepped: SteppedBroker) -> None:
    """A subscription that is created while the creation of its topic fails is not created either."""
    catalogue = stepped.broker.catalogue
    stepped.store.refuses = {"write"}
    topic = stepped.start(catalogue.create_topic(Topic(name=TOPIC)))
    subscription = stepped.start(catalogue.create_subscription(Subscription(name=NAME, topic=TOPIC)))
    published = stepped.start(stepped.broker.publish(TOPIC, [PubsubMessage(data=b"x")]))
    assert len(stepped.jobs) == 1, "the topic is being written; the rest is in the next transaction"
    stepped.jobs.popleft()()
    stepped.store.refuses = set()
    stepped.finish()
    for call in (topic, subscription, published):
        assert isinstance(call.exception(), StoreFailure)
    assert not catalogue.subscriptions
    with pytest.raises(NotFound):
        catalogue.topic(TOPIC)


def test_second_ack_is_confirmed_only_once_the_first_is_on_disk(stepped: SteppedBroker) -> None:
    """The commit after an ack of a message whose first ack is being written waits for that write."""
    stepped.create()
    stepped.publish(b"1")
    lease = stepped.lease()
    stepped.acknowledge(lease)
    stepped.start(stepped.broker.journal.commit())
    assert len(stepped.jobs) == 1
    stepped.acknowledge(lease)
    second = stepped.start(stepped.broker.journal.commit())
    assert not second.done()
    stepped.finish()
    assert second.done()


@pytest.mark.parametrize("seconds", [-(2**63), -62_135_596_801, 253_402_300_800, 2**63 - 1])
def test_time_out_of_range_is_rejected_with_invalid_argument(stepped: SteppedBroker, seconds: int) -> None:
    """A seek to a time, and an expire_time, outside the years 1 to 9999 change nothing."""
    stepped.create()
    request = CreateSnapshotRequest(name=SNAPSHOT, subscription=NAME)
    stepped.call(stepped.broker.snapshots.create(request))
    changed = Snapshot(name=SNAPSHOT)
    changed.expire_time.seconds = seconds
    mask = FieldMask(paths=["expire_time"])
    for call in (stepped.seeker.seek(seek_to(seconds)), stepped.broker.snapshots.update(changed, mask)):
        with pytest.raises(InvalidArgument, match="0001-01-01T00:00:00Z"):
            stepped.call(call)
    assert len(stepped.publish(b"1")) == 1


def test_exception_of_a_consumer_does_not_stop_confirmations(stepped: SteppedBroker) -> None:
    """If a function that new messages call raises an exception, the publish is confirmed all the same."""
    subscription = stepped.create()

    def consumer() -> None:
        raise ZeroDivisionError

    subscription.consumers.add(consumer)
    assert len(stepped.publish(b"1")) == 1
    subscription.consumers.discard(consumer)
    assert len(stepped.publish(b"2")) == 1
