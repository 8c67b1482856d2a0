"""Tests which durations and labels of resources are accepted."""

import pytest

from localpubsub.errors import InvalidArgument
from localpubsub.protocol.messages import ResourcePb, Subscription, Topic
from localpubsub.resources import subscription, topic
from localpubsub.resources.limits import check_labels

TOPIC = "projects/p/topics/ttt"


def with_durations(seconds: int, nanos: int) -> list[ResourcePb]:
    """Return resources, each with another field of this duration."""
    resources = [Topic(name=TOPIC)]
    resources += [Subscription(name="projects/p/subscriptions/sss", topic=TOPIC) for _ in range(5)]
    resources[5].cloud_storage_config.bucket = "bucket"
    durations = [
        resources[0].message_retention_duration,
        resources[1].message_retention_duration,
        resources[2].expiration_policy.ttl,
        resources[3].retry_policy.minimum_backoff,
        resources[4].retry_policy.maximum_backoff,
        resources[5].cloud_storage_config.max_duration,
    ]
    for duration in durations:
        duration.seconds, duration.nanos = seconds, nanos
    return resources


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [(2**62, 0), (-(2**63), 0), (315_576_000_001, 0), (600, 1_000_000_000), (599, 2_000_000_000), (600, -1)],
)
def test_duration_that_json_cannot_express_is_rejected(seconds: int, nanos: int) -> None:
    """A duration out of range or with invalid nanos would make the REST API fail for the whole list."""
    for resource in with_durations(seconds, nanos):
        complete = topic.complete if isinstance(resource, Topic) else subscription.complete
        with pytest.raises(InvalidArgument, match=r"Invalid .* given \("):
            complete(resource)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("aB", ""),
        ("Ab", ""),
        ("1a", ""),
        ("", ""),
        ("a", "B"),
        ("a", "b c"),
        ("a", "b!"),
        ("a", "b\0"),
        ("a.b", ""),
    ],
)
def test_label_with_other_characters_is_rejected(key: str, value: str) -> None:
    """Keys and values of labels have lower case letters, digits, hyphens and underscores only."""
    with pytest.raises(InvalidArgument, match="Invalid label"):
        check_labels({key: value})


def test_label_with_letters_of_any_language_is_accepted() -> None:
    """International letters are allowed: https://cloud.google.com/pubsub/docs/labels#requirements."""
    check_labels({"größe": "größer_als-2", "名": "値"})
