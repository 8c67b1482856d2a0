"""Makes what ``--setup`` wants, through the methods that clients call. Made twice, nothing changes."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from localpubsub.api.rest_call import Call
from localpubsub.api.rest_json import parsed
from localpubsub.errors import AlreadyExists, CannotStart, RequestRejected, StoreFailure
from localpubsub.protocol.calls import Context, Method, Services, unary_methods
from localpubsub.protocol.messages import RequestPb, ResponsePb
from localpubsub.setup import file as setup_file
from localpubsub.setup.file import Wanted

_KINDS: Final = {"topics": "Topic", "subscriptions": "Subscription", "schemas": "Schema"}

#: What of a resource is decided for good when it is made.
_FIXED: Final = frozenset({"name", "topic", "filter", "enable_message_ordering", "kms_key_name"})
_SECONDS: Final = 60.0

_log = logging.getLogger("localpubsub.setup")


def read(setup: Path | Mapping[str, Any]) -> list[Wanted]:
    """What a file or a mapping wants; CannotStart with every fault."""
    if isinstance(setup, Mapping):
        return setup_file.from_values(setup)
    try:
        text = setup.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CannotStart(f"cannot read the setup file {setup}: {reason}.") from None
    return setup_file.from_text(text, setup.name)


async def make(wanted: Sequence[Wanted], services: Services) -> None:
    """Create what is missing, change what differs; CannotStart with every fault."""
    methods = unary_methods(services)
    faults: list[str] = []
    for each in wanted:
        try:
            await _make(each, methods)
        except (RequestRejected, StoreFailure) as refusal:
            faults.append(f"{each.where}: {refusal}")
    if faults:
        raise CannotStart("\n".join(faults))


async def _make(wanted: Wanted, methods: Mapping[str, Method]) -> None:
    kind = _KINDS[wanted.collection]
    create = methods.get(f"Create{kind}")
    if create is None:
        raise RequestRejected(f"localpubsub does not offer {wanted.collection} yet.")
    fields = wanted.fields if kind != "Schema" else _create_schema(wanted.fields)
    given = parsed(create.request, fields)
    try:
        await _call(create, given)
    except AlreadyExists:
        if kind != "Schema":
            await _update(kind, given, methods)


async def _update(kind: str, given: RequestPb, methods: Mapping[str, Method]) -> None:
    field = kind.lower()
    get, update = methods[f"Get{kind}"], methods[f"Update{kind}"]
    current = await _call(get, get.request(**{field: given.name}))
    named = {descriptor.name for descriptor, _ in given.ListFields()}
    for name in sorted(named & _FIXED):
        if getattr(current, name) != getattr(given, name):
            raise RequestRejected(
                f"{given.name} exists, with another {name} ({getattr(current, name)!r}), which cannot "
                "change: delete it, or use another name or data directory."
            )
    if named - _FIXED:
        request = update.request(**{field: given})
        request.update_mask.paths.extend(sorted(named - _FIXED))
        await _call(update, request)
    _log.debug("exists name=%s", given.name)


def _create_schema(fields: dict[str, Any]) -> dict[str, Any]:
    parent, _, schema_id = str(fields["name"]).partition("/schemas/")
    return {"parent": parent, "schemaId": schema_id, "schema": fields}


async def _call(method: Method, request: RequestPb) -> ResponsePb:
    return await method.function(request, cast("Context", Call(_SECONDS)))
