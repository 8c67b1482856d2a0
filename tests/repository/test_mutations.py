"""Tests that the mutations of localpubsub apply to the code, which may have changed since they were made."""

import pytest

from tests.localpubsub.mutations.mutation import Mutation, mutations


@pytest.mark.parametrize("mutation", mutations(), ids=lambda each: each.patch.stem)
def test_patch_of_a_mutation_applies(mutation: Mutation) -> None:
    """The patch applies; ``python -m tests.localpubsub.mutations`` shows whether its test catches it."""
    mutation.check()
