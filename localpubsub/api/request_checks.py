"""Checks the resource names and page sizes of every request, before a method looks a resource up.

Pub/Sub rejects a malformed name with INVALID_ARGUMENT in every method; NOT_FOUND is the error for the
well-formed name of a resource that does not exist. A negative page size is invalid, and one above the maximum
means the maximum (https://google.aip.dev/158). A field that localpubsub does not know, from a newer client,
is rejected in the methods that configure resources: ignoring it would change the behaviour unnoticed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final

from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]  # no py.typed

from localpubsub.api.rest_routes import TABLE, template_parts
from localpubsub.errors import InvalidArgument, Unimplemented
from localpubsub.protocol.calls import Context, Function, Method, Services
from localpubsub.protocol.messages import RequestPb, ResponsePb
from localpubsub.resources import limits


@dataclass(frozen=True, slots=True)
class NameField:
    """A field of a request that contains the name of a resource or a project."""

    path: str  #: The dotted path of the field, for example "topic.name".
    collections: tuple[str, ...]  #: The collections that it may name, such as "topics"; empty for a project.
    optional: bool = False  #: Whether the field may be empty.
    names_revision: bool = False  #: Whether the name of a schema may end with ``@ID``, the id of a revision.

    def check(self, name: str) -> None:
        """Raise InvalidArgument if the name is malformed."""
        if not name and self.optional:
            return
        if not self.collections:
            limits.check_project(name)
        elif self.names_revision:
            limits.check_name(name.partition("@")[0], *self.collections)
        else:
            limits.check_name(name, *self.collections)


#: The names that are not part of a path of the REST API: method → fields.
_NOT_IN_PATHS: Final[Mapping[str, tuple[NameField, ...]]] = {
    "CreateTopic": (NameField("schema_settings.schema", ("schemas",), optional=True),),
    "CreateSubscription": (NameField("topic", ("topics",)),),
    "CreateSnapshot": (NameField("subscription", ("subscriptions",)),),
    "Seek": (NameField("snapshot", ("snapshots",), optional=True),),
    "TestMessageTransforms": (
        NameField("topic", ("topics",), optional=True),
        NameField("subscription", ("subscriptions",), optional=True),
    ),
    "ValidateMessage": (NameField("name", ("schemas",), optional=True, names_revision=True),),
}
#: The methods whose schema's name may be that of a revision (the comments of schema.proto).
_OF_REVISIONS: Final = frozenset({"GetSchema", "RollbackSchema", "DeleteSchemaRevision"})


def _name_fields() -> dict[str, tuple[NameField, ...]]:
    """Return the fields of each unary method that contain names."""
    collections: dict[tuple[str, str], tuple[str, ...]] = {}
    for method, _, template, _ in TABLE:
        field, resource = template_parts(template)
        # "projects/*" has no collection, and "projects/*/topics/*" has one.
        collections[method, field] = (*collections.get((method, field), ()), *resource.split("/")[2:3])
    return {
        method: (
            NameField(field, found, names_revision=method in _OF_REVISIONS),
            *_NOT_IN_PATHS.get(method, ()),
        )
        for (method, field), found in collections.items()
    }


#: Requests that are too frequent to be searched for unknown fields.
_FREQUENT: Final = {"PublishRequest", "PullRequest", "AcknowledgeRequest", "ModifyAckDeadlineRequest"}

#: The names in the requests of all unary methods: method → fields.
NAME_FIELDS: Final = _name_fields()


def with_checked_requests(services: Services) -> Services:
    """Return the services with methods that raise InvalidArgument for a malformed name or page size.

    A method with streams is returned unchanged, because only the method itself reads its requests.
    """
    return {
        service: {
            name: replace(method, function=_checked(method, NAME_FIELDS[name]))
            if isinstance(method, Method)
            else method
            for name, method in methods.items()
        }
        for service, methods in services.items()
    }


def _checked(method: Method, fields: tuple[NameField, ...]) -> Function:
    function = method.function
    checks: list[tuple[Callable[[RequestPb], Any], Callable[[Any], None]]] = [
        (attrgetter(field.path), field.check) for field in fields
    ]
    if method.request.DESCRIPTOR.name not in _FREQUENT:
        checks.append((lambda request: request, _check_known))
    if "page_size" in method.request.DESCRIPTOR.fields_by_name:
        checks.append((attrgetter("page_size"), _check_page_size))

    async def call(request: RequestPb, context: Context) -> ResponsePb:
        for read, check in checks:
            check(read(request))
        return await function(request, context)

    return call


def _check_page_size(size: int) -> None:
    if size < 0:
        raise InvalidArgument(f"Invalid page_size given (value={size}): it must not be negative.")


def _check_known(message: RequestPb) -> None:
    """Raise Unimplemented if a message contains a field, at any depth, that its descriptor does not have."""
    for unknown in UnknownFieldSet(message):
        raise Unimplemented(
            f"localpubsub does not know the field {unknown.field_number} of {message.DESCRIPTOR.full_name}, "
            "which is newer than localpubsub: leave it unset."
        )
    for field, value in message.ListFields():
        # The maps of Pub/Sub contain only texts.
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else [value]:
                _check_known(each)
