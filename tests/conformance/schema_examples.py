"""Defines schemas for tests, and creates topics that use them."""

import json
from typing import Any

from google.pubsub_v1 import SchemaServiceClient
from google.pubsub_v1.types import Encoding, Schema, SchemaSettings

from tests.servers.pubsub_client import PROJECT, PubsubClient

PARENT = f"projects/{PROJECT}"
AVRO: Any = {
    "type": "record",
    "name": "Page",
    "fields": [
        {"name": "url", "type": "string"},
        {"name": "size", "type": ["null", "long"], "default": None},
    ],
}
OTHER_AVRO: Any = {"type": "record", "name": "Page", "fields": [{"name": "title", "type": "string"}]}
PROTO = """
syntax = "proto2";
package crawl;
message Page {
  required string url = 1;
  optional int64 size = 2;
  enum Kind { HTML = 0; PDF = 1; }
  optional Kind kind = 3;
}
"""


def avro(definition: object = AVRO, name: str = "") -> Schema:
    """Return an Avro schema."""
    return Schema(name=name, type_=Schema.Type.AVRO, definition=json.dumps(definition))


def proto(definition: str = PROTO) -> Schema:
    """Return a protocol buffer schema."""
    return Schema(type_=Schema.Type.PROTOCOL_BUFFER, definition=definition)


def created(schemas: SchemaServiceClient, pubsub: PubsubClient, schema: Schema | None = None) -> Schema:
    """Create a schema with an unused name and return it."""
    schema_id = pubsub.name("schemas").rpartition("/")[2]
    return schemas.create_schema(parent=PARENT, schema=schema or avro(), schema_id=schema_id)


def topic_of(pubsub: PubsubClient, schema: Schema, encoding: int = Encoding.JSON, **settings: str) -> str:
    """Create a topic that accepts messages of a schema; return its name."""
    return pubsub.topic(schema_settings=SchemaSettings(schema=schema.name, encoding=encoding, **settings))
