"""Updates the fields of a resource that a field mask names.

https://protobuf.dev/reference/protobuf/google.protobuf/#field-mask
"""

from collections.abc import Callable

from localpubsub.errors import InvalidArgument
from localpubsub.protocol.messages import FieldMaskPb, ResourcePb


def updated(
    current: ResourcePb, given: ResourcePb, mask: FieldMaskPb, is_mutable: Callable[[str], bool]
) -> ResourcePb:
    """Return a copy of ``current`` with the fields of ``mask`` taken from ``given``.

    Args:
        current: the resource before the update.
        given: a message of the same type with the new values.
        mask: at least one path to change.
        is_mutable: returns whether a field of the resource (the first part of a path) may be changed.

    Raises:
        InvalidArgument: the mask is empty, or names an unknown or an immutable field.
    """
    kind = current.DESCRIPTOR.name
    if not mask.paths:
        raise InvalidArgument(
            f"The update_mask in the Update{kind}Request must be set and name at least one path."
        )
    for path in mask.paths:
        if not is_mutable(path.partition(".")[0]):
            raise InvalidArgument(
                f"Invalid update_mask: the field {path!r} of a {kind.lower()} cannot be changed."
            )
    if not mask.IsValidForDescriptor(current.DESCRIPTOR):
        raise InvalidArgument(
            f"Invalid update_mask: {', '.join(mask.paths)} is not a list of fields of {kind}."
        )
    resource = type(current)()
    resource.CopyFrom(current)
    mask.MergeMessage(given, resource, replace_message_field=True, replace_repeated_field=True)
    return resource
