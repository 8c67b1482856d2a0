"""Tests schemas: restarts, definitions, and the error for a missing optional library."""

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import InvalidArgument as InvalidCall
from google.api_core.exceptions import MethodNotImplemented
from google.protobuf import descriptor_pb2, timestamp_pb2  # type: ignore[import-untyped]  # no py.typed
from google.pubsub_v1 import SchemaServiceClient
from google.pubsub_v1.services.schema_service.transports import SchemaServiceGrpcTransport
from google.pubsub_v1.types import Encoding, SchemaSettings
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.errors import InvalidArgument, SchemaMismatch, Unimplemented
from localpubsub.schemas.avro import AvroDefinition
from localpubsub.schemas.protobuf import ProtobufDefinition, compile_definition
from tests.conformance.schema_examples import AVRO, PARENT, PROTO, avro, proto
from tests.servers.pubsub_client import PubsubClient, running_localpubsub

#: An Avro record; the rejected values below are for its fields.
RECORD: Any = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "b", "type": "boolean"},
        {"name": "i", "type": "int"},
        {"name": "d", "type": ["null", "double"]},
        {"name": "t", "type": "string"},
        {"name": "y", "type": "bytes"},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["X", "Y"]}},
        {"name": "a", "type": {"type": "array", "items": "long"}},
        {"name": "m", "type": {"type": "map", "values": "string"}},
        {"name": "when", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}


def test_schemas_survive_a_restart(tmp_path: Path) -> None:
    """After a restart the revisions exist, and messages are still validated against them."""
    with running_localpubsub(data=tmp_path) as pubsub:
        created = _client(pubsub).create_schema(parent=PARENT, schema=proto(), schema_id="kept")
        settings = SchemaSettings(schema=created.name, encoding=Encoding.JSON)
        topic = pubsub.topic(schema_settings=settings)
        deleted = _client(pubsub).create_schema(parent=PARENT, schema=avro(), schema_id="deleted")
        _client(pubsub).delete_schema(name=deleted.name)
    with running_localpubsub(data=tmp_path) as pubsub:
        assert list(_client(pubsub).list_schema_revisions({"name": created.name, "view": "FULL"})) == [
            created
        ]
        assert len(list(_client(pubsub).list_schemas(parent=PARENT))) == 1
        pubsub.publish(topic, b'{"url": "x"}')
        with pytest.raises(InvalidCall):
            pubsub.publish(topic, b"{}")


