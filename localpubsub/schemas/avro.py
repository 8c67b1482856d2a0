"""Parses Avro schemas and decodes messages with them: https://avro.apache.org/docs/1.11.1/specification/."""

import copy
import json
from collections.abc import Mapping
from io import BytesIO, StringIO
from typing import Any, Final

from localpubsub.errors import InvalidArgument, SchemaMismatch, Unimplemented
from localpubsub.extras import fastavro
from localpubsub.protocol.json_text import parse_json

#: Avro type → type of its BigQuery column: https://cloud.google.com/pubsub/docs/bigquery#avro-types
_COLUMNS: Final = {
    **dict.fromkeys(("int", "long"), "INT64"),
    **dict.fromkeys(("float", "double"), "FLOAT64"),
    **dict.fromkeys(("string", "enum"), "TEXT"),
    **dict.fromkeys(("bytes", "fixed"), "BYTES"),
    **dict.fromkeys(("record", "map"), "STRUCT"),
    "boolean": "BOOL",
    "array": "ARRAY",
}
_LOGICAL_COLUMNS: Final = {"timestamp-micros": "TIMESTAMP", "date": "DATE"}


class AvroDefinition:
    """One revision of an Avro schema.

    Raises:
        InvalidArgument: the text is not a valid Avro schema.
        Unimplemented: fastavro is not installed, or the items of an array take no bytes.
    """

    def __init__(self, text: str) -> None:
        self._library = fastavro()
        try:
            self._declared = json.loads(text)
            # With logical types fastavro would convert dates and times; without them it returns each value
            # unchanged.
            self._parsed = self._library.parse_schema(_without_logical_types(copy.deepcopy(self._declared)))
        except Exception as error:  # fastavro's parser raises errors without a common base class
            raise InvalidArgument(
                f"Invalid schema definition: it is not a valid Avro schema: {error!r}."
            ) from error
        _takes_no_bytes(self._parsed, {})  # raises for an array of such values

    def decode(self, data: bytes, *, binary: bool) -> object:
        """Return the decoded value; SchemaMismatch if the data does not match the schema."""
        try:
            return self._read_binary(data) if binary else self._read_json(data)
        except SchemaMismatch:
            raise
        except Exception as error:  # fastavro's reader raises errors without a common base class
            raise SchemaMismatch(
                f"it is not valid {'binary' if binary else 'JSON'} data of the Avro schema: {error!r}"
            ) from error

    def columns(self) -> Mapping[str, str]:
        """Return the types of a BigQuery table's columns by name; none unless the schema is a record."""
        if not isinstance(self._declared, dict) or self._declared.get("type") != "record":
            return {}
        return {field["name"]: _column_type(field["type"]) for field in self._declared["fields"]}

    def _read_binary(self, data: bytes) -> object:
        source = BytesIO(data)
        value: object = self._library.schemaless_reader(source, self._parsed)
        if source.read(1):
            raise SchemaMismatch("there are bytes after the Avro value")
        return value

    def _read_json(self, data: bytes) -> object:
        given = parse_json(data.decode())
        # fastavro reads one value per line, but the data may contain line breaks.
        (value,) = self._library.json_reader(StringIO(json.dumps(given)), self._parsed)
        self._library.validation.validate(value, self._parsed)
        written = StringIO()
        self._library.json_writer(written, self._parsed, [value])
        if not _covers(given, json.loads(written.getvalue())):
            raise SchemaMismatch(
                "a field of the Avro schema is missing; a field with a default is required, too"
            )
        return value


def _takes_no_bytes(schema: Any, named: dict[str, bool]) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether all values of a parsed schema take no bytes in binary data.

    Args:
        schema: the schema.
        named: the result for each named type that was found before; it gets the others. A type within itself
            counts as one that takes bytes.

    Raises:
        Unimplemented: the items of an array take no bytes. Ten bytes could contain 2**63 of them, and
            fastavro would make them all.
    """
    if isinstance(schema, str):
        return named.get(schema, schema == "null")
    if isinstance(schema, list):  # The value of a union begins with the number of its type.
        for each in schema:
            _takes_no_bytes(each, named)
        return False
    kind = schema["type"]
    if kind in {"record", "error"}:
        named[schema["name"]] = False
        empty = [_takes_no_bytes(field["type"], named) for field in schema["fields"]]  # all are checked
        named[schema["name"]] = all(empty)
        return named[schema["name"]]
    if kind == "fixed":
        named[schema["name"]] = schema["size"] == 0
        return named[schema["name"]]
    if kind == "map":
        _takes_no_bytes(schema["values"], named)
        return False
    if kind == "array" and _takes_no_bytes(schema["items"], named):
        raise Unimplemented(
            "localpubsub does not offer Avro arrays whose items take no bytes, for example of null: a short "
            "message could contain any number of them."
        )
    return kind not in {"array", "enum"} and _takes_no_bytes(kind, named)


def _without_logical_types(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(schema, list):
        return [_without_logical_types(each) for each in schema]
    if isinstance(schema, dict):
        return {key: _without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    return schema


def _covers(given: object, read: object) -> bool:
    """Return whether ``given`` contains everything in ``read``.

    ``given`` may contain additional fields, as in the official emulator.
    """
    if isinstance(given, dict) and isinstance(read, dict):
        return all(key in given and _covers(given[key], value) for key, value in read.items())
    if isinstance(given, list) and isinstance(read, list):
        return len(given) == len(read) and all(map(_covers, given, read))
    return given == read


def _column_type(declared: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(declared, list):
        others = [each for each in declared if each != "null"]
        return _column_type(others[0]) if len(others) == 1 else ""
    if isinstance(declared, dict):
        logical = _LOGICAL_COLUMNS.get(str(declared.get("logicalType")))
        return logical or _column_type(declared.get("type"))
    return _COLUMNS.get(str(declared), "STRUCT")
