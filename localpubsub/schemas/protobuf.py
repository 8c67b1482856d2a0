"""Compiles protocol buffer schemas and decodes messages with them.

The compiler protoc, from the package grpcio-tools, runs in a separate process. Within this process it would
write its errors to stderr, and they could not be returned to the caller. The store keeps the compiled
definition, so protoc runs once per revision.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from google.protobuf import (  # type: ignore[import-untyped]  # protobuf publishes no types
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
)
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf publishes no types

from localpubsub.errors import InvalidArgument, SchemaMismatch, Unimplemented

TIMEOUT: Final = 30.0  #: Seconds after which protoc is killed.
_FILE: Final = "schema.proto"

#: Type of a field → type of its BigQuery column. The column of a field of another type has the type TEXT.
#: https://cloud.google.com/pubsub/docs/bigquery#protocol-buffer-types
_COLUMNS: Final = {
    **dict.fromkeys(
        ("INT32", "INT64", "UINT32", "FIXED32", "SFIXED32", "SINT32", "SINT64", "SFIXED64"), "INT64"
    ),
    **dict.fromkeys(("UINT64", "FIXED64"), "NUMERIC"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "FLOAT64"),
    **dict.fromkeys(("MESSAGE", "GROUP"), "STRUCT"),
    "BOOL": "BOOL",
    "BYTES": "BYTES",
}


def compile_definition(definition: str) -> bytes:
    """Compile the text of a .proto file into a FileDescriptorSet; this blocks while protoc runs.

    Raises:
        InvalidArgument: the text is invalid; the error contains protoc's messages.
        Unimplemented: grpcio-tools is not installed.
    """
    if importlib.util.find_spec("grpc_tools") is None:
        raise Unimplemented(
            "localpubsub needs the package grpcio-tools for protocol buffer schemas: "
            "install localpubsub[schemas]."
        )
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - few servers need this slow import

    with TemporaryDirectory(prefix="localpubsub-") as directory:
        (Path(directory) / _FILE).write_text(definition, encoding="utf-8")
        output = Path(directory) / "compiled"
        command = [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"-I{directory}",
            f"--descriptor_set_out={output}",
        ]
        protoc = subprocess.run(  # noqa: S603 - no argument comes from the request
            [*command, _FILE], capture_output=True, text=True, timeout=TIMEOUT, check=False, cwd=directory
        )
        if protoc.returncode:
            raise InvalidArgument(f"Invalid schema definition: {protoc.stderr.strip()}")
        compiled = output.read_bytes()
    (file,) = descriptor_pb2.FileDescriptorSet.FromString(compiled).file
    if file.dependency:
        raise InvalidArgument("Invalid schema definition: imports are not supported.")
    if len(file.message_type) != 1:
        raise InvalidArgument("Invalid schema definition: it must have exactly one top-level message type.")
    return compiled


class ProtobufDefinition:
    """One revision of a protocol buffer schema."""

    def __init__(self, compiled_bytes: bytes, root_message: str = "") -> None:
        """Load a compiled definition.

        Args:
            compiled_bytes: an encoded FileDescriptorSet.
            root_message: full name of the message type; empty for the first top-level type.

        Raises:
            InvalidArgument: the bytes are invalid, or the message type does not exist.
        """
        pool = descriptor_pool.DescriptorPool()
        try:
            files = descriptor_pb2.FileDescriptorSet.FromString(compiled_bytes).file
            for file in files:
                pool.Add(file)
            last = files[-1]
            name = root_message or ".".join(filter(None, [last.package, last.message_type[0].name]))
            self._descriptor = pool.FindMessageTypeByName(name)
        except (DecodeError, KeyError, TypeError, IndexError) as error:
            raise InvalidArgument(f"Invalid schema definition: {error}.") from error
        self._message: Any = message_factory.GetMessageClass(self._descriptor)

    def decode(self, data: bytes, *, binary: bool) -> object:
        """Return the fields by name, as JSON values; SchemaMismatch if the data does not match the schema."""
        message = self._message()
        try:
            if binary:
                message.ParseFromString(data)
            else:
                json_format.Parse(data, message)
            fields = json_format.MessageToDict(
                message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
        # JSON cannot express, for example, a Timestamp out of range or an Any of an unknown type.
        except (DecodeError, json_format.Error, ValueError, TypeError, RecursionError) as error:
            raise SchemaMismatch(f"it is not a valid {self._descriptor.full_name}: {error}") from error
        if not message.IsInitialized():
            missing = ", ".join(message.FindInitializationErrors())
            raise SchemaMismatch(f"it lacks required fields of {self._descriptor.full_name}: {missing}")
        return fields

    def columns(self) -> Mapping[str, str]:
        """Return the types of the columns of a BigQuery table for these messages, by name."""
        return {field.name: _column_type(field) for field in self._descriptor.fields}


def _column_type(field: Any) -> str:  # noqa: ANN401 - protobuf publishes no types
    if getattr(field, "is_repeated", False):
        return "STRUCT" if field.message_type and field.message_type.GetOptions().map_entry else "ARRAY"
    name = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_")
    return _COLUMNS.get(name, "TEXT")
