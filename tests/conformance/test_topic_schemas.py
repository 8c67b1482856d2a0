"""Tests of topics with a schema, and of the messages that they accept.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

from io import BytesIO

import fastavro
import pytest
from google.api_core.exceptions import InvalidArgument, NotFound
from google.pubsub_v1 import SchemaServiceClient
from google.pubsub_v1.types import (
    BigQueryConfig,
    Encoding,
    Schema,
    SchemaSettings,
    UpdateTopicRequest,
)

from tests.conformance.export_tables import rows, table_of
from tests.conformance.schema_examples import (
    AVRO,
    OTHER_AVRO,
    PARENT,
    avro,
    created,
    proto,
    topic_of,
)
from tests.servers.pubsub_client import PubsubClient

#: Marks a test with a protocol buffer schema, which the official emulator rejects.
NO_PROTOBUF = pytest.mark.emulator_differs("offers no protocol buffers")


def test_topic_rejects_messages_that_do_not_match_its_schema(
    schemas: SchemaServiceClient, pubsub: PubsubClient
) -> None:
    """A request with one message that does not match is rejected, and none of its messages is stored."""
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
    """A message may match any revision, unless the topic's settings limit the range of revisions."""
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
    """A topic with a missing schema, or without an encoding, is rejected."""
    schema = created(schemas, pubsub)
    with pytest.raises(NotFound):
        topic_of(pubsub, Schema(name=f"{PARENT}/schemas/missing"))
    with pytest.raises(InvalidArgument):
        topic_of(pubsub, schema, Encoding.ENCODING_UNSPECIFIED)


def test_topic_with_deleted_schema_rejects_messages(
    schemas: SchemaServiceClient, pubsub: PubsubClient
) -> None:
    """A topic whose schema is deleted rejects messages until it gets another schema."""
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


@NO_PROTOBUF
def test_topic_with_protobuf_schema_accepts_only_matching_messages(
    schemas: SchemaServiceClient, pubsub: PubsubClient
) -> None:
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
@pytest.mark.emulator_differs("writes no rows")
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


@pytest.mark.emulator_differs("accepts use_topic_schema for a topic without schema")
def test_bigquery_use_topic_schema_without_schema_is_rejected_with_invalid_argument(
    pubsub: PubsubClient,
) -> None:
    """Behaviour 32: use_topic_schema is rejected if the topic has no schema."""
    with pytest.raises(InvalidArgument):
        pubsub.subscription(
            pubsub.topic(), bigquery_config=BigQueryConfig(table="p.d.t", use_topic_schema=True)
        )
