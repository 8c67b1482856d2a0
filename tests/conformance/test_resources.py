"""Tests of topics and subscriptions that are created, updated, listed, deleted or rejected.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from google.api_core.exceptions import AlreadyExists, BadRequest, InvalidArgument, NotFound
from google.pubsub_v1.types import (
    DeadLetterPolicy,
    ExpirationPolicy,
    PushConfig,
    RetryPolicy,
    Subscription,
    Topic,
    UpdateSubscriptionRequest,
    UpdateTopicRequest,
)

from tests.servers.pubsub_client import PROJECT, PubsubClient

#: Makes a test parameter of an invalid push endpoint that the official emulator accepts.
ACCEPTED_BY_EMULATOR = partial(
    pytest.param, marks=pytest.mark.emulator_differs("accepts invalid push endpoints")
)


def test_create_twice_fails_with_already_exists(pubsub: PubsubClient) -> None:
    """Behaviour 3: a topic or subscription cannot be created twice."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    with pytest.raises(AlreadyExists):
        pubsub.publisher.create_topic(name=topic)
    with pytest.raises(AlreadyExists):
        pubsub.subscriber.create_subscription(name=subscription, topic=topic)


@pytest.mark.parametrize(
    "call",
    [
        lambda pubsub: pubsub.publish(pubsub.name("topics"), b"x"),
        lambda pubsub: pubsub.publisher.get_topic(topic=pubsub.name("topics")),
        lambda pubsub: pubsub.publisher.delete_topic(topic=pubsub.name("topics")),
        pytest.param(
            lambda pubsub: list(pubsub.publisher.list_topic_subscriptions(topic=pubsub.name("topics"))),
            marks=pytest.mark.emulator_differs(
                "returns no subscriptions of a missing topic instead of an error"
            ),
        ),
        lambda pubsub: pubsub.subscription(pubsub.name("topics")),
        lambda pubsub: pubsub.subscriber.get_subscription(subscription=pubsub.name("subscriptions")),
        lambda pubsub: pubsub.subscriber.delete_subscription(subscription=pubsub.name("subscriptions")),
        lambda pubsub: pubsub.pull(pubsub.name("subscriptions")),
        lambda pubsub: pubsub.subscriber.modify_push_config(
            subscription=pubsub.name("subscriptions"), push_config=PushConfig()
        ),
    ],
    ids=[
        "publish",
        "get",
        "delete",
        "list",
        "subscribe",
        "get subscription",
        "delete subscription",
        "pull",
        "push",
    ],
)
def test_call_on_a_missing_resource_fails_with_not_found(
    pubsub: PubsubClient, call: Callable[[PubsubClient], object]
) -> None:
    """Behaviour 3: every call on a missing topic or subscription fails with NOT_FOUND."""
    with pytest.raises(NotFound):
        call(pubsub)


