"""Schemas, their revisions, and messages that are validated against them."""

from collections.abc import Iterator
from io import BytesIO

import fastavro
import grpc
import pytest
from google.api_core.exceptions import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from google.protobuf import descriptor_pb2, struct_pb2  # type: ignore[import-untyped]  # publishes no types
from google.pubsub_v1 import SchemaServiceClient
from google.pubsub_v1.services.schema_service.transports import SchemaServiceGrpcTransport
from google.pubsub_v1.types import (
    BigQueryConfig,
    CompiledProtoSchema,
    Encoding,
    Schema,
    SchemaSettings,
    SchemaView,
    UpdateTopicRequest,
    ValidateMessageRequest,
)

from tests.conformance.export_tables import rows, table_of
from tests.conformance.schema_examples import AVRO, OTHER_AVRO, PARENT, PROTO, avro, proto
from tests.servers.pubsub import PubsubServer
from tests.servers.pubsub_client import PubsubClient

NO_PROTOBUF = pytest.mark.differs("offers no protocol buffers")


@pytest.fixture(scope="session")
def schemas(server: PubsubServer) -> Iterator[SchemaServiceClient]:
    """The official client of SchemaService."""
    with grpc.insecure_channel(server.host) as channel:
        yield SchemaServiceClient(transport=SchemaServiceGrpcTransport(channel=channel))


def created(schemas: SchemaServiceClient, pubsub: PubsubClient, schema: Schema | None = None) -> Schema:
    """Create a schema with an unused name and return it."""
    schema_id = pubsub.name("schemas").rpartition("/")[2]
    return schemas.create_schema(parent=PARENT, schema=schema or avro(), schema_id=schema_id)


def topic_of(pubsub: PubsubClient, schema: Schema, encoding: int = Encoding.JSON, **settings: str) -> str:
    """Create a topic that accepts messages of a schema; return its name."""
    return pubsub.topic(schema_settings=SchemaSettings(schema=schema.name, encoding=encoding, **settings))


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


@pytest.mark.differs("always sends definitions")
def test_schema_list_omits_definitions_by_default(schemas: SchemaServiceClient, pubsub: PubsubClient) -> None:
    """The default view is BASIC for lists and FULL for get."""
    made = created(schemas, pubsub)
    (listed,) = (schema for schema in schemas.list_schemas(parent=PARENT) if schema.name == made.name)
    assert (listed.definition, listed.type_) == ("", Schema.Type.AVRO)
    request = {"parent": PARENT, "view": SchemaView.FULL}
    assert made in list(schemas.list_schemas(request))
    assert schemas.get_schema({"name": made.name, "view": SchemaView.BASIC}).definition == ""


def test_schema_revisions_are_committed_and_rolled_back(
    schemas: SchemaServiceClient, pubsub: PubsubClient
) -> None:
    """The schema is its last revision; a rollback creates a revision with an earlier definition."""
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
    """``NAME@ID`` names a revision; a missing one is NOT_FOUND."""
    first = created(schemas, pubsub)
    schemas.commit_schema(name=first.name, schema=avro(OTHER_AVRO, first.name))
    assert schemas.get_schema(name=f"{first.name}@{first.revision_id}") == first
    with pytest.raises(NotFound):
        schemas.get_schema(name=f"{first.name}@00000000")


@pytest.mark.differs("accepts more")
def test_schema_has_at_most_twenty_revisions(schemas: SchemaServiceClient, pubsub: PubsubClient) -> None:
    """After the deletion of a revision another one can be committed."""
    first = created(schemas, pubsub)
    for _ in range(19):
        schemas.commit_schema(name=first.name, schema=avro(OTHER_AVRO, first.name))
    with pytest.raises(FailedPrecondition):
        schemas.commit_schema(name=first.name, schema=avro(OTHER_AVRO, first.name))
    schemas.delete_schema_revision(name=f"{first.name}@{first.revision_id}")
    schemas.commit_schema(name=first.name, schema=avro(OTHER_AVRO, first.name))


@pytest.mark.differs("has no such check")
def test_schema_deletion_of_the_only_revision_is_failed_precondition(
    schemas: SchemaServiceClient, pubsub: PubsubClient
) -> None:
    """Without it the schema would have no definition."""
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
            avro({**AVRO, "doc": "x" * 300_000}), id="too large", marks=pytest.mark.differs("accepts it")
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
def test_invalid_schema_definition_is_invalid_argument(
    schemas: SchemaServiceClient, pubsub: PubsubClient, schema: Schema
) -> None:
    """Both the creation and the validation of the schema are INVALID_ARGUMENT."""
    with pytest.raises(InvalidArgument):
        created(schemas, pubsub, schema)
    with pytest.raises(InvalidArgument):
        schemas.validate_schema(parent=PARENT, schema=schema)


def test_topic_rejects_messages_that_do_not_match_its_schema(
    schemas: SchemaServiceClient, pubsub: PubsubClient
) -> None:
    """If one message does not match, no message of the request is stored."""
    topic = topic_of(pubsub, created(schemas, pubsub))
    subscription = pubsub.subscription(topic)
    valid = b'{"url": "x", "size": {"long": 7}}'
    for invalid in (b'{"url": 7, "size": null}', b'{"url": "x"}', b"not JSON", b'{"url": "x", "size": 7}'):
        with pytest.raises(InvalidArgument):
            pubsub.publish(topic, valid, invalid)
    pubsub.publish(topic, valid)
    assert [received.message.data for received in pubsub.pull(subscription)] == [valid]
    assert pubsub.pull_now(subscription) == []


