"""Makes the message types of google.pubsub.v1 from the file ``pubsub.binpb`` in this folder.

Importing the client library ``google.pubsub_v1`` would take half a second and 13 MB of memory, mostly for
clients that the server does not use. So ``pubsub.binpb`` contains the descriptors from which that library
was generated (a FileDescriptorSet). They are loaded into a separate pool, so that no type is registered
twice in a process that also imports the library. ``python -m localpubsub.protocol.descriptors`` writes the
file again from the installed library.
"""

import sys
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]  # no py.typed

FILE: Final = Path(__file__).with_name("pubsub.binpb")
PACKAGE: Final = "google.pubsub.v1"


class Type:
    """One message type, which has the method ``pb`` like a type of the client library."""

    def __init__(self, descriptor: Any) -> None:  # noqa: ANN401 - protobuf publishes no types
        self._descriptor = descriptor

    def pb(self) -> Any:  # noqa: ANN401 - protobuf publishes no types
        """Return the protobuf class."""
        return message_factory.GetMessageClass(self._descriptor)


class Types:
    """The message types of google.pubsub.v1 as attributes, such as ``types.Topic``."""

    def __init__(self, encoded: bytes) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(encoded).file:
            self._pool.Add(file)

    def add(self, file: Any) -> None:  # noqa: ANN401 - protobuf publishes no types
        """Add the messages of a further FileDescriptorProto."""
        self._pool.Add(file)

    def __getattr__(self, name: str) -> Type:
        try:
            return Type(self._pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        except KeyError:
            raise AttributeError(f"{PACKAGE} has no message {name}") from None


def descriptors() -> bytes:
    """Return the installed library's schema.proto and pubsub.proto, with imports, as FileDescriptorSet."""
    from google.pubsub_v1 import types  # noqa: PLC0415 - only this function needs the library

    found: dict[str, Any] = {}

    def add(file: Any) -> None:  # noqa: ANN401 - protobuf publishes no types
        for dependency in file.dependencies:
            add(dependency)
        found[file.name] = file

    add(types.Schema.pb().DESCRIPTOR.file)
    add(types.Topic.pb().DESCRIPTOR.file)
    file_set = descriptor_pb2.FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(file_set.file.add())
    encoded: bytes = file_set.SerializeToString(deterministic=True)
    return encoded


types: Final = Types(FILE.read_bytes()) if FILE.exists() else Types(b"")

if __name__ == "__main__":
    FILE.write_bytes(descriptors())
    sys.stdout.write(f"{FILE} written\n")
