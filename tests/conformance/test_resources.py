"""Topics and subscriptions: made, changed, listed, deleted, refused."""

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

#: A case that the official emulator lets pass.
TAKEN = partial(pytest.param, marks=pytest.mark.differs("takes it"))


def test_what_exists_cannot_be_created_again(pubsub: PubsubClient) -> None:
    """Behaviour 3: creating a topic or subscription twice answers ALREADY_EXISTS."""
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
            marks=pytest.mark.differs("answers an empty list"),
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
def test_what_does_not_exist_is_not_found(
    pubsub: PubsubClient, call: Callable[[PubsubClient], object]
) -> None:
    """Behaviour 3: a missing topic or subscription answers NOT_FOUND, on every call."""
    with pytest.raises(NotFound):
        call(pubsub)


def test_a_deleted_topic_leaves_its_subscriptions(pubsub: PubsubClient) -> None:
    """Behaviour 4: they stay, name ``_deleted-topic_`` as their topic, and keep their messages."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publish(topic, b"left behind")
    pubsub.publisher.delete_topic(topic=topic)
    assert pubsub.subscriber.get_subscription(subscription=subscription).topic == "_deleted-topic_"
    assert [received.message.data for received in pubsub.pull(subscription)] == [b"left behind"]


def test_a_topic_made_again_is_another_topic(pubsub: PubsubClient) -> None:
    """Behaviour 4: a new topic of the same name does not take the old subscriptions over."""
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
def test_a_bad_name_is_refused(pubsub: PubsubClient, name: str) -> None:
    """Behaviour 5: 3 to 255 letters, digits, -_.~+%, a letter first, and not ``goog``."""
    with pytest.raises(InvalidArgument):
        pubsub.publisher.create_topic(name=f"projects/{PROJECT}/topics/{name}")
    topic = pubsub.topic()
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.create_subscription(name=f"projects/{PROJECT}/subscriptions/{name}", topic=topic)


def test_every_allowed_character_makes_a_name(pubsub: PubsubClient) -> None:
    """Behaviour 5: all of -_.~+% and 255 characters are allowed."""
    name = f"projects/{PROJECT}/topics/" + "aZ9-_.~+%".ljust(255, "x")
    assert pubsub.publisher.create_topic(name=name).name == name


def test_the_defaults_are_filled_in(pubsub: PubsubClient) -> None:
    """Behaviour 8: an ack deadline of 0 becomes 10 s, and retention is 7 days."""
    made = pubsub.created(pubsub.topic())
    assert made.ack_deadline_seconds == 10
    assert made.message_retention_duration.total_seconds() == 7 * 86_400
    assert made.push_config.push_endpoint == ""
    assert pubsub.subscriber.get_subscription(subscription=made.name) == made


@pytest.mark.differs("answers a policy without ttl")
def test_the_default_expiry_is_returned(pubsub: PubsubClient) -> None:
    """Behaviour 8: a subscription nobody reads expires after 31 days."""
    made = pubsub.created(pubsub.topic())
    assert made.expiration_policy.ttl.total_seconds() == 31 * 86_400


def test_expiry_can_be_never(pubsub: PubsubClient) -> None:
    """Behaviour 8: a policy without ttl stays one without ttl."""
    made = pubsub.created(pubsub.topic(), expiration_policy=ExpirationPolicy())
    assert "expiration_policy" in made
    assert "ttl" not in made.expiration_policy


@pytest.mark.parametrize("deadline", [10, 600])
def test_ack_deadlines_within_bounds(pubsub: PubsubClient, deadline: int) -> None:
    """Behaviour 8: 10 and 600 seconds are allowed."""
    assert pubsub.created(pubsub.topic(), ack_deadline_seconds=deadline).ack_deadline_seconds == deadline


@pytest.mark.parametrize("deadline", [pytest.param(9, marks=pytest.mark.differs("takes 9")), 601, -1])
def test_ack_deadlines_out_of_bounds(pubsub: PubsubClient, deadline: int) -> None:
    """Behaviour 8: 9 and 601 seconds are refused, and nothing is made."""
    name, topic = pubsub.name("subscriptions"), pubsub.topic()
    with pytest.raises(InvalidArgument):
        pubsub.subscriber.create_subscription(
            Subscription(name=name, topic=topic, ack_deadline_seconds=deadline)
        )
    with pytest.raises(NotFound):
        pubsub.subscriber.get_subscription(subscription=name)


@pytest.mark.parametrize("retention", [599, 31 * 86_400 + 1])
def test_retention_out_of_bounds(pubsub: PubsubClient, retention: int) -> None:
    """Behaviour 8: retention is 10 minutes to 31 days."""
    with pytest.raises(InvalidArgument):
        pubsub.created(pubsub.topic(), message_retention_duration=timedelta(seconds=retention))


def test_dead_letter_attempts_default_to_five(pubsub: PubsubClient) -> None:
    """Behaviour 9: 0 attempts become 5."""
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic())
    made = pubsub.created(pubsub.topic(), dead_letter_policy=policy)
    assert made.dead_letter_policy.max_delivery_attempts == 5


@pytest.mark.parametrize("attempts", [4, 101])
def test_dead_letter_attempts_out_of_bounds(pubsub: PubsubClient, attempts: int) -> None:
    """Behaviour 9: 4 and 101 attempts are refused."""
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.topic(), max_delivery_attempts=attempts)
    with pytest.raises(BadRequest):  # the emulator says OUT_OF_RANGE, which is a 400 as well
        pubsub.created(pubsub.topic(), dead_letter_policy=policy)


def test_a_missing_dead_letter_topic_is_refused(pubsub: PubsubClient) -> None:
    """Behaviour 9: the dead-letter topic must exist when it is named."""
    policy = DeadLetterPolicy(dead_letter_topic=pubsub.name("topics"), max_delivery_attempts=5)
    topic = pubsub.topic()
    with pytest.raises(NotFound):
        pubsub.created(topic, dead_letter_policy=policy)


def test_a_retry_policy_has_defaults(pubsub: PubsubClient) -> None:
    """Behaviour 16: a retry policy that names nothing means 10 to 600 seconds."""
    policy = pubsub.created(pubsub.topic(), retry_policy=RetryPolicy()).retry_policy
    assert (policy.minimum_backoff.total_seconds(), policy.maximum_backoff.total_seconds()) == (10, 600)


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 601), (20, 10)])
def test_retry_policies_out_of_bounds(pubsub: PubsubClient, minimum: int, maximum: int) -> None:
    """Behaviour 16: backoffs are 0 to 600 seconds, the minimum not above the maximum."""
    policy = RetryPolicy(
        minimum_backoff=timedelta(seconds=minimum), maximum_backoff=timedelta(seconds=maximum)
    )
    with pytest.raises(InvalidArgument):
        pubsub.created(pubsub.topic(), retry_policy=policy)


def update(pubsub: PubsubClient, wish: Subscription, *paths: str) -> Subscription:
    """The subscription with the fields of the mask changed to those of ``wish``."""
    request = UpdateSubscriptionRequest(subscription=wish, update_mask={"paths": paths})
    return pubsub.subscriber.update_subscription(request)


def test_an_update_changes_what_its_mask_names(pubsub: PubsubClient) -> None:
    """Behaviour 10: fields outside of the mask stay, whatever the request carries for them."""
    made = pubsub.created(pubsub.topic(), labels={"team": "one"})
    wish = Subscription(name=made.name, topic=made.topic, ack_deadline_seconds=60, labels={"team": "two"})
    answer = update(pubsub, wish, "ack_deadline_seconds")
    assert (answer.ack_deadline_seconds, dict(answer.labels)) == (60, {"team": "one"})
    assert pubsub.subscriber.get_subscription(subscription=made.name) == answer


@pytest.mark.differs("does not know the field")
def test_labels_can_be_updated(pubsub: PubsubClient) -> None:
    """Behaviour 10: labels are replaced as a whole."""
    made = pubsub.created(pubsub.topic(), labels={"team": "one", "kept": "no"})
    answer = update(pubsub, Subscription(name=made.name, labels={"team": "two"}), "labels")
    assert dict(answer.labels) == {"team": "two"}


def test_an_update_can_take_a_policy_away(pubsub: PubsubClient) -> None:
    """Behaviour 10: a masked field that the request leaves out is cleared."""
    made = pubsub.created(pubsub.topic(), retry_policy=RetryPolicy(minimum_backoff=timedelta(seconds=1)))
    assert "retry_policy" not in update(pubsub, Subscription(name=made.name), "retry_policy")


@pytest.mark.parametrize("path", ["topic", "filter", "enable_message_ordering", "name"])
def test_what_cannot_change_is_refused(pubsub: PubsubClient, path: str) -> None:
    """Behaviour 10: topic, filter and ordering are fixed when a subscription is made."""
    made = pubsub.created(pubsub.topic())
    wish = Subscription(
        name=made.name, topic=pubsub.topic(), filter="attributes:x", enable_message_ordering=True
    )
    with pytest.raises(InvalidArgument):
        update(pubsub, wish, path)


@pytest.mark.parametrize("paths", [[], ["no_such_field"]], ids=["none", "unknown"])
def test_a_mask_must_name_fields(pubsub: PubsubClient, paths: list[str]) -> None:
    """Behaviour 10: no mask, or one of unknown fields, is refused."""
    made = pubsub.created(pubsub.topic())
    with pytest.raises(InvalidArgument):
        update(pubsub, Subscription(name=made.name), *paths)


@pytest.mark.differs("does not know the field")
def test_a_topic_can_be_labelled(pubsub: PubsubClient) -> None:
    """Behaviour 10: UpdateTopic honours its mask, too."""
    topic = pubsub.topic(labels={"team": "one"})
    wish = Topic(name=topic, labels={"team": "two"})
    request = UpdateTopicRequest(topic=wish, update_mask={"paths": ["labels"]})
    assert dict(pubsub.publisher.update_topic(request).labels) == {"team": "two"}
    assert dict(pubsub.publisher.get_topic(topic=topic).labels) == {"team": "two"}


def test_lists_come_in_pages(pubsub: PubsubClient) -> None:
    """Behaviour 1: every page has a token but the last, and together they name everything once."""
    topic = pubsub.topic()
    made = sorted(pubsub.subscription(topic) for _ in range(5))
    pages = list(pubsub.publisher.list_topic_subscriptions({"topic": topic, "page_size": 2}).pages)
    assert [len(page.subscriptions) for page in pages] == [2, 2, 1]
    assert sorted(name for page in pages for name in page.subscriptions) == made
    whole = {"project": f"projects/{PROJECT}", "page_size": 3}
    assert {each.name for each in pubsub.subscriber.list_subscriptions(whole)}.issuperset(made)
    assert topic in {each.name for each in pubsub.publisher.list_topics(whole)}


def test_lists_are_of_one_project(pubsub: PubsubClient) -> None:
    """Behaviour 1: another project's resources are not listed."""
    pubsub.topic()
    assert list(pubsub.publisher.list_topics(project="projects/another")) == []


@pytest.mark.parametrize(
    "url", ["ftp://example.com/x", "example.com/x", TAKEN("http://"), TAKEN("http://a b/")]
)
def test_a_push_endpoint_is_a_url(pubsub: PubsubClient, url: str) -> None:
    """Behaviour 5: an endpoint that is no http(s) URL is refused."""
    with pytest.raises(InvalidArgument):
        pubsub.created(pubsub.topic(), push_config=PushConfig(push_endpoint=url))
