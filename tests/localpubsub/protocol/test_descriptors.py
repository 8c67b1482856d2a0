"""Tests the message types of google.pubsub.v1, which are read from a file instead of the client library."""

import subprocess
import sys

import pytest
from google.pubsub_v1 import types as official

from localpubsub.protocol import descriptors, messages


def test_descriptors_file_equals_the_client_library() -> None:
    """``pubsub.binpb`` is up to date; if not, run ``python -m localpubsub.protocol.descriptors``."""
    assert descriptors.FILE.read_bytes() == descriptors.descriptors()


@pytest.mark.parametrize("name", ["PubsubMessage", "Topic", "Subscription", "StreamingPullRequest", "Schema"])
def test_message_types_have_all_fields(name: str) -> None:
    """A message type has the same fields and field numbers as in the client library."""
    ours = getattr(descriptors.types, name).pb().DESCRIPTOR
    theirs = getattr(official, name).pb().DESCRIPTOR
    assert {field.name: field.number for field in ours.fields} == {
        field.name: field.number for field in theirs.fields
    }


def test_unknown_message_type_raises_attribute_error() -> None:
    """Access to an unknown message type raises an AttributeError that names the type."""
    with pytest.raises(AttributeError, match=r"google\.pubsub\.v1 has no message Toppic"):
        descriptors.types.Toppic  # noqa: B018 - the test is about this access


def test_server_does_not_import_the_client_library() -> None:
    """The server imports neither the client library nor cryptography and jwt, which are slow to import."""
    code = (
        "import sys, localpubsub.server; "
        "print([name for name in ('google.pubsub_v1', 'cryptography', 'jwt') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_durations_have_their_python_methods() -> None:
    """Duration fields have protobuf's Python methods, although their type is made from ``pubsub.binpb``."""
    subscription = messages.Subscription()
    subscription.message_retention_duration.FromSeconds(5)
    assert subscription.message_retention_duration.ToTimedelta().total_seconds() == 5
