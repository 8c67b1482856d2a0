"""Checks and updates the configuration of a topic.

The rules are from the comments of google/pubsub/v1/pubsub.proto on Topic and UpdateTopicRequest.
"""

from typing import Final

from localpubsub.protocol.messages import FieldMaskPb, Topic, TopicPb
from localpubsub.resources import field_mask, limits
from localpubsub.resources.transforms import check_transforms
from localpubsub.resources.unsupported import reject_unsupported

MUTABLE: Final = frozenset(
    {
        "labels",
        "message_retention_duration",
        "message_storage_policy",
        "message_transforms",
        "schema_settings",
    }
)

#: Field → feature that localpubsub does not offer. A topic with such a field is rejected.
_UNSUPPORTED: Final = {
    "ingestion_data_source_settings": "ingestion from other systems",
}


def complete(given: TopicPb) -> TopicPb:
    """Return a checked copy of a topic to be created.

    Raises:
        InvalidArgument: the name is invalid or a value is out of bounds.
        Unimplemented: a field is set that localpubsub does not support.
    """
    resource = Topic()
    resource.CopyFrom(given)
    limits.check_name(resource.name, "topics")
    resource.ClearField("satisfies_pzs")
    return _checked(resource)


def updated(current: TopicPb, given: TopicPb, mask: FieldMaskPb) -> TopicPb:
    """Return a checked copy of ``current`` with the fields of ``mask`` taken from ``given``.

    Raises:
        InvalidArgument: the mask names a field that cannot be changed, or a value is out of bounds.
        Unimplemented: a field is set that localpubsub does not support.
    """
    # Unsupported fields pass this check, so that the caller gets the error Unimplemented for them.
    accepted = MUTABLE | _UNSUPPORTED.keys()
    return _checked(field_mask.updated(current, given, mask, lambda field: field in accepted))


def _checked(resource: TopicPb) -> TopicPb:
    reject_unsupported(resource, _UNSUPPORTED)
    check_transforms(resource.message_transforms)
    limits.check_labels(resource.labels)
    if resource.HasField("message_retention_duration"):
        limits.check_duration(
            "message retention duration", resource.message_retention_duration, limits.RETENTION
        )
    resource.state = Topic.ACTIVE
    return resource
