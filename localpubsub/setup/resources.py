"""Creates or updates the resources of a setup file, with the same methods that clients call.

A second run with the same file changes nothing.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from localpubsub.api.rest_call import CallContext
from localpubsub.api.rest_json import parse_fields
from localpubsub.errors import AlreadyExists, CannotStart, RequestRejected, StoreFailure
from localpubsub.protocol.calls import Context, Method, Services, unary_methods
from localpubsub.protocol.messages import RequestPb, ResponsePb
from localpubsub.setup import file as setup_file
from localpubsub.setup.file import SetupEntry

#: The collection → the kind of its resources in method names, for example Topic in CreateTopic.
_KINDS: Final = {"topics": "Topic", "subscriptions": "Subscription", "schemas": "Schema"}

#: The fields of resources that cannot be changed after their creation.
_IMMUTABLE: Final = frozenset({"name", "topic", "filter", "enable_message_ordering", "kms_key_name"})
#: How long each call may take, in seconds.
_TIMEOUT: Final = 60.0

_log = logging.getLogger("localpubsub.setup")


def read(setup: Path | Mapping[str, Any]) -> list[SetupEntry]:
    """Return the resources of a setup file, or of a mapping with its content.

    Raises:
        CannotStart: the file cannot be read, or it is invalid; the message has one line for each fault.
    """
    if isinstance(setup, Mapping):
        return setup_file.from_values(setup)
    try:
        text = setup.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CannotStart(f"cannot read the setup file {setup}: {reason}.") from None
    return setup_file.from_text(text, setup.name)


async def create_all(entries: Sequence[SetupEntry], services: Services) -> None:
    """Create missing resources, and update existing topics and subscriptions to the fields of their entries.

    Raises:
        CannotStart: resources cannot be created or updated; the message has one line for each of them.
    """
    methods = unary_methods(services)
    faults: list[str] = []
    for entry in entries:
        try:
            await _create_or_update(entry, methods)
        except (RequestRejected, StoreFailure) as error:
            faults.append(f"{entry.position}: {error}")
    if faults:
        raise CannotStart("\n".join(faults))


async def _create_or_update(entry: SetupEntry, methods: Mapping[str, Method]) -> None:
    kind = _KINDS[entry.collection]
    create = methods.get(f"Create{kind}")
    if create is None:
        raise RequestRejected(f"localpubsub does not offer {entry.collection} yet.")
    fields = entry.fields if kind != "Schema" else _create_schema_request(entry.fields)
    resource = parse_fields(create.request, fields)
    try:
        await _call(create, resource)
    except AlreadyExists:
        if kind != "Schema":
            await _update(kind, resource, methods)


async def _update(kind: str, resource: RequestPb, methods: Mapping[str, Method]) -> None:
    field = kind.lower()
    get, update = methods[f"Get{kind}"], methods[f"Update{kind}"]
    current = await _call(get, get.request(**{field: resource.name}))
    names = {descriptor.name for descriptor, _ in resource.ListFields()}
    for name in sorted(names & _IMMUTABLE):
        if getattr(current, name) != getattr(resource, name):
            raise RequestRejected(
                f"{resource.name} exists with a different {name} ({getattr(current, name)!r}), which cannot "
                "be changed: delete it, or use another name or data directory."
            )
    if names - _IMMUTABLE:
        request = update.request(**{field: resource})
        request.update_mask.paths.extend(sorted(names - _IMMUTABLE))
        await _call(update, request)
    _log.debug("resource_exists name=%s", resource.name)


def _create_schema_request(fields: dict[str, Any]) -> dict[str, Any]:
    parent, _, schema_id = str(fields["name"]).partition("/schemas/")
    return {"parent": parent, "schemaId": schema_id, "schema": fields}


async def _call(method: Method, request: RequestPb) -> ResponsePb:
    return await method.function(request, cast("Context", CallContext(_TIMEOUT)))