def test_message_has_the_schema_attributes(schemas: SchemaServiceClient, pubsub: PubsubClient) -> None:
    """Three attributes name the schema, the revision and the encoding of a message."""
    schema = created(schemas, pubsub)
    topic = topic_of(pubsub, schema, Encoding.BINARY)
    subscription = pubsub.subscription(topic)
    data = BytesIO()
    fastavro.schemaless_writer(data, fastavro.parse_schema(AVRO), {"url": "x", "size": 1})
    pubsub.publish(topic, data.getvalue(), own="attribute")
    (received,) = pubsub.pull(subscription)
    assert dict(received.message.attributes) == {
        "own": "attribute",
        "googclient_schemaencoding": "BINARY",
        "googclient_schemaname": schema.name,
        "googclient_schemarevisionid": schema.revision_id,
    }
    with pytest.raises(InvalidArgument):
        pubsub.publish(topic, b'{"url": "x", "size": null}')


def test_message_may_match_any_allowed_schema_revision(
    schemas: SchemaServiceClient, pubsub: PubsubClient
) -> None:
    """Revisions from first_revision_id to last_revision_id are allowed; without them, all are."""
    first = created(schemas, pubsub)
    topic = topic_of(pubsub, first)
    subscription = pubsub.subscription(topic)
    second = schemas.commit_schema(name=first.name, schema=avro(OTHER_AVRO, first.name))
    pubsub.publish(topic, b'{"title": "t"}')
    pubsub.publish(topic, b'{"url": "x", "size": null}')
    found = {each.message.attributes["googclient_schemarevisionid"] for each in pubsub.pull(subscription, 2)}
    assert found == {first.revision_id, second.revision_id}
    only = topic_of(pubsub, first, first_revision_id=second.revision_id, last_revision_id=second.revision_id)
    pubsub.publish(only, b'{"title": "t"}')
    with pytest.raises(InvalidArgument):
        pubsub.publish(only, b'{"url": "x", "size": null}')


def test_invalid_schema_settings_are_rejected(schemas: SchemaServiceClient, pubsub: PubsubClient) -> None:
    """The schema must exist, and the encoding must be given."""
    schema = created(schemas, pubsub)
    with pytest.raises(NotFound):
        topic_of(pubsub, Schema(name=f"{PARENT}/schemas/missing"))
    with pytest.raises(InvalidArgument):
        topic_of(pubsub, schema, Encoding.ENCODING_UNSPECIFIED)


def test_topic_with_deleted_schema_rejects_messages(
    schemas: SchemaServiceClient, pubsub: PubsubClient
) -> None:
    """The topic's schema is ``_deleted-schema_`` until the topic gets another one."""
    schema, other = created(schemas, pubsub), created(schemas, pubsub)
    topic = topic_of(pubsub, schema)
    schemas.delete_schema(name=schema.name)
    assert pubsub.publisher.get_topic(topic=topic).schema_settings.schema == "_deleted-schema_"
    with pytest.raises(NotFound):
        pubsub.publish(topic, b'{"url": "x", "size": null}')
    settings = SchemaSettings(schema=other.name, encoding=Encoding.JSON)
    update = UpdateTopicRequest(
        topic={"name": topic, "schema_settings": settings}, update_mask={"paths": ["schema_settings"]}
    )
    pubsub.publisher.update_topic(update)
    assert pubsub.publish(topic, b'{"url": "x", "size": null}')


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
def test_validate_message(
    schemas: SchemaServiceClient, schema: Schema, valid: bytes, invalid: bytes, encoding: int
) -> None:
    """A message is validated against a schema that is not stored."""
    request = ValidateMessageRequest(parent=PARENT, schema=schema, message=valid, encoding=encoding)
    schemas.validate_message(request)
    request.message = invalid
    with pytest.raises(InvalidArgument):
        schemas.validate_message(request)


@NO_PROTOBUF
def test_topic_with_protobuf_schema(schemas: SchemaServiceClient, pubsub: PubsubClient) -> None:
    """A topic with a protocol buffer schema accepts matching messages and rejects others."""
    topic = topic_of(pubsub, created(schemas, pubsub, proto()))
    subscription = pubsub.subscription(topic)
    with pytest.raises(InvalidArgument, match="Page"):
        pubsub.publish(topic, b'{"address": "x"}')
    pubsub.publish(topic, b'{"url": "x", "size": "7"}')
    assert pubsub.pull(subscription)[0].message.data == b'{"url": "x", "size": "7"}'


@pytest.mark.parametrize(
    ("schema", "data", "row"),
    [
        pytest.param(avro(), b'{"url": "x", "size": {"long": 7}}', {"url": "x", "size": 7}, id="avro"),
        pytest.param(
            proto(), b'{"url": "x", "kind": "PDF"}', {"url": "x", "kind": "PDF", "size": None}, id="proto"
        ),
    ],
)
@pytest.mark.differs("writes nothing")
def test_bigquery_use_topic_schema_defines_the_columns(
    schemas: SchemaServiceClient, pubsub: PubsubClient, schema: Schema, data: bytes, row: dict[str, object]
) -> None:
    """Behaviour 32: with use_topic_schema, the fields of the schema are the columns."""
    table = table_of(pubsub)
    topic = topic_of(pubsub, created(schemas, pubsub, schema))
    pubsub.subscription(
        topic, bigquery_config=BigQueryConfig(table=f"project.{table}", use_topic_schema=True)
    )
    pubsub.publish(topic, data)
    assert rows(pubsub, table) == [row]


@pytest.mark.differs("accepts it")
def test_bigquery_use_topic_schema_without_schema_is_invalid_argument(pubsub: PubsubClient) -> None:
    """Behaviour 32: a topic without schema does not define columns."""
    with pytest.raises(InvalidArgument):
        pubsub.subscription(
            pubsub.topic(), bigquery_config=BigQueryConfig(table="p.d.t", use_topic_schema=True)
        )