def test_deleted_topic_leaves_its_subscriptions(pubsub: PubsubClient) -> None:
    """Behaviour 4: subscriptions of a deleted topic have the topic ``_deleted-topic_`` and keep messages."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"left behind")
    pubsub.publisher.delete_topic(topic=topic)
    assert pubsub.subscriber.get_subscription(subscription=subscription).topic == "_deleted-topic_"
    assert [received.message.data for received in pubsub.pull(subscription)] == [b"left behind"]


def test_recreated_topic_does_not_get_the_old_subscriptions(pubsub: PubsubClient) -> None:
    """Behaviour 4: a new topic of the same name does not get the subscriptions of the deleted one."""
    topic = pubsub.topic()
    old = pubsub.subscription(topic)
    pubsub.publisher.delete_topic(topic=topic)
    pubsub.publisher.create_topic(name=topic)
    new = pubsub.subscription(topic)
    pubsub.publish(topic, b"x")
    pubsub.pull(new)
    assert pubsub.pull_now(old) == []
    assert list(pubsub.publisher.list_topic_subscriptions(topic=topic)) == [new]


@pytest.mark.parametrize(
    "name",
    ["ab", "1abc", "goog-abc", "has space", "a" * 256, "sl/ash", ""],
    ids=lambda name: name[:12] or "empty",
)
def test_invalid_name_is_rejected_with_invalid_argument(pubsub: PubsubClient, name: str) -> None:
    """Behaviour 5: a name with a wrong length, character or beginning (such as ``goog``) is rejected."""
    with pytest.raises(InvalidArgument):
        pubsub.publisher.create_topic(name=f"projects/{PROJECT}/topics/{name}")
    topic = pubsub.topic()
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.create_subscription(name=f"projects/{PROJECT}/subscriptions/{name}", topic=topic)


def test_name_may_have_all_allowed_characters(pubsub: PubsubClient) -> None:
    """Behaviour 5: a name may have 255 characters and contain all of -_.~+%."""
    name = f"projects/{PROJECT}/topics/" + "aZ9-_.~+%".ljust(255, "x")
    assert pubsub.publisher.create_topic(name=name).name == name


def test_subscription_defaults(pubsub: PubsubClient) -> None:
    """Behaviour 8: the ack deadline defaults to 10 s and the retention to 7 days."""
    made = pubsub.created(pubsub.topic())
    assert made.ack_deadline_seconds == 10
    assert made.message_retention_duration.total_seconds() == 7 * 86_400
    assert made.push_config.push_endpoint == ""
    assert pubsub.subscriber.get_subscription(subscription=made.name) == made


@pytest.mark.emulator_differs("returns a policy without ttl")
def test_expiration_policy_defaults_to_31_days(pubsub: PubsubClient) -> None:
    """Behaviour 8: an unused subscription expires after 31 days by default."""
    made = pubsub.created(pubsub.topic())
    assert made.expiration_policy.ttl.total_seconds() == 31 * 86_400


def test_expiration_policy_without_ttl_means_never(pubsub: PubsubClient) -> None:
    """Behaviour 8: an expiration policy without ttl is returned without ttl."""
    made = pubsub.created(pubsub.topic(), expiration_policy=ExpirationPolicy())
    assert "expiration_policy" in made
    assert "ttl" not in made.expiration_policy


@pytest.mark.parametrize("deadline", [10, 600])
def test_ack_deadline_within_bounds_is_accepted(pubsub: PubsubClient, deadline: int) -> None:
    """Behaviour 8: ack deadlines of 10 and 600 seconds are accepted."""
    assert pubsub.created(pubsub.topic(), ack_deadline_seconds=deadline).ack_deadline_seconds == deadline


@pytest.mark.parametrize(
    "deadline",
    [pytest.param(9, marks=pytest.mark.emulator_differs("accepts an ack deadline of 9 seconds")), 601, -1],
)
def test_ack_deadline_out_of_bounds_is_rejected_with_invalid_argument(
    pubsub: PubsubClient, deadline: int
) -> None:
    """Behaviour 8: a subscription with an ack deadline of -1, 9 or 601 seconds is not created."""
    name, topic = pubsub.name("subscriptions"), pubsub.topic()
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.create_subscription(
            Subscription(name=name, topic=topic, ack_deadline_seconds=deadline)
        )
    with pytest.raises(NotFound):
        pubsub.subscriber.get_subscription(subscription=name)


@pytest.mark.parametrize("retention", [599, 31 * 86_400 + 1])
def test_message_retention_out_of_bounds_is_rejected_with_invalid_argument(
    pubsub: PubsubClient, retention: int
) -> None:
    """Behaviour 8: a retention below 10 minutes or above 31 days is rejected."""
    with pytest.raises(InvalidArgument):
        pubsub.created(pubsub.topic(), message_retention_duration=timedelta(seconds=retention))


def test_max_delivery_attempts_default_to_five(pubsub: PubsubClient) -> None:
    """Behaviour 9: max_delivery_attempts defaults to 5."""
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic())
    made = pubsub.created(pubsub.topic(), dead_letter_policy=policy)
    assert made.dead_letter_policy.max_delivery_attempts == 5


@pytest.mark.parametrize("attempts", [4, 101])
def test_max_delivery_attempts_out_of_bounds_are_rejected(pubsub: PubsubClient, attempts: int) -> None:
    """Behaviour 9: max_delivery_attempts of 4 and 101 are rejected."""
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=attempts)
    with pytest.raises(BadRequest):  # The emulator returns OUT_OF_RANGE, another code with HTTP status 400.
        pubsub.created(pubsub.topic(), dead_letter_policy=policy)


def test_missing_dead_letter_topic_is_rejected_with_not_found(pubsub: PubsubClient) -> None:
    """Behaviour 9: a subscription cannot be created if its dead-letter topic is missing."""
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.name("topics"), max_delivery_attempts=5)
    topic = pubsub.topic()
    with pytest.raises(NotFound):
        pubsub.created(topic, dead_letter_policy=policy)


def test_retry_policy_defaults(pubsub: PubsubClient) -> None:
    """Behaviour 16: the backoffs of an empty retry policy are 10 and 600 seconds."""
    policy = pubsub.created(pubsub.topic(), retry_policy=RetryPolicy()).retry_policy
    assert (policy.minimum_backoff.total_seconds(), policy.maximum_backoff.total_seconds()) == (10, 600)


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 601), (20, 10)])
def test_retry_policy_out_of_bounds_is_rejected_with_invalid_argument(
    pubsub: PubsubClient, minimum: int, maximum: int
) -> None:
    """Behaviour 16: a backoff above 600 s, or a minimum above the maximum, is rejected."""
    policy = RetryPolicy(
        minimum_backoff=timedelta(seconds=minimum), maximum_backoff=timedelta(seconds=maximum)
    )
    with pytest.raises(InvalidArgument):
        pubsub.created(pubsub.topic(), retry_policy=policy)


def update(pubsub: PubsubClient, changed: Subscription, *paths: str) -> Subscription:
    """Update the fields ``paths`` to their values in ``changed``; return the subscription."""
    request = UpdateSubscriptionRequest(subscription=changed, update_mask={"paths": paths})
    return pubsub.subscriber.update_subscription(request)


def test_update_changes_only_the_fields_of_its_mask(pubsub: PubsubClient) -> None:
    """Behaviour 10: fields outside the mask keep their values, even if the request changes them."""
    made = pubsub.created(pubsub.topic(), labels={"team": "one"})
    changed = Subscription(name=made.name, topic=made.topic, ack_deadline_seconds=60, labels={"team": "two"})
    updated = update(pubsub, changed, "ack_deadline_seconds")
    assert (updated.ack_deadline_seconds, dict(updated.labels)) == (60, {"team": "one"})
    assert pubsub.subscriber.get_subscription(subscription=made.name) == updated


@pytest.mark.emulator_differs("rejects labels as an unknown field")
def test_update_replaces_subscription_labels(pubsub: PubsubClient) -> None:
    """Behaviour 10: an update replaces all labels of a subscription."""
    made = pubsub.created(pubsub.topic(), labels={"team": "one", "kept": "no"})
    updated = update(pubsub, Subscription(name=made.name, labels={"team": "two"}), "labels")
    assert dict(updated.labels) == {"team": "two"}


def test_update_clears_a_policy(pubsub: PubsubClient) -> None:
    """Behaviour 10: a field that is in the mask but not in the request is cleared."""
    made = pubsub.created(pubsub.topic(), retry_policy=RetryPolicy(minimum_backoff=timedelta(seconds=1)))
    assert "retry_policy" not in update(pubsub, Subscription(name=made.name), "retry_policy")


@pytest.mark.parametrize("path", ["topic", "filter", "enable_message_ordering", "name"])
def test_update_of_an_immutable_field_is_rejected_with_invalid_argument(
    pubsub: PubsubClient, path: str
) -> None:
    """Behaviour 10: topic, filter, ordering and name cannot be updated."""
    made = pubsub.created(pubsub.topic())
    changed = Subscription(
        name=made.name, topic=pubsub.topic(), filter="attributes:x", enable_message_ordering=True
    )
    with pytest.raises(InvalidArgument):
        update(pubsub, changed, path)


@pytest.mark.parametrize("paths", [[], ["no_such_field"]], ids=["none", "unknown"])
def test_update_mask_without_known_fields_is_rejected_with_invalid_argument(
    pubsub: PubsubClient, paths: list[str]
) -> None:
    """Behaviour 10: an empty update mask, or a mask with an unknown field, is rejected."""
    made = pubsub.created(pubsub.topic())
    with pytest.raises(InvalidArgument):
        update(pubsub, Subscription(name=made.name), *paths)


@pytest.mark.emulator_differs("rejects labels as an unknown field")
def test_update_replaces_topic_labels(pubsub: PubsubClient) -> None:
    """Behaviour 10: UpdateTopic replaces the labels of a topic."""
    topic = pubsub.topic(labels={"team": "one"})
    changed = Topic(name=topic, labels={"team": "two"})
    request = UpdateTopicRequest(topic=changed, update_mask={"paths": ["labels"]})
    assert dict(pubsub.publisher.update_topic(request).labels) == {"team": "two"}
    assert dict(pubsub.publisher.get_topic(topic=topic).labels) == {"team": "two"}


def test_lists_have_pages(pubsub: PubsubClient) -> None:
    """Behaviour 1: the pages of a list contain each resource once."""
    topic = pubsub.topic()
    made = sorted(pubsub.subscription(topic) for _ in range(5))
    pages = list(pubsub.publisher.list_topic_subscriptions({"topic": topic, "page_size": 2}).pages)
    assert [len(page.subscriptions) for page in pages] == [2, 2, 1]
    assert sorted(name for page in pages for name in page.subscriptions) == made
    request = {"project": f"projects/{PROJECT}", "page_size": 3}
    assert {each.name for each in pubsub.subscriber.list_subscriptions(request)}.issuperset(made)
    assert topic in {each.name for each in pubsub.publisher.list_topics(request)}


def test_lists_contain_the_resources_of_one_project(pubsub: PubsubClient) -> None:
    """Behaviour 1: the resources of another project are not listed."""
    pubsub.topic()
    assert list(pubsub.publisher.list_topics(project="projects/another")) == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "example.com/x",
        ACCEPTED_BY_EMULATOR("http://"),
        ACCEPTED_BY_EMULATOR("http://a b/"),
    ],
)
def test_invalid_push_endpoint_is_rejected_with_invalid_argument(pubsub: PubsubClient, url: str) -> None:
    """Behaviour 5: a push endpoint that is not an http or https URL is rejected."""
    with pytest.raises(InvalidArgument):
        pubsub.created(pubsub.topic(), push_config=PushConfig(push_endpoint=url))
