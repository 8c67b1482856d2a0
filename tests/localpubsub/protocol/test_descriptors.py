"""The message types of google.pubsub.v1, which are read from a file and not from the client library."""

import subprocess
import sys

import pytest
from google.pubsub_v1 import types as official

from localpubsub.protocol import descriptors, messages


def test_descriptors_file_equals_the_client_library() -> None:
    """After an update of the library ``python -m localpubsub.protocol.descriptors`` writes it again."""
    assert descriptors.FILE.read_bytes() == descriptors.descriptors()


@pytest.mark.parametrize("name", ["PubsubMessage", "Topic", "Subscription", "StreamingPullRequest", "Schema"])
def test_message_types_have_all_fields(name: str) -> None:
    """Messages encoded by one side can be decoded by the other."""
    ours = getattr(descriptors.types, name).pb().DESCRIPTOR
    theirs = getattr(official, name).pb().DESCRIPTOR
    assert {field.name: field.number for field in ours.fields} == {
        field.name: field.number for field in theirs.fields
    }


def test_unknown_message_type_is_an_attribute_error() -> None:
    """A misspelt type is found when messages.py is imported."""
    with pytest.raises(AttributeError, match=r"google\.pubsub\.v1 has no message Toppic"):
        descriptors.types.Toppic  # noqa: B018 - the access is tested


def test_server_does_not_import_the_client_library() -> None:
    """The import would cost half a second and 24 MB at each start."""
    code = (
        "import sys, localpubsub.server; "
        "print([name for name in ('google.pubsub_v1', 'cryptography', 'jwt') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_durations_and_field_masks_have_their_methods() -> None:
    """The well-known types have their Python methods also in a separate descriptor pool."""
    subscription = messages.Subscription()
    subscription.message_retention_duration.FromSeconds(5)
    assert subscription.message_retention_duration.ToTimedelta().total_seconds() == 5
