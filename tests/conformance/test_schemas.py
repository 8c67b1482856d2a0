"""Tests of SchemaService: schemas, their revisions, and the validation of messages.

``emulator_differs`` states what Google's official emulator does instead of what a test expects.
"""

import pytest
from google.api_core.exceptions import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from google.protobuf import descriptor_pb2, struct_pb2  # type: ignore[import-untyped]  # publishes no types
from google.pubsub_v1 import SchemaServiceClient
from google.pubsub_v1.types import (
    CompiledProtoSchema,
    Encoding,
    Schema,
    SchemaView,
    ValidateMessageRequest,
)

from tests.conformance.schema_examples import (
    AVRO,
    OTHER_AVRO,
    PARENT,
    PROTO,
    avro,
    created,
    proto,
)
from tests.servers.pubsub_client import PubsubClient

#: Marks a test with a protocol buffer schema, which the official emulator rejects.
NO_PROTOBUF = pytest.mark.emulator_differs("offers no protocol buffers")


def test_schema_is_created_listed_and_deleted(schemas: SchemaServiceClient, pubsub: PubsubClient) -> None:
    """A schema is returned and listed until it is deleted; its name cannot be used twice."""
    made = created(schemas, pubsub)
    assert made.revision_id
    assert made.revision_create_time
    assert schemas.get_schema(name=made.name) == made
    assert made.name in [schema.name for schema in schemas.list_schemas(parent=PARENT)]
    with pytest.raises(AlreadyExists):
        schemas.create_schema(parent=PARENT, schema=avro(), schema_id=made.name.rpartition("/")[2])
    schemas.delete_schema(name=made.name)
    with pytest.raises(NotFound):
        schemas.get_schema(name=made.name)


@pytest.mark.emulator_differs("always sends definitions")
def test_schema_list_omits_definitions_by_default(schemas: SchemaServiceClient, pubsub: PubsubClient) -> None:
    """Lists have no definitions by default; get_schema omits the definition only with the view BASIC."""
    made = created(schemas, pubsub)
    (listed,) = (schema for schema in schemas.list_schemas(parent=PARENT) if schema.name == made.name)
    assert (listed.definition, listed.type_) == ("", Schema.Type.AVRO)
    request = {"parent": PARENT, "view": SchemaView.FULL}
    assert made in list(schemas.list_schemas(request))
    assert schemas.get_schema({"name": made.name, "view": SchemaView.BASIC}).definition == ""


def test_schema_revisions_are_committed_and_rolled_back(
    schemas: SchemaServiceClient, pubsub: PubsubClient
) -> None:
    """A commit and a rollback each create a revision; the last revision is returned by default."""
    first = created(schemas, pubsub)
    second = schemas.commit_schema(name=first.name, schema=avro(OTHER_AVRO, first.name))
    assert schemas.get_schema(name=first.name) == second
    third = schemas.rollback_schema(name=first.name, revision_id=first.revision_id)
    assert third.definition == first.definition
    assert len({each.revision_id for each in (first, second, third)}) == 3
    listed = [schema.revision_id for schema in schemas.list_schema_revisions(name=first.name)]
    assert listed == [first.revision_id, second.revision_id, third.revision_id]
    schemas.delete_schema_revision(name=f"{first.name}@{second.revision_id}")
    listed = [schema.revision_id for schema in schemas.list_schema_revisions(name=first.name)]
    assert listed == [first.revision_id, third.revision_id]


def test_schema_revision_is_returned_by_its_id(schemas: SchemaServiceClient, pubsub: PubsubClient) -> None:
    """get_schema returns the revision ``NAME@ID``, or fails with NOT_FOUND if it is missing."""
    first = created(schemas, pubsub)
    schemas.commit_schema(name=first.name, schema=avro(OTHER_AVRO, first.name))
    assert schemas.get_schema(name=f"{first.name}@{first.revision_id}") == first
    with pytest.raises(NotFound):
        schemas.get_schema(name=f"{first.name}@00000000")


