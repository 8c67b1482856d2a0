"""The messages of google.pubsub.v1, which are read from a file and not from the client library."""

import subprocess
import sys

import pytest
from google.pubsub_v1 import types as official

from localpubsub.protocol import descriptors, messages


def test_the_descriptors_are_those_of_the_client_library() -> None:
    """After an update: ``python -m localpubsub.descriptors.descriptors`` writes them again."""
    assert descriptors.FILE.read_bytes() == descriptors.descriptors()


@pytest.mark.parametrize("name", ["PubsubMessage", "Topic", "Subscription", "StreamingPullRequest", "Schema"])
def test_every_field_is_there(name: str) -> None:
    """What one encodes, the other decodes."""
    ours = getattr(descriptors.types, name).pb().DESCRIPTOR
    theirs = getattr(official, name).pb().DESCRIPTOR
    assert {field.name: field.number for field in ours.fields} == {
        field.name: field.number for field in theirs.fields
    }


def test_a_name_that_google_does_not_have_is_none_of_ours() -> None:
    """A typing error is found when messages.py is imported."""
    with pytest.raises(AttributeError, match=r"google\.pubsub\.v1 has no message Toppic"):
        descriptors.types.Toppic  # noqa: B018 - the access is what is tested


def test_the_server_does_not_import_the_client() -> None:
    """Half a second and 24 MB that a start need not cost."""
    code = (
        "import sys, localpubsub.server; "
        "print([name for name in ('google.pubsub_v1', 'cryptography', 'jwt') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_durations_and_masks_keep_their_methods() -> None:
    """The types of google.protobuf that carry code do so in our own pool, too."""
    subscription = messages.Subscription()
    subscription.message_retention_duration.FromSeconds(5)
    assert subscription.message_retention_duration.ToTimedelta().total_seconds() == 5
