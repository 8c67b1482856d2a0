"""A topic as its owner configures it: checked, and changed by field mask.

Source: the comments of google/pubsub/v1/pubsub.proto on Topic and UpdateTopicRequest.
"""

from typing import Final

from localpubsub.errors import InvalidArgument, Unimplemented
from localpubsub.protocol.messages import FieldMaskPb, Topic, TopicPb
from localpubsub.resources import limits

MUTABLE: Final = frozenset(
    {"labels", "message_storage_policy", "message_retention_duration", "schema_settings"}
)

_UNSUPPORTED: Final = {
    "ingestion_data_source_settings": "ingestion from other systems",
    "message_transforms": "message transforms",
}


def complete(given: TopicPb) -> TopicPb:
    """A checked copy of a topic to be created."""
    resource = Topic()
    resource.CopyFrom(given)
    limits.check_name(resource.name, "topics")
    resource.ClearField("satisfies_pzs")
    return _checked(resource)


def updated(current: TopicPb, given: TopicPb, mask: FieldMaskPb) -> TopicPb:
    """A checked copy of ``current`` with the fields of ``mask`` taken from ``given``."""
    if not mask.paths:
        raise InvalidArgument(
            "The update_mask in the UpdateTopicRequest must be set and name at least one path."
        )
    resource = Topic()
    resource.CopyFrom(current)
    for path in mask.paths:
        root = path.partition(".")[0]
        if root not in MUTABLE | _UNSUPPORTED.keys():
            raise InvalidArgument(f"Invalid update_mask: the field {path!r} of a topic cannot be changed.")
    try:
        mask.MergeMessage(given, resource, replace_message_field=True, replace_repeated_field=True)
    except (KeyError, ValueError) as error:
        raise InvalidArgument(
            f"Invalid update_mask: {', '.join(mask.paths)} names no field of Topic."
        ) from error
    return _checked(resource)


def _checked(resource: TopicPb) -> TopicPb:
    present = {field.name for field, _ in resource.ListFields()}
    for field, what in _UNSUPPORTED.items():
        if field in present:
            raise Unimplemented(f"localpubsub does not offer {what} yet: leave {field} unset.")
    limits.check_labels(resource.labels)
    if resource.HasField("message_retention_duration"):
        seconds = resource.message_retention_duration.seconds
        limits.check_between("message retention duration", seconds, limits.RETENTION)
    resource.state = Topic.ACTIVE
    return resource
