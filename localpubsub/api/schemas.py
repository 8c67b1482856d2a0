"""Implements the service google.pubsub.v1.SchemaService.

https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#schemaservice
"""

from collections.abc import Mapping

from localpubsub.api.paging import list_page, list_project_page
from localpubsub.broker.broker import Broker
from localpubsub.errors import InvalidArgument, SchemaMismatch
from localpubsub.protocol.calls import Context, Method, StreamMethod
from localpubsub.protocol.messages import (
    CommitSchemaRequest,
    CreateSchemaRequest,
    DeleteSchemaRequest,
    DeleteSchemaRevisionRequest,
    Empty,
    GetSchemaRequest,
    ListSchemaRevisionsRequest,
    ListSchemaRevisionsResponse,
    ListSchemasRequest,
    ListSchemasResponse,
    RequestPb,
    ResponsePb,
    RollbackSchemaRequest,
    Schema,
    ValidateMessageRequest,
    ValidateMessageResponse,
    ValidateSchemaRequest,
    ValidateSchemaResponse,
)
from localpubsub.schemas.registry import Revision

_BASIC, _FULL = 1, 2  # Values of google.pubsub.v1.SchemaView.
_JSON, _BINARY = 1, 2  # Values of google.pubsub.v1.Encoding.


class SchemaService:
    """The methods of the service; each may raise RequestRejected or StoreFailure."""

    def __init__(self, broker: Broker) -> None:
        self._catalogue = broker.catalogue
        self._schemas = broker.catalogue.schemas

    def methods(self) -> Mapping[str, Method | StreamMethod]:
        """Return ``{name: Method}``."""
        return {
            "CreateSchema": Method(CreateSchemaRequest, self.create_schema),
            "GetSchema": Method(GetSchemaRequest, self.get_schema),
            "ListSchemas": Method(ListSchemasRequest, self.list_schemas),
            "ListSchemaRevisions": Method(ListSchemaRevisionsRequest, self.list_schema_revisions),
            "CommitSchema": Method(CommitSchemaRequest, self.commit_schema),
            "RollbackSchema": Method(RollbackSchemaRequest, self.rollback_schema),
            "DeleteSchemaRevision": Method(DeleteSchemaRevisionRequest, self.delete_schema_revision),
            "DeleteSchema": Method(DeleteSchemaRequest, self.delete_schema),
            "ValidateSchema": Method(ValidateSchemaRequest, self.validate_schema),
            "ValidateMessage": Method(ValidateMessageRequest, self.validate_message),
        }

    async def create_schema(self, request: RequestPb, _: Context) -> ResponsePb:
        """Create a schema named by the request's parent and schema id; a name in the schema is ignored."""
        name = f"{request.parent}/schemas/{request.schema_id}"
        return (await self._schemas.create(name, request.schema)).resource

    async def get_schema(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return the last revision of a schema or, for a name that ends with ``@ID``, the revision ``ID``.

        The definition is included unless the view is BASIC.
        """
        return _with_view(self._schemas.revision(request.name), full=request.view != _BASIC)

    async def list_schemas(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return the last revision of each schema of a project; definitions only with the view FULL."""
        found, token = list_project_page(
            self._schemas.revisions, request.parent, request.page_size, request.page_token
        )
        full = request.view == _FULL
        schemas = [_with_view(self._schemas.revision(name), full=full) for name in found]
        return ListSchemasResponse(schemas=schemas, next_page_token=token)

    async def list_schema_revisions(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return the revisions of a schema, oldest first; definitions only with the view FULL."""
        self._schemas.revision(request.name)
        revisions = {f"{each.number:020}": each for each in self._schemas.revisions[request.name]}
        found, token = list_page(list(revisions), request.page_size, request.page_token)
        full = request.view == _FULL
        schemas = [_with_view(revisions[number], full=full) for number in found]
        return ListSchemaRevisionsResponse(schemas=schemas, next_page_token=token)

    async def commit_schema(self, request: RequestPb, _: Context) -> ResponsePb:
        """Create a new revision and return it."""
        return (await self._schemas.commit(request.name, request.schema)).resource

    async def rollback_schema(self, request: RequestPb, _: Context) -> ResponsePb:
        """Create a new revision with the definition of an earlier one, and return it."""
        return (await self._schemas.roll_back(request.name, request.revision_id)).resource

    async def delete_schema_revision(self, request: RequestPb, _: Context) -> ResponsePb:
        """Delete one revision and return it."""
        return (await self._schemas.delete_revision(request.name, request.revision_id)).resource

    async def delete_schema(self, request: RequestPb, _: Context) -> ResponsePb:
        """Delete all revisions; topics that use the schema then reject every message."""
        await self._catalogue.delete_schema(request.name)
        return Empty()

    async def validate_schema(self, request: RequestPb, _: Context) -> ResponsePb:
        """Validate a schema without storing it."""
        await self._schemas.validate_definition(request.schema)
        return ValidateSchemaResponse()

    async def validate_message(self, request: RequestPb, _: Context) -> ResponsePb:
        """Validate a message against a stored schema, or against the schema in the request."""
        if request.encoding not in {_JSON, _BINARY}:
            raise InvalidArgument("Invalid schema encoding provided: it must be JSON or BINARY.")
        if request.WhichOneof("schema_spec") == "name":
            revision = self._schemas.revision(request.name)
        else:
            revision = await self._schemas.validate_definition(request.schema)
        try:
            revision.definition.decode(request.message, binary=request.encoding == _BINARY)
        except SchemaMismatch as error:
            raise InvalidArgument(f"Invalid data in message: {error}.") from error
        return ValidateMessageResponse()


def _with_view(revision: Revision, *, full: bool) -> ResponsePb:
    if full:
        return revision.resource
    basic = Schema()
    basic.CopyFrom(revision.resource)
    basic.ClearField("definition")
    basic.ClearField("compiled_proto_schema")
    return basic