def test_missing_schema_library_is_reported_as_unimplemented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without fastavro the server starts, and a request with an Avro schema gets an error with the remedy."""
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with (
        running_localpubsub() as pubsub,
        pytest.raises(MethodNotImplemented, match=r"localpubsub\[schemas\]"),
    ):
        _client(pubsub).create_schema(parent=PARENT, schema=avro(), schema_id="abc")


def _client(pubsub: PubsubClient) -> Any:  # noqa: ANN401 - google.pubsub_v1 publishes no types
    channel = grpc.insecure_channel(pubsub.server.host)
    return SchemaServiceClient(transport=SchemaServiceGrpcTransport(channel=channel))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("b", 1),
        ("i", "1"),
        ("i", 1.5),
        ("i", 2**31),
        ("d", 1.0),
        ("d", {"double": "x"}),
        ("t", 1),
        ("y", "\u0100"),
        ("e", "Z"),
        ("a", 1),
        ("a", ["x"]),
        ("m", {"k": 1}),
        ("when", "2026-11-22"),
    ],
)
def test_avro_value_of_another_type_is_rejected(name: str, value: object) -> None:
    """A JSON value that does not have the Avro type of its field is rejected."""
    valid = {"b": True, "i": 1, "d": {"double": 1.5}, "t": "", "y": "\u00ff", "e": "X"}
    valid |= {"a": [1], "m": {"k": "v"}, "when": 1}
    definition = AvroDefinition(json.dumps(RECORD))
    assert definition.decode(json.dumps(valid).encode(), binary=False)
    with pytest.raises(SchemaMismatch):
        definition.decode(json.dumps({**valid, name: value}).encode(), binary=False)


def test_definitions_have_the_column_types_of_a_table() -> None:
    """Every field of an Avro or a protocol buffer definition has the documented BigQuery column type."""
    columns = AvroDefinition(json.dumps(RECORD)).columns()
    assert list(columns.values()) == [
        "BOOL", "INT64", "FLOAT64", "TEXT", "BYTES", "TEXT", "ARRAY", "STRUCT", "TIMESTAMP",
    ]  # fmt: skip
    definition = (
        'syntax = "proto3"; message M { int64 i = 1; double d = 2; bool b = 3; bytes y = 4; '
        "repeated int32 a = 5;"
        " map<string, string> m = 6; M n = 7; string s = 8; }"
    )
    assert ProtobufDefinition(compile_definition(definition)).columns() == {
        "i": "INT64",
        "d": "FLOAT64",
        "b": "BOOL",
        "y": "BYTES",
        "a": "ARRAY",
        "m": "STRUCT",
        "n": "STRUCT",
        "s": "TEXT",
    }


def test_invalid_protobuf_definition_raises_the_error_of_protoc() -> None:
    """The error for an invalid definition contains the line number that protoc reports."""
    with pytest.raises(InvalidArgument, match=r"schema.proto:2"):
        compile_definition('syntax = "proto3";\nmessage M { int33 n = 1; }')


_AVRO = AvroDefinition(json.dumps(AVRO))
_PROTO = ProtobufDefinition(compile_definition(PROTO))


@given(st.binary(max_size=60), st.booleans(), st.sampled_from([_AVRO, _PROTO]))
def test_any_bytes_are_decoded_or_rejected(
    data: bytes, binary: bool, definition: AvroDefinition | ProtobufDefinition
) -> None:
    """Decoding returns a value or raises SchemaMismatch, for any bytes."""
    with suppress(SchemaMismatch):
        definition.decode(data, binary=binary)


@given(st.text(max_size=60) | st.recursive(st.sampled_from(["int", 1, None]), st.lists).map(json.dumps))
def test_any_text_is_parsed_as_avro_or_rejected(text: str) -> None:
    """Parsing any text as an Avro definition succeeds or raises InvalidArgument."""
    with suppress(InvalidArgument):
        AvroDefinition(text)


@pytest.mark.parametrize(
    "items",
    [
        '"null"',
        '{"type": "fixed", "name": "f", "size": 0}',
        '{"type": "record", "name": "r", "fields": [{"name": "n", "type": "null"}]}',
    ],
)
def test_array_whose_items_take_no_bytes_is_rejected(items: str) -> None:
    """Ten bytes could contain 2**63 such items, and the server would make them until its memory ends."""
    nested = f'{{"type": "map", "values": ["null", {{"type": "array", "items": {items}}}]}}'
    with pytest.raises(Unimplemented, match="take no bytes"):
        AvroDefinition(nested)


def test_array_of_a_record_that_contains_itself_is_accepted() -> None:
    """A tree is a common schema; the record is known by its name only while its fields are checked."""
    tree = (
        '{"type": "record", "name": "t", "fields": [{"name": "c", "type": {"type": "array", "items": "t"}}]}'
    )
    assert AvroDefinition(tree).decode(b"\x02\x00\x00", binary=True) == {"c": [{"c": []}]}


def test_protobuf_message_that_json_cannot_express_is_a_mismatch() -> None:
    """A Timestamp out of range fails as data that does not match its schema, without an internal error."""
    files = descriptor_pb2.FileDescriptorSet()
    timestamp_pb2.DESCRIPTOR.CopyToProto(files.file.add())
    file = files.file.add(name="m.proto", syntax="proto3", dependency=["google/protobuf/timestamp.proto"])
    field = file.message_type.add(name="M").field.add(name="t", number=1, label=1, type=11)
    field.type_name = ".google.protobuf.Timestamp"
    time = timestamp_pb2.Timestamp(seconds=2**62).SerializeToString()
    with pytest.raises(SchemaMismatch, match="is not a valid M"):
        ProtobufDefinition(files.SerializeToString()).decode(b"\x0a" + bytes([len(time)]) + time, binary=True)
