"""Schemas for tests."""

import json
from typing import Any

from google.pubsub_v1.types import Schema

from tests.servers.pubsub_client import PROJECT

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
