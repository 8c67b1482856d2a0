"""IAM: policies that are stored, and what happens when Pub/Sub's own agent has no rights."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from google.api_core.exceptions import Aborted, NotFound
from google.pubsub_v1.types import DeadLetterPolicy, PushConfig

import localpubsub
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import PushEndpoint

ROLE = {"role": "roles/pubsub.viewer", "members": ["user:reader@example.com"]}


@pytest.mark.differs("offers no IAM")
def test_a_policy_is_stored_and_returned(pubsub: PubsubClient) -> None:
    """Behaviour 22: of topics, subscriptions and snapshots, with an etag that guards a change."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    snapshot = pubsub.subscriber.create_snapshot(name=pubsub.name("snapshots"), subscription=subscription)
    for resource in (topic, subscription, snapshot.name):
        empty = pubsub.publisher.get_iam_policy(request={"resource": resource})
        assert (len(empty.bindings), bool(empty.etag)) == (0, True)
        made = pubsub.publisher.set_iam_policy(
            request={"resource": resource, "policy": {"bindings": [ROLE], "etag": empty.etag}}
        )
        assert made.bindings[0].role == ROLE["role"]
        assert pubsub.subscriber.get_iam_policy(request={"resource": resource}) == made
        with pytest.raises(Aborted):
            pubsub.publisher.set_iam_policy(request={"resource": resource, "policy": {"etag": empty.etag}})


@pytest.mark.differs("offers no IAM")
def test_the_caller_may_do_everything(pubsub: PubsubClient) -> None:
    """Behaviour 22: permissions are answered as they are asked for; a missing resource is NOT_FOUND."""
    wanted = {"resource": pubsub.topic(), "permissions": ["pubsub.topics.publish", "pubsub.topics.get"]}
    answer = pubsub.publisher.test_iam_permissions(request=wanted)
    assert list(answer.permissions) == wanted["permissions"]
    with pytest.raises(NotFound):
        pubsub.publisher.get_iam_policy(request={"resource": pubsub.name("topics")})


@pytest.fixture
def rightless(pubsub: PubsubClient) -> Iterator[PubsubClient]:
    """A Pub/Sub whose service agent was not granted its roles."""
    if pubsub.server.name == "emulator":
        yield pubsub
        return
    with ExitStack() as opened:
        server = opened.enter_context(localpubsub.running(service_agent_permissions=False))
        clients = opened.enter_context(gapic_clients(server.host))
        yield PubsubClient(PubsubServer("localpubsub", server.host, None), pubsub.timeout, *clients)


@pytest.mark.differs("has no such switch: it always forwards")
def test_without_rights_dead_lettering_silently_does_nothing(rightless: PubsubClient) -> None:
    """Behaviour 22: no attempt is counted, nothing is forwarded, and the message comes again for ever."""
    topic, graveyard = rightless.topic(), rightless.topic()
    reader = rightless.subscription(graveyard)
    policy = DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=5)
    failing = rightless.subscription(topic, dead_letter_policy=policy)
    rightless.publish(topic, b"poison")
    for _ in range(7):
        (received,) = rightless.pull(failing)
        assert received.delivery_attempt == 1
        rightless.nack(failing, [received])
    assert rightless.pull_now(reader) == []
    assert len(rightless.pull(failing)) == 1


@pytest.mark.differs("has no such switch, and sends no deliveryAttempt")
def test_without_rights_pushes_are_not_counted(rightless: PubsubClient, endpoint: PushEndpoint) -> None:
    """Behaviour 22: deliveryAttempt stays 1 beyond the last attempt."""
    endpoint.respond = lambda _: 422 if len(endpoint.pushes) < 7 else 204
    topic = rightless.topic()
    policy = DeadLetterPolicy(dead_letter_topic=rightless.topic(), max_delivery_attempts=5)
    push = PushConfig(push_endpoint=endpoint.url)
    rightless.subscription(topic, dead_letter_policy=policy, push_config=push)
    rightless.publish(topic, b"poison")
    pushes = endpoint.wait_for(7)
    assert {each.envelope["deliveryAttempt"] for each in pushes} == {1}