@pytest.mark.emulator_differs("accepts more than twenty revisions")
def test_schema_has_at_most_twenty_revisions(schemas: SchemaServiceClient, pubsub: PubsubClient) -> None:
    """The 21st revision is rejected until another revision is deleted."""
    first = created(schemas, pubsub)
    for _ in range(19):
        schemas.commit_schema(name=first.name, schema=avro(OTHER_AVRO, first.name))
    with pytest.raises(FailedPrecondition):
        schemas.commit_schema(name=first.name, schema=avro(OTHER_AVRO, first.name))
    schemas.delete_schema_revision(name=f"{first.name}@{first.revision_id}")
    schemas.commit_schema(name=first.name, schema=avro(OTHER_AVRO, first.name))


@pytest.mark.emulator_differs("deletes the only revision")
def test_schema_deletion_of_the_only_revision_fails_with_failed_precondition(
    schemas: SchemaServiceClient, pubsub: PubsubClient
) -> None:
    """The only revision of a schema cannot be deleted."""
    made = created(schemas, pubsub)
    with pytest.raises(FailedPrecondition):
        schemas.delete_schema_revision(name=f"{made.name}@{made.revision_id}")


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(Schema(type_=Schema.Type.AVRO, definition="{"), id="invalid JSON"),
        pytest.param(Schema(type_=Schema.Type.AVRO, definition='{"type": "recrod"}'), id="invalid Avro"),
        pytest.param(Schema(definition="{}"), id="missing type"),
        pytest.param(
            avro({**AVRO, "doc": "x" * 300_000}),
            id="too large",
            marks=pytest.mark.emulator_differs("accepts large schemas"),
        ),
        pytest.param(proto("message M {"), id="invalid proto", marks=NO_PROTOBUF),
        pytest.param(proto(PROTO + "message Two {}"), id="two messages", marks=NO_PROTOBUF),
        pytest.param(
            proto('syntax = "proto3"; import "google/protobuf/any.proto"; message M {}'),
            id="import",
            marks=NO_PROTOBUF,
        ),
    ],
)
def test_invalid_schema_definition_is_rejected_with_invalid_argument(
    schemas: SchemaServiceClient, pubsub: PubsubClient, schema: Schema
) -> None:
    """An invalid schema can be neither created nor validated."""
    with pytest.raises(InvalidArgument):
        created(schemas, pubsub, schema)
    with pytest.raises(InvalidArgument):
        schemas.validate_schema(parent=PARENT, schema=schema)


@pytest.mark.parametrize(
    ("schema", "valid", "invalid", "encoding"),
    [
        pytest.param(avro(), b'{"url":"x","size":null}', b"{}", Encoding.JSON, id="avro"),
        pytest.param(avro(), b"\x02x\x00", b"\x02x", Encoding.BINARY, id="avro binary"),
        pytest.param(
            proto(),
            b'{"url":"x","kind":"PDF"}',
            b'{"url":"x","z":1}',
            Encoding.JSON,
            id="proto",
            marks=NO_PROTOBUF,
        ),
        pytest.param(
            proto(), b'{"url":"x"}', b'{"size":1}', Encoding.JSON, id="proto required", marks=NO_PROTOBUF
        ),
        pytest.param(
            proto(), b"\x0a\x01x", b"\x0a\x05x", Encoding.BINARY, id="proto binary", marks=NO_PROTOBUF
        ),
        pytest.param(
            Schema(
                type_=Schema.Type.PROTOCOL_BUFFER,
                compiled_proto_schema=CompiledProtoSchema(
                    root_message="google.protobuf.ListValue",
                    compiled_bytes=descriptor_pb2.FileDescriptorSet(
                        file=[
                            descriptor_pb2.FileDescriptorProto.FromString(struct_pb2.DESCRIPTOR.serialized_pb)
                        ]
                    ).SerializeToString(),
                ),
            ),
            b"\x0a\x00",
            b"\x0a",
            Encoding.BINARY,
            id="compiled",
            marks=NO_PROTOBUF,
        ),
    ],
)
def test_validate_message_rejects_an_invalid_message(
    schemas: SchemaServiceClient, schema: Schema, valid: bytes, invalid: bytes, encoding: int
) -> None:
    """A message is validated against the schema in the request."""
    request = ValidateMessageRequest(parent=PARENT, schema=schema, message=valid, encoding=encoding)
    schemas.validate_message(request)
    request.message = invalid
    with pytest.raises(InvalidArgument):
        schemas.validate_message(request)
