"""The schemas there are, by name, with their revisions; every change is in the store before it is confirmed.

https://cloud.google.com/pubsub/docs/schemas and the comments of google/pubsub/v1/schema.proto.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from localpubsub.backlog.message import MICROSECONDS
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

#: What a topic's schema reads once that is deleted (proto: SchemaSettings.schema).
DELETED_SCHEMA: Final = "_deleted-schema_"

MAX_REVISIONS: Final = 20  #: of one schema (https://cloud.google.com/pubsub/quotas#resource_limits)
MAX_DEFINITION_BYTES: Final = 300_000  #: (idem)

ENCODING: Final = "googclient_schemaencoding"  #: attributes of messages that were validated
NAME: Final = "googclient_schemaname"
REVISION: Final = "googclient_schemarevisionid"

_ENCODINGS: Final = {1: "JSON", 2: "BINARY"}
_PUT: Final = "INSERT OR REPLACE INTO schema_revision VALUES (?, ?, ?, ?)"


@dataclass(eq=False)
class Revision:
    """One revision. ``number`` orders them and never is used again."""

    number: int
    resource: SchemaPb
    compiled: bytes  #: FileDescriptorSet, empty for Avro

    @cached_property
    def definition(self) -> "AvroDefinition | ProtobufDefinition":
        """What reads its messages."""
        if self.resource.type_ == Schema.AVRO:
            from localpubsub.schemas.avro import AvroDefinition  # noqa: PLC0415 - see `server.py`

            return AvroDefinition(self.resource.definition)
        from localpubsub.schemas.protobuf import ProtobufDefinition  # noqa: PLC0415 - idem

        return ProtobufDefinition(self.compiled, self.resource.compiled_proto_schema.root_message)


class SchemaRegistry:
    """Creates, revises, lists and deletes schemas, and holds messages against them."""

    def __init__(self, journal: Journal, next_number: Callable[[], int]) -> None:
        self.revisions: dict[str, list[Revision]] = {}  #: by full name of the schema, oldest first
        self._journal = journal
        self._next_number = next_number

    def load(self, store: Store) -> None:
        """Take over what the store holds; before the server serves."""
        for number, encoded, compiled in store.schema_revisions():
            resource = Schema.FromString(encoded)
            self.revisions.setdefault(resource.name, []).append(Revision(number, resource, compiled))

    def revision(self, name: str, revision_id: str = "") -> Revision:
        """A revision by ``projects/P/schemas/S@ID``, or the last one without ID; NotFound."""
        schema, _, given = name.partition("@")
        wanted = given or revision_id
        for revision in reversed(self.revisions.get(schema, [])):
            if wanted in {"", revision.resource.revision_id}:
                return revision
        raise NotFound(f"{schema}@{wanted}" if wanted else schema)

    async def create(self, name: str, given: SchemaPb) -> Revision:
        """A new schema; AlreadyExists, InvalidArgument."""
        limits.check_name(name, "schemas")
        self._check_new(name)
        revision = await self._compiled(name, given)
        self._check_new(name)
        return await self._put(revision)

    async def commit(self, name: str, given: SchemaPb) -> Revision:
        """Another revision of the same type; NotFound, InvalidArgument."""
        current = self.revision(name)
        if given.type_ != current.resource.type_:
            raise InvalidArgument("Invalid schema revision: the type of a schema cannot be changed.")
        revision = await self._compiled(current.resource.name, given)
        self.revision(name)  # it may have been deleted meanwhile
        return await self._put(revision)

    async def roll_back(self, name: str, revision_id: str) -> Revision:
        """A new revision that is a copy of an earlier one."""
        if not revision_id:
            raise InvalidArgument("Invalid rollback: a revision_id must be given.")
        earlier = self.revision(name.partition("@")[0], revision_id)
        return await self._put(self._numbered(earlier.resource, earlier.compiled))

    async def delete_revision(self, name: str, revision_id: str) -> Revision:
        """The deleted revision; FailedPrecondition when it is the only one."""
        if "@" not in name and not revision_id:
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
        await self._journal.commit_or(lambda: revisions.insert(position, revision))
        return revision

    async def delete(self, name: str) -> None:
        """All revisions; the topics that used them take no more messages (see Catalogue.delete_schema)."""
        self.revision(name)
        removed = self.revisions.pop(name)
        self._journal.next.resources.append(("DELETE FROM schema_revision WHERE schema = ?", (name,)))
        await self._journal.commit_or(lambda: self.revisions.__setitem__(name, removed))

    async def validate(self, given: SchemaPb) -> Revision:
        """A revision that is not kept; InvalidArgument when the definition is none."""
        return await self._compiled("", given)

    def check_settings(self, settings: SchemaSettingsPb) -> None:
        """Refuse settings of a topic that no message could satisfy: NotFound, InvalidArgument."""
        self.revision(settings.schema)
        if settings.encoding not in _ENCODINGS:
            raise InvalidArgument("Invalid schema encoding provided: it must be JSON or BINARY.")
        for revision_id in (settings.first_revision_id, settings.last_revision_id):
            self.revision(settings.schema, revision_id)

    def stamp(self, settings: SchemaSettingsPb, messages: Iterable[PubsubMessagePb]) -> None:
        """Hold messages against a topic's schema, and say in each which revision it satisfies.

        InvalidArgument names the first that does not, and why; none of them is then published.
        """
        if settings.schema == DELETED_SCHEMA:
            raise NotFound("Schema associated with topic deleted")
        revisions = self._allowed(settings)
        encoding = _ENCODINGS[settings.encoding]
        for index, message in enumerate(messages):
            revision = _satisfied(revisions, message.data, encoding, index)
            message.attributes[ENCODING] = encoding
            message.attributes[NAME] = settings.schema
            message.attributes[REVISION] = revision.resource.revision_id

    def decode(self, message: PubsubMessagePb) -> Mapping[str, object]:
        """The fields of a stamped message; SchemaMismatch when it has none."""
        try:
            revision = self.revision(message.attributes.get(NAME, ""), message.attributes.get(REVISION, ""))
        except NotFound as error:
            raise SchemaMismatch(f"The schema of the message is not there: {error}") from error
        found = revision.definition.decode(message.data, binary=message.attributes[ENCODING] == "BINARY")
        if not isinstance(found, dict):
            raise SchemaMismatch("The schema of the message is no record: it has no fields for columns.")
        return found

    def _allowed(self, settings: SchemaSettingsPb) -> Sequence[Revision]:
        """From the last allowed revision back to the first."""
        revisions = self.revisions[settings.schema]
        first = last = None
        if settings.first_revision_id:
            first = self.revision(settings.schema, settings.first_revision_id).number
        if settings.last_revision_id:
            last = self.revision(settings.schema, settings.last_revision_id).number
        return [
            revision
            for revision in reversed(revisions)
            if (first or 0) <= revision.number <= (last or revision.number)
        ]

    def _check_new(self, name: str) -> None:
        if name in self.revisions:
            raise AlreadyExists(name)

    async def _compiled(self, name: str, given: SchemaPb) -> Revision:
        size = len(given.definition.encode()) + len(given.compiled_proto_schema.compiled_bytes)
        if size > MAX_DEFINITION_BYTES:
            raise InvalidArgument(
                f"Invalid schema definition: it has {size} bytes, the maximum is {MAX_DEFINITION_BYTES}."
            )
        compiled = b""
        if given.type_ == Schema.PROTOCOL_BUFFER:
            compiled = bytes(given.compiled_proto_schema.compiled_bytes)
            if not given.HasField("compiled_proto_schema"):
                from localpubsub.schemas import protobuf  # noqa: PLC0415 - see `server.py`

                compiled = await asyncio.to_thread(protobuf.compile_definition, given.definition)
        elif given.type_ != Schema.AVRO:
            raise InvalidArgument("Invalid schema: its type must be AVRO or PROTOCOL_BUFFER.")
        resource = Schema()
        resource.CopyFrom(given)
        resource.name = name
        revision = self._numbered(resource, compiled)
        _ = revision.definition  # raises when the definition is none
        return revision

    def _numbered(self, given: SchemaPb, compiled: bytes) -> Revision:
        number = self._next_number()
        resource = Schema()
        resource.CopyFrom(given)
        resource.revision_id = os.urandom(4).hex()
        seconds, micros = divmod(number, MICROSECONDS)
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
        await self._journal.commit_or(lambda: self._forget(revisions, revision))
        return revision

    def _forget(self, revisions: list[Revision], revision: Revision) -> None:
        revisions.remove(revision)
        if not revisions:
            self.revisions.pop(revision.resource.name, None)


def _satisfied(revisions: Sequence[Revision], data: bytes, encoding: str, index: int) -> Revision:
    """The last revision that data satisfies."""
    reason = "no revision is allowed"
    for revision in revisions:
        try:
            revision.definition.decode(data, binary=encoding == "BINARY")
        except SchemaMismatch as mismatch:
            # That of the newest revision is the one to hear of.
            reason = reason if revision is not revisions[0] else str(mismatch)
            continue
        return revision
    raise InvalidArgument(f"Invalid data in message {index}: {reason} (encoding={encoding}).")
