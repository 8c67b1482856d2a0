"""The messages of google.pubsub.v1, from the descriptors beside this file, without the client library.

Importing ``google.pubsub_v1`` takes half a second and 13 MB, for clients that a server never calls. So the
descriptors it was generated from are kept in ``pubsub.binpb`` (a FileDescriptorSet;
``python -m localpubsub.protocol.descriptors`` writes
it again from the installed library) and loaded into a pool of our own: in one
process with the library, nothing is registered twice.
"""

import sys
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]  # no types

FILE: Final = Path(__file__).with_name("pubsub.binpb")
PACKAGE: Final = "google.pubsub.v1"


class Type:
    """One message type; ``pb()`` is its class, as a type of the client library would give it."""

    def __init__(self, descriptor: Any) -> None:  # noqa: ANN401 - protobuf publishes no types
        self._descriptor = descriptor

    def pb(self) -> Any:  # noqa: ANN401 - idem
        """The protobuf class."""
        return message_factory.GetMessageClass(self._descriptor)


class Types:
    """``types.Topic`` and all the others, by name; AttributeError for what google.pubsub.v1 does not have."""

    def __init__(self, encoded: bytes) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(encoded).file:
            self._pool.Add(file)

    def __getattr__(self, name: str) -> Type:
        try:
            return Type(self._pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        except KeyError:
            raise AttributeError(f"{PACKAGE} has no message {name}") from None


def descriptors() -> bytes:
    """The FileDescriptorSet of the installed client library: its two files and all they need."""
    from google.pubsub_v1 import types  # noqa: PLC0415 - the one place where the library is needed

    found: dict[str, Any] = {}

    def add(file: Any) -> None:  # noqa: ANN401 - protobuf publishes no types
        for needed in file.dependencies:
            add(needed)
        found[file.name] = file

    add(types.Schema.pb().DESCRIPTOR.file)
    add(types.Topic.pb().DESCRIPTOR.file)
    every = descriptor_pb2.FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(every.file.add())
    encoded: bytes = every.SerializeToString(deterministic=True)
    return encoded


types: Final = Types(FILE.read_bytes()) if FILE.exists() else Types(b"")

if __name__ == "__main__":
    FILE.write_bytes(descriptors())
    sys.stdout.write(f"{FILE} written\n")
