"""Keeps the schemas and their revisions, by name. Every change is on disk before it is confirmed.

The rules are from https://cloud.google.com/pubsub/docs/schemas and the comments of
google/pubsub/v1/schema.proto.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from localpubsub.backlog.message_ids import MICROSECONDS
from localpubsub.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    SchemaMismatch,
)
from localpubsub.protocol.messages import PubsubMessagePb, Schema, SchemaPb, SchemaSettingsPb
from localpubsub.resources import limits
from localpubsub.storage.journal import Journal
from localpubsub.storage.store import Store

if TYPE_CHECKING:
    from localpubsub.schemas.avro import AvroDefinition
    from localpubsub.schemas.protobuf import ProtobufDefinition

#: Value of a topic's ``schema`` after the schema was deleted (proto: SchemaSettings.schema).
DELETED_SCHEMA: Final = "_deleted-schema_"

#: Maximum number of revisions of one schema (https://cloud.google.com/pubsub/quotas#resource_limits).
MAX_REVISIONS: Final = 20
MAX_DEFINITION_BYTES: Final = 300_000  #: Maximum bytes of one definition (same page).

# Names of the attributes that are added to each validated message.
ENCODING: Final = "googclient_schemaencoding"  #: Name of the attribute whose value is JSON or BINARY.
NAME: Final = "googclient_schemaname"  #: Name of the attribute with the schema's full name.
#: Name of the attribute with the id of the matching revision.
REVISION: Final = "googclient_schemarevisionid"

_ENCODINGS: Final = {1: "JSON", 2: "BINARY"}
_PUT: Final = "INSERT OR REPLACE INTO schema_revision VALUES (?, ?, ?, ?)"


@dataclass(eq=False)
class Revision:
    """One revision of a schema."""

    number: int  #: Orders the revisions and identifies them in the store; it is never reused.
    resource: SchemaPb
    compiled: bytes  #: Encoded FileDescriptorSet; empty for Avro.

    @cached_property
    def definition(self) -> "AvroDefinition | ProtobufDefinition":
        """The parsed definition, which decodes messages."""
        if self.resource.type_ == Schema.AVRO:
            from localpubsub.schemas.avro import AvroDefinition  # noqa: PLC0415 - few servers need this slow import

            return AvroDefinition(self.resource.definition)
        from localpubsub.schemas.protobuf import ProtobufDefinition  # noqa: PLC0415 - few servers need this slow import

        return ProtobufDefinition(self.compiled, self.resource.compiled_proto_schema.root_message)


class SchemaRegistry:
    """Creates, revises and deletes schemas, and validates messages against them."""

    def __init__(self, journal: Journal, next_number: Callable[[], int]) -> None:
        #: Full name of a schema → its revisions, oldest first.
        self.revisions: dict[str, list[Revision]] = {}
        self._journal = journal
        self._next_number = next_number
        #: Returns when a number was allocated, microseconds since 1970; the broker sets it.
        self.time_of: Callable[[int], int] = lambda number: number
        #: Called with the number of a schema's oldest revision before and after a change, before its commit.
        self.on_oldest_changed: Callable[[int, int], None] = lambda _before, _after: None

    def load(self, store: Store) -> None:
        """Read all revisions from the store, before the server serves."""
        for number, encoded, compiled in store.schema_revisions():
            resource = Schema.FromString(encoded)
            self.revisions.setdefault(resource.name, []).append(Revision(number, resource, compiled))

    def revision(self, name: str, revision_id: str = "") -> Revision:
        """Return the revision with the id ``revision_id``, or the newest revision if no id is given.

        The name may end with an id, which then takes precedence: ``projects/P/schemas/S@ID``.

        Raises:
            NotFound: the schema or the revision does not exist.
        """
        schema, _, given = name.partition("@")
        requested = given or revision_id
        for revision in reversed(self.revisions.get(schema, [])):
            if requested in {"", revision.resource.revision_id}:
                return revision
        raise NotFound(f"{schema}@{requested}" if requested else schema)

    async def create(self, name: str, given: SchemaPb) -> Revision:
        """Create a schema and return its first revision.

        Raises:
            AlreadyExists: the name is taken.
            InvalidArgument: the name or the definition is invalid.
            StoreFailure: nothing was changed.
        """
        limits.check_name(name, "schemas")
        self._check_new(name)
        revision = await self._compile(name, given)
        self._check_new(name)  # another request may have created the schema in the meantime
        return await self._put(revision)

    async def commit(self, name: str, given: SchemaPb) -> Revision:
        """Add a revision to a schema.

        Raises:
            NotFound: the schema does not exist.
            InvalidArgument: the definition is invalid or has another type.
            FailedPrecondition: the schema has too many revisions.
            StoreFailure: nothing was changed.
        """
        self._check_type(name, given)
        revision = await self._compile(name, given)
        self._check_type(name, given)  # the schema may have been deleted in the meantime, and created again
        return await self._put(revision)

    async def roll_back(self, name: str, revision_id: str) -> Revision:
        """Add a revision that is a copy of an earlier revision.

        Raises:
            NotFound: the schema or the revision does not exist.
            InvalidArgument: no revision id is given.
            FailedPrecondition: the schema has too many revisions.
            StoreFailure: nothing was changed.
        """
        if not revision_id:
            raise InvalidArgument("Invalid rollback: a revision_id must be given.")
        earlier = self.revision(name.partition("@")[0], revision_id)
        return await self._put(self._numbered(earlier.resource, earlier.compiled))

    async def delete_revision(self, name: str, revision_id: str) -> Revision:
        """Delete a revision and return it; FailedPrecondition if it is the only one."""
        if not name.partition("@")[2] and not revision_id:
            raise InvalidArgument("Invalid name: the revision must be given, as in projects/P/schemas/S@ID.")
        revision = self.revision(name, revision_id)
        revisions = self.revisions[revision.resource.name]
        if len(revisions) == 1:
            raise FailedPrecondition("The only revision of a schema cannot be deleted: delete the schema.")
        position = revisions.index(revision)
        revisions.remove(revision)
        self._journal.next.resources.append(
            ("DELETE FROM schema_revision WHERE number = ?", (revision.number,))
        )
        if position == 0:
            self.on_oldest_changed(revision.number, revisions[0].number)
        await self._journal.commit_or(lambda: revisions.insert(position, revision))
        return revision

    async def delete(self, name: str) -> None:
        """Delete a schema with its revisions; the caller, Catalogue.delete_schema, updates the topics."""
        self.revision(name)
        removed = self.revisions.pop(name)
        self._journal.next.resources.append(("DELETE FROM schema_revision WHERE schema = ?", (name,)))
        await self._journal.commit_or(lambda: self.revisions.__setitem__(name, removed))

    async def validate_definition(self, given: SchemaPb) -> Revision:
        """Return a revision of this definition without storing it; InvalidArgument if it is invalid."""
        return await self._compile("", given)

    def check_settings(self, settings: SchemaSettingsPb) -> None:
        """Reject an invalid name or encoding (InvalidArgument), or an unknown revision (NotFound)."""
        limits.check_name(settings.schema, "schemas")
        self.revision(settings.schema)
        if settings.encoding not in _ENCODINGS:
            raise InvalidArgument("Invalid schema encoding provided: it must be JSON or BINARY.")
        for revision_id in (settings.first_revision_id, settings.last_revision_id):
            self.revision(settings.schema, revision_id)

    def validate_messages(self, settings: SchemaSettingsPb, messages: Iterable[PubsubMessagePb]) -> None:
        """Validate messages against a topic's schema, and add attributes that name the matching revision.

        Raises:
            InvalidArgument: a message does not match; the error names the first such message and the reason.
            NotFound: the schema was deleted.
        """
        if settings.schema == DELETED_SCHEMA:
            raise NotFound("Schema associated with topic deleted")
        revisions = self._allowed(settings)
        encoding = _ENCODINGS[settings.encoding]
        for index, message in enumerate(messages):
            revision = _newest_match(revisions, message.data, encoding, index)
            message.attributes[ENCODING] = encoding
            message.attributes[NAME] = settings.schema
            message.attributes[REVISION] = revision.resource.revision_id

    def decode(self, message: PubsubMessagePb) -> Mapping[str, object]:
        """Return the fields of a validated message.

        Raises:
            SchemaMismatch: the message does not match its schema, or the schema has no fields or does not
            exist.
        """
        try:
            revision = self.revision(message.attributes.get(NAME, ""), message.attributes.get(REVISION, ""))
        except NotFound as error:
            raise SchemaMismatch(f"The schema of the message does not exist: {error}") from error
        fields = revision.definition.decode(message.data, binary=message.attributes[ENCODING] == "BINARY")
        if not isinstance(fields, dict):
            raise SchemaMismatch(
                "The schema of the message is not a record, so it has no fields for columns."
            )
        return fields

    def _allowed(self, settings: SchemaSettingsPb) -> Sequence[Revision]:
        """Return the revisions that a topic allows, newest first."""
        first, last = (
            self.revision(settings.schema, each).number if each else 0
            for each in (settings.first_revision_id, settings.last_revision_id)
        )
        return [
            revision
            for revision in reversed(self.revisions[settings.schema])
            if first <= revision.number <= (last or revision.number)
        ]

    def _check_type(self, name: str, given: SchemaPb) -> None:
        if given.type_ != self.revision(name).resource.type_:
            raise InvalidArgument("Invalid schema revision: the type of a schema cannot be changed.")

    def _check_new(self, name: str) -> None:
        if name in self.revisions:
            raise AlreadyExists(name)

    async def _compile(self, name: str, given: SchemaPb) -> Revision:
        size = len(given.definition.encode()) + len(given.compiled_proto_schema.compiled_bytes)
        if size > MAX_DEFINITION_BYTES:
            raise InvalidArgument(
                f"Invalid schema definition: it has {size} bytes, the maximum is {MAX_DEFINITION_BYTES}."
            )
        compiled = b""
        if given.type_ == Schema.PROTOCOL_BUFFER:
            compiled = bytes(given.compiled_proto_schema.compiled_bytes)
            if not given.HasField("compiled_proto_schema"):
                from localpubsub.schemas import protobuf  # noqa: PLC0415 - few servers need this slow import

                compiled = await asyncio.to_thread(protobuf.compile_definition, given.definition)
        elif given.type_ != Schema.AVRO:
            raise InvalidArgument("Invalid schema: its type must be AVRO or PROTOCOL_BUFFER.")
        resource = Schema()
        resource.CopyFrom(given)
        resource.name = name
        revision = self._numbered(resource, compiled)
        _ = revision.definition  # raises if the definition is invalid
        return revision

    def _numbered(self, given: SchemaPb, compiled: bytes) -> Revision:
        number = self._next_number()
        resource = Schema()
        resource.CopyFrom(given)
        resource.revision_id = os.urandom(4).hex()
        seconds, micros = divmod(self.time_of(number), MICROSECONDS)
        resource.revision_create_time.seconds = seconds
        resource.revision_create_time.nanos = micros * 1000
        return Revision(number, resource, compiled)

    async def _put(self, revision: Revision) -> Revision:
        name = revision.resource.name
        revisions = self.revisions.setdefault(name, [])
        if len(revisions) >= MAX_REVISIONS:
            raise FailedPrecondition(
                f"The schema has {MAX_REVISIONS} revisions already: delete one (schema={name})."
            )
        revisions.append(revision)
        row = (revision.number, name, revision.resource.SerializeToString(), revision.compiled)
        self._journal.next.resources.append((_PUT, row))
        await self._journal.commit_or(lambda: self._remove(revisions, revision))
        return revision

    def _remove(self, revisions: list[Revision], revision: Revision) -> None:
        revisions.remove(revision)
        if not revisions:
            self.revisions.pop(revision.resource.name, None)


def _newest_match(revisions: Sequence[Revision], data: bytes, encoding: str, index: int) -> Revision:
    """Return the newest of the revisions that the data matches."""
    reason = "no revision is allowed"
    for revision in revisions:
        try:
            revision.definition.decode(data, binary=encoding == "BINARY")
        except SchemaMismatch as error:
            # The error explains why the newest revision does not match.
            reason = reason if revision is not revisions[0] else str(error)
            continue
        return revision
    raise InvalidArgument(f"Invalid data in message {index}: {reason} (encoding={encoding}).")
