"""Tests resources that are deleted, and created again with the same name, while an operation awaits."""

from typing import TYPE_CHECKING, cast

import pytest

from localpubsub.api.subscriber import SubscriberService
from localpubsub.broker.expiration import delete_unused
from localpubsub.broker.subscription_deletion import delete_subscription
from localpubsub.errors import InvalidArgument, NotFound
from localpubsub.protocol.iam import Policy
from localpubsub.protocol.messages import (
    CreateSnapshotRequest,
    PullRequest,
    ResponsePb,
    Schema,
    Subscription,
)
from localpubsub.pull.streaming_pull import serve_stream
from tests.localpubsub.broker.stepped_broker import NAME, TOPIC, SteppedBroker
from tests.localpubsub.broker.stream_context import StreamContext

if TYPE_CHECKING:
    from localpubsub.protocol.calls import Context
    from localpubsub.schemas.registry import Revision

SCHEMA = "projects/p/schemas/abc"
OTHER = "projects/p/subscriptions/other"
LATER = 100 * 86_400.0  #: Seconds after which unused subscriptions and all snapshots have expired.


def recreate(stepped: SteppedBroker, name: str = NAME) -> None:
    """Delete the subscription, and create it again in the same transaction."""
    stepped.start(delete_subscription(stepped.broker.catalogue, name))
    resource = Subscription(name=name, topic=TOPIC, ack_deadline_seconds=10)
    stepped.start(stepped.broker.catalogue.create_subscription(resource))
    stepped.finish()


def test_stream_of_a_replaced_subscription_ends(stepped: SteppedBroker) -> None:
    """A stream does not wait for ever on a subscription that another one of the same name has replaced."""
    stepped.create()
    find, context = stepped.broker.catalogue.subscription, cast("Context", StreamContext())
    stream = stepped.start(serve_stream(stepped.broker, find, context))
    recreate(stepped)
    assert isinstance(stream.exception(), NotFound)


def test_pull_of_a_replaced_subscription_ends(stepped: SteppedBroker) -> None:
    """A pull that waits does not take messages of another subscription, whose consumers it is not among."""
    stepped.create()
    request = PullRequest(subscription=NAME, max_messages=1)
    service = SubscriberService(stepped.broker)
    pull = stepped.start(service.pull(request, cast("Context", StreamContext())))
    recreate(stepped)
    assert isinstance(pull.exception(), NotFound)


def test_expiry_spares_a_subscription_that_is_replaced_meanwhile(stepped: SteppedBroker) -> None:
    """While one unused subscription is deleted, the next one may be replaced; the new one stays."""
    catalogue = stepped.broker.catalogue
    for name in (OTHER, NAME):
        stepped.create(name=name).used = False
    for subscription in catalogue.subscriptions.values():
        subscription.used_at = 1.0
    stepped.start(delete_unused(catalogue, stepped.loop.now + LATER))
    recreate(stepped)
    assert list(catalogue.subscriptions) == [NAME]


def test_expiry_spares_a_snapshot_that_is_replaced_meanwhile(stepped: SteppedBroker) -> None:
    """While expired snapshots are deleted one by one, the last may be replaced; the new one stays."""
    stepped.create()
    snapshots = stepped.broker.snapshots
    names = [f"projects/p/snapshots/number-{number}" for number in range(10)]
    for name in names:
        stepped.call(snapshots.create(CreateSnapshotRequest(name=name, subscription=NAME)))
    stepped.start(snapshots.drop_expired(stepped.loop.now + LATER))
    stepped.start(snapshots.delete(names[-1]))
    stepped.start(snapshots.create(CreateSnapshotRequest(name=names[-1], subscription=NAME)))
    stepped.finish()
    assert list(snapshots.snapshots) == names[-1:]


def test_revision_of_a_replaced_schema_needs_the_type_of_the_new_one(
    stepped: SteppedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a definition is compiled, its schema may be replaced by one of another type."""
    registry = stepped.broker.catalogue.schemas
    avro = Schema(type_=Schema.AVRO, definition='"string"')
    before = stepped.call(registry.create(SCHEMA, avro))
    before.resource.type_ = Schema.PROTOCOL_BUFFER

    async def compiled(_name: str, _given: ResponsePb) -> "Revision":
        before.resource.type_ = Schema.AVRO
        return before

    monkeypatch.setattr(registry, "_compile", compiled)
    with pytest.raises(InvalidArgument, match="type of a schema"):
        stepped.call(registry.commit(SCHEMA, Schema(type_=Schema.PROTOCOL_BUFFER)))


@pytest.mark.parametrize("refuses", [False, True])
def test_policy_of_a_schema_outlives_its_oldest_revision(stepped: SteppedBroker, refuses: bool) -> None:
    """The policy stays with the schema if the caller of DeleteSchemaRevision is cancelled, or it fails."""
    registry, policies = stepped.broker.catalogue.schemas, stepped.broker.policies
    avro = Schema(type_=Schema.AVRO, definition='"string"')
    first = stepped.call(registry.create(SCHEMA, avro))
    stepped.call(registry.commit(SCHEMA, avro))
    stepped.call(policies.set(first.number, Policy(version=1)))
    stepped.store.refuses = {"write"} if refuses else set()
    deletion = stepped.start(registry.delete_revision(SCHEMA, first.resource.revision_id))
    deletion.cancel()
    stepped.finish()
    assert len(registry.revisions[SCHEMA]) == 1 + refuses
    assert policies.get(registry.revisions[SCHEMA][0].number).version == 1
    on_disk = stepped.store.query(lambda database: database.execute("SELECT number FROM policy").fetchall())
    assert on_disk == [(registry.revisions[SCHEMA][0].number,)]
