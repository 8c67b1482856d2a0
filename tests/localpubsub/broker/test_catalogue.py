"""Tests that a change of a resource is undone in memory if it cannot be written to disk."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription_deletion import delete_subscription, detach_subscription
from localpubsub.clock import Clock
from localpubsub.errors import StoreFailure
from localpubsub.protocol.messages import CreateSnapshotRequest, FieldMaskPb, Subscription, Topic
from localpubsub.protocol.messages import UpdateSubscriptionRequest as UpdateRequest
from localpubsub.storage.store import Store

TOPIC, OTHER = "projects/p/topics/ttt", "projects/p/topics/other"
SUBSCRIPTION, SNAPSHOT = "projects/p/subscriptions/sss", "projects/p/snapshots/nnn"


def mask(*paths: str) -> FieldMaskPb:
    """Return a field mask with these paths."""
    return UpdateRequest(update_mask={"paths": paths}).update_mask


#: Description of a change → function that makes the change.
CHANGES: dict[str, Callable[[Broker], Awaitable[object]]] = {
    "create a topic": lambda broker: broker.catalogue.create_topic(Topic(name=OTHER)),
    "update a topic": lambda broker: broker.catalogue.update_topic(
        Topic(name=TOPIC, labels={"a": "b"}), mask("labels")
    ),
    "delete a topic": lambda broker: broker.catalogue.delete_topic(TOPIC),
    "create a subscription": lambda broker: broker.catalogue.create_subscription(
        Subscription(name="projects/p/subscriptions/other", topic=TOPIC)
    ),
    "update a subscription": lambda broker: broker.catalogue.update_subscription(
        Subscription(name=SUBSCRIPTION, labels={"a": "b"}), mask("labels")
    ),
    "detach a subscription": lambda broker: detach_subscription(broker.catalogue, SUBSCRIPTION),
    "delete a subscription": lambda broker: delete_subscription(broker.catalogue, SUBSCRIPTION),
    "delete a snapshot": lambda broker: broker.snapshots.delete(SNAPSHOT),
}


def resources(broker: Broker) -> dict[str, bytes]:
    """Return all encoded resources by full name, and the names of the subscriptions of each topic."""
    catalogue = broker.catalogue
    topics, subscriptions = catalogue.topics.values(), catalogue.subscriptions.values()
    found = {topic.name: topic.resource.SerializeToString(deterministic=True) for topic in topics}
    found |= {each.name: each.resource.SerializeToString(deterministic=True) for each in subscriptions}
    for name, snapshot in broker.snapshots.snapshots.items():
        found[name] = snapshot.resource.SerializeToString(deterministic=True)
    for topic in topics:
        found[f"{topic.name} is delivered to"] = repr([each.name for each in topic.subscriptions]).encode()
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_change_that_cannot_be_written_is_undone(change: str) -> None:
    """A change that cannot be written raises StoreFailure, and all resources stay as before."""

    async def scenario() -> None:
        store = Store(None)
        broker = Broker(store, Clock())
        await broker.catalogue.create_topic(Topic(name=TOPIC))
        await broker.catalogue.create_subscription(Subscription(name=SUBSCRIPTION, topic=TOPIC))
        await broker.snapshots.create(CreateSnapshotRequest(name=SNAPSHOT, subscription=SUBSCRIPTION))
        before = resources(broker)
        store.query(lambda connection: connection.execute("PRAGMA query_only = ON"))
        with pytest.raises(StoreFailure):
            await CHANGES[change](broker)
        assert resources(broker) == before
        store.query(lambda connection: connection.execute("PRAGMA query_only = OFF"))
        await CHANGES[change](broker)
        assert resources(broker) != before
        await broker.close()
        store.close()

    asyncio.run(scenario())
