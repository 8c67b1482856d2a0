"""Checks and updates the configuration of a subscription, and fills in its defaults.

The rules are from the comments of google/pubsub/v1/pubsub.proto on Subscription and
UpdateSubscriptionRequest.
"""

from typing import Final

from localpubsub.errors import InvalidArgument
from localpubsub.protocol.messages import (
    DurationPb,
    FieldMaskPb,
    PushConfigPb,
    Subscription,
    SubscriptionPb,
    TopicPb,
)
from localpubsub.resources import export as export_config
from localpubsub.resources import field_mask, limits
from localpubsub.resources.filter_parser import parse
from localpubsub.resources.transforms import check_transforms
from localpubsub.resources.unsupported import reject_unsupported

#: Value of a subscription's ``topic`` after the topic was deleted (proto: Subscription.topic).
DELETED_TOPIC: Final = "_deleted-topic_"

IMMUTABLE: Final = frozenset({"name", "topic", "filter", "enable_message_ordering", "tags"})
#: Fields that only the server sets.
OUTPUT_ONLY: Final = frozenset(
    {"state", "detached", "topic_message_retention_duration", "analytics_hub_subscription_info"}
)
_NOT_MUTABLE: Final = IMMUTABLE | OUTPUT_ONLY

#: Field → feature that localpubsub does not offer. A subscription with such a field is rejected, because
#: ignoring the field would change which messages are delivered.
_UNSUPPORTED: Final = {
    "bigtable_config": "Bigtable subscriptions",
}


def complete(given: SubscriptionPb) -> SubscriptionPb:
    """Return a checked copy of a subscription to be created, with the defaults of Pub/Sub.

    Raises:
        InvalidArgument: a name is invalid or a value is out of bounds.
        Unimplemented: a field is set that localpubsub does not support.
    """
    resource = Subscription()
    resource.CopyFrom(given)
    limits.check_name(resource.name, "subscriptions")
    limits.check_name(resource.topic, "topics")
    for field in OUTPUT_ONLY:
        resource.ClearField(field)
    return _checked(resource)


def updated(current: SubscriptionPb, given: SubscriptionPb, mask: FieldMaskPb) -> SubscriptionPb:
    """Return a checked copy of ``current`` with the fields of ``mask`` taken from ``given``.

    Raises:
        InvalidArgument: the mask names a field that cannot be changed, or a value is out of bounds.
        Unimplemented: a field is set that localpubsub does not support.
    """
    return _checked(field_mask.updated(current, given, mask, lambda field: field not in _NOT_MUTABLE))


def with_push_config(current: SubscriptionPb, push_config: PushConfigPb) -> SubscriptionPb:
    """Return a checked copy with another push config; an empty push config makes it a pull subscription."""
    resource = Subscription()
    resource.CopyFrom(current)
    resource.push_config.CopyFrom(push_config)
    return _checked(resource)


def copy_topic_retention(resource: SubscriptionPb, topic: TopicPb) -> None:
    """Set topic_message_retention_duration of a subscription to that of its topic, or clear it."""
    resource.ClearField("topic_message_retention_duration")
    if topic.HasField("message_retention_duration"):
        resource.topic_message_retention_duration.CopyFrom(topic.message_retention_duration)


def duration_seconds(duration: DurationPb) -> float:
    """Return a protobuf Duration in seconds."""
    return float(duration.seconds + duration.nanos / 1e9)


def _checked(resource: SubscriptionPb) -> SubscriptionPb:
    reject_unsupported(resource, _UNSUPPORTED)
    check_transforms(resource.message_transforms)
    export_config.complete(resource)
    _complete_durations(resource)
    _complete_retry_policy(resource)
    _complete_dead_letter_policy(resource)
    limits.check_labels(resource.labels)
    _check_push_config(resource.push_config)
    if resource.enable_exactly_once_delivery and resource.push_config.push_endpoint:
        raise InvalidArgument("Exactly-once delivery is not supported for push subscriptions.")
    parse(resource.filter)
    resource.push_config.SetInParent()
    resource.state = Subscription.ACTIVE
    return resource


def _complete_durations(resource: SubscriptionPb) -> None:
    resource.ack_deadline_seconds = resource.ack_deadline_seconds or limits.DEFAULT_ACK_DEADLINE
    limits.check_between("ack deadline", resource.ack_deadline_seconds, limits.ACK_DEADLINE)
    if not resource.HasField("message_retention_duration"):
        resource.message_retention_duration.seconds = limits.DEFAULT_RETENTION
    limits.check_duration("message retention duration", resource.message_retention_duration, limits.RETENTION)
    if not resource.HasField("expiration_policy"):
        resource.expiration_policy.ttl.seconds = limits.DEFAULT_EXPIRATION
    # A policy without a ttl means that the subscription never expires.
    elif resource.expiration_policy.HasField("ttl"):
        limits.check_duration("expiration ttl", resource.expiration_policy.ttl, limits.EXPIRATION)


def _complete_retry_policy(resource: SubscriptionPb) -> None:
    if not resource.HasField("retry_policy"):
        return
    policy = resource.retry_policy
    for field, default in zip(("minimum_backoff", "maximum_backoff"), limits.DEFAULT_BACKOFF, strict=True):
        if not policy.HasField(field):
            getattr(policy, field).seconds = default
        limits.check_duration(field, getattr(policy, field), limits.BACKOFF)
    if duration_seconds(policy.minimum_backoff) > duration_seconds(policy.maximum_backoff):
        raise InvalidArgument("Invalid retry policy: minimum_backoff is greater than maximum_backoff.")


def _complete_dead_letter_policy(resource: SubscriptionPb) -> None:
    if not resource.HasField("dead_letter_policy"):
        return
    policy = resource.dead_letter_policy
    limits.check_name(policy.dead_letter_topic, "topics")
    policy.max_delivery_attempts = policy.max_delivery_attempts or limits.DEFAULT_DELIVERY_ATTEMPTS
    limits.check_between("max_delivery_attempts", policy.max_delivery_attempts, limits.DELIVERY_ATTEMPTS)


def _check_push_config(push_config: PushConfigPb) -> None:
    if push_config.push_endpoint:
        limits.check_endpoint(push_config.push_endpoint)
    elif push_config.HasField("oidc_token"):
        raise InvalidArgument("Invalid push config: an oidc_token needs a push_endpoint.")
    if push_config.HasField("oidc_token") and not push_config.oidc_token.service_account_email:
        raise InvalidArgument("Invalid push config: oidc_token needs a service_account_email.")
