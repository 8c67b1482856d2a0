"""Rejects resources with fields whose features localpubsub does not offer."""

from collections.abc import Mapping

from localpubsub.errors import Unimplemented
from localpubsub.protocol.messages import ResourcePb


def reject_unsupported(resource: ResourcePb, features: Mapping[str, str]) -> None:
    """Check that none of the unsupported fields of a resource is set.

    Args:
        resource: the resource to check.
        features: unsupported field → the name of its feature, for the error message.

    Raises:
        Unimplemented: one of the fields is set.
    """
    present = {field.name for field, _ in resource.ListFields()}
    for field, feature in features.items():
        if field in present:
            raise Unimplemented(f"localpubsub does not offer {feature} yet: leave {field} unset.")
