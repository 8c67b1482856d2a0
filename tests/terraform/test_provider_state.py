"""Tests that the stand-in provider writes the state as the real one does, which its recorded state shows."""

import pytest

from tests.terraform.lifecycle import CopyStack
from tests.terraform.shapes import UNSET, Shapes, recorded, shapes

#: Unset values that have another shape than the recorded ones, each with the reason.
DIFFERENCES = {
    ("google_bigquery_table", "num_bytes"): "the recorded tables had no statistics; Google's are empty: 0",
    ("google_bigquery_table", "num_long_term_bytes"): "as num_bytes",
    ("google_bigquery_table", "num_rows"): "as num_bytes",
    ("google_bigquery_table", "schema"): "the stand-in does not derive the columns of a view from its query",
    ("google_cloud_run_v2_service", "template.containers.env.value"): "FETCH_SECRETS is set to an empty text",
    ("google_pubsub_topic", "message_retention_duration"): "no recorded topic was without a retention",
}


@pytest.fixture(scope="module")
def ours(copy_stack: CopyStack) -> Shapes:
    """The shapes in the state that the stand-in writes when it applies the stack's defaults."""
    stack = copy_stack()
    options = ("-var=project_id=some-project", "-var=contact_url=https://example.org/bot")
    stack.succeed("apply", "-auto-approve", "-no-color", *options)
    return shapes((resource["type"], resource["values"]) for resource in stack.resources())


@pytest.mark.parametrize("kind", sorted(recorded()))
def test_state_has_the_attributes_of_the_real_provider(ours: Shapes, kind: str) -> None:
    """Each recorded type has the recorded attributes, and no others."""
    real = recorded()[kind]
    blocks = {path for path, found in real.items() if found == {"[]"}}  # not used by the recorded stack
    assert real.keys() - ours[kind].keys() - blocks == set()
    assert {path for path in ours[kind].keys() - real.keys() if not _within(path, blocks)} == set()


def _within(path: str, blocks: set[str]) -> bool:
    return any(path.startswith(f"{block}.") for block in blocks)


def test_unset_values_have_the_shapes_of_the_real_provider(ours: Shapes) -> None:
    """A value that the stand-in leaves unset has a recorded shape, such as null or an empty text."""
    different = {
        (kind, path): found & UNSET - real[path]
        for kind, real in recorded().items()
        for path, found in ours[kind].items()
        if path in real and found & UNSET - real[path]
    }
    assert different.keys() == DIFFERENCES.keys(), different
