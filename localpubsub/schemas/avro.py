"""Messages as an Avro schema defines them: https://avro.apache.org/docs/1.11.1/specification/."""

import copy
import json
from collections.abc import Mapping
from io import BytesIO, StringIO
from typing import Any, Final

from localpubsub.errors import InvalidArgument, SchemaMismatch
from localpubsub.extras import fastavro
from localpubsub.protocol.json_text import parse_json

#: https://cloud.google.com/pubsub/docs/bigquery#avro-types
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
    """One revision of an Avro schema; InvalidArgument when its text is none."""

    def __init__(self, text: str) -> None:
        self._library = fastavro()
        try:
            self._declared = json.loads(text)
            # Without logical types a value is what was sent: no date is computed and written anew.
            self._parsed = self._library.parse_schema(_plain(copy.deepcopy(self._declared)))
        except Exception as error:  # fastavro raises whatever its parser stumbles over
            raise InvalidArgument(f"Invalid schema definition: it is no Avro schema: {error!r}.") from error

    def decode(self, data: bytes, *, binary: bool) -> object:
        """The value that data encodes; SchemaMismatch."""
        try:
            return self._read_binary(data) if binary else self._read_json(data)
        except SchemaMismatch:
            raise
        except Exception as error:  # fastavro raises whatever its reader stumbles over
            raise SchemaMismatch(
                f"it is not the Avro schema's {'binary' if binary else 'JSON'}: {error!r}"
            ) from error

    def columns(self) -> Mapping[str, str]:
        """Name → type of the columns of a table for these messages."""
        if not isinstance(self._declared, dict) or self._declared.get("type") != "record":
            return {}
        return {field["name"]: _column_type(field["type"]) for field in self._declared["fields"]}

    def _read_binary(self, data: bytes) -> object:
        source = BytesIO(data)
        value: object = self._library.schemaless_reader(source, self._parsed)
        if source.read(1):
            raise SchemaMismatch("bytes are left over after the Avro value")
        return value

    def _read_json(self, data: bytes) -> object:
        given = parse_json(data.decode())
        # fastavro reads one value a line.
        (value,) = self._library.json_reader(StringIO(json.dumps(given)), self._parsed)
        self._library.validation.validate(value, self._parsed)
        written = StringIO()
        self._library.json_writer(written, self._parsed, [value])
        if not _covers(given, json.loads(written.getvalue())):
            raise SchemaMismatch(
                "a field of the Avro schema is missing: defaults are for readers, not for messages"
            )
        return value


def _plain(schema: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if key != "logicalType"}
    return schema


def _covers(given: object, read: object) -> bool:
    """Whether all that was read is in what was given; more in it is ignored, as by the official emulator."""
    if isinstance(given, dict) and isinstance(read, dict):
        return all(key in given and _covers(given[key], value) for key, value in read.items())
    if isinstance(given, list) and isinstance(read, list):
        return len(given) == len(read) and all(map(_covers, given, read))
    return given == read


def _column_type(declared: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(declared, list):
        others = [each for each in declared if each != "null"]
        return _column_type(others[0]) if len(others) == 1 else ""
    if isinstance(declared, dict):
        logical = _LOGICAL_COLUMNS.get(str(declared.get("logicalType")))
        return logical or _column_type(declared.get("type"))
    return _COLUMNS.get(str(declared), "STRUCT")
