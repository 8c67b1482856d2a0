"""Tests of IAM policies, and of dead-lettering without the service agent's permissions.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

from collections.abc import Iterator

import pytest
from google.api_core.exceptions import Aborted, NotFound
from google.pubsub_v1.types import DeadLetterPolicy, PushConfig

from tests.servers.pubsub_client import PubsubClient, running_localpubsub
from tests.servers.push_endpoint import PushEndpoint

ROLE = {"role": "roles/pubsub.viewer", "members": ["user:reader@example.com"]}


@pytest.mark.emulator_differs("offers no IAM")
def test_iam_policy_is_stored_and_returned(pubsub: PubsubClient) -> None:
    """Behaviour 22: topics, subscriptions and snapshots have policies; an old etag fails with ABORTED."""
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


@pytest.mark.emulator_differs("offers no IAM")
def test_iam_permissions_are_all_granted(pubsub: PubsubClient) -> None:
    """Behaviour 22: every permission is granted, for a missing resource none; its policy is NOT_FOUND."""
    request = {"resource": pubsub.topic(), "permissions": ["pubsub.topics.publish", "pubsub.topics.get"]}
    response = pubsub.publisher.test_iam_permissions(request=request)
    assert list(response.permissions) == request["permissions"]
    missing = {**request, "resource": pubsub.name("topics")}
    assert not pubsub.publisher.test_iam_permissions(request=missing).permissions
    with pytest.raises(NotFound):
        pubsub.publisher.get_iam_policy(request={"resource": pubsub.name("topics")})


@pytest.fixture
def unprivileged(pubsub: PubsubClient) -> Iterator[PubsubClient]:
    """Clients of localpubsub with a service agent without roles, or of the emulator, which has no roles."""
    if pubsub.server.name == "emulator":
        yield pubsub
        return
    with running_localpubsub(service_agent_permissions=False) as client:
        yield client


@pytest.mark.emulator_differs("has no option for missing permissions and always dead-letters")
def test_without_service_agent_permissions_nothing_is_dead_lettered(unprivileged: PubsubClient) -> None:
    """Behaviour 22: after seven nacks, with five attempts allowed, a message is redelivered as attempt 1."""
    topic, dead_letter_topic = unprivileged.topic(), unprivileged.topic()
    reader = unprivileged.subscription(dead_letter_topic)
    policy = DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5)
    failing = unprivileged.subscription(topic, dead_letter_policy=policy)
    unprivileged.publish(topic, b"poison")
    for _ in range(7):
        (received,) = unprivileged.pull(failing)
        assert received.delivery_attempt == 1
        unprivileged.nack(failing, [received])
    assert unprivileged.pull_now(reader) == []
    assert len(unprivileged.pull(failing)) == 1


@pytest.mark.emulator_differs("has no option for missing permissions and sends no deliveryAttempt")
def test_without_service_agent_permissions_push_attempts_are_not_counted(
    unprivileged: PubsubClient, endpoint: PushEndpoint
) -> None:
    """Behaviour 22: deliveryAttempt is 1 in all seven pushes, although five attempts are allowed."""
    endpoint.respond = lambda _: 422 if len(endpoint.pushes) < 7 else 204
    topic = unprivileged.topic()
    policy = DeadLetterPolicy(dead_letter_topic=unprivileged.topic(), max_delivery_attempts=5)
    push = PushConfig(push_endpoint=endpoint.url)
    unprivileged.subscription(topic, dead_letter_policy=policy, push_config=push)
    unprivileged.publish(topic, b"poison")
    pushes = endpoint.wait_for(7)
    assert {each.envelope["deliveryAttempt"] for each in pushes} == {1}
