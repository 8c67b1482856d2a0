"""Tests that the tests of localpubsub catch the faults for which they were written."""

from pathlib import Path

import pytest

from tests.localpubsub.mutations.mutation import (
    Mutation,
    UselessPatch,
    copy_sources,
    failed_tests,
    mutations,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of the sources and the tests."""
    copy_sources(tmp_path / "copy")
    return tmp_path / "copy"


def test_named_tests_pass_without_their_mutations(tree: Path) -> None:
    """All tests that catch a mutation pass in an unchanged copy of the sources."""
    assert failed_tests(sorted({each.test for each in mutations()}), tree) == set()


@pytest.mark.parametrize("mutation", mutations(), ids=lambda each: each.patch.stem)
def test_mutation_is_caught_by_its_test(mutation: Mutation, tree: Path) -> None:
    """The patch applies, and the named test then fails."""
    mutation.apply(tree)
    assert failed_tests([mutation.test], tree) == {mutation.test}


def test_patch_that_does_not_apply_is_reported(tmp_path: Path, tree: Path) -> None:
    """The error of a patch whose context has changed names the patch, and says what to do."""
    (original, *_) = mutations()
    outdated = tmp_path / "outdated.patch"
    text = original.patch.read_text(encoding="utf-8")
    outdated.write_text(text.replace("\n-", "\n-other "), encoding="utf-8")
    with pytest.raises(UselessPatch, match=r"^outdated.patch does not apply: .* make the patch again"):
        Mutation.read(outdated).apply(tree)


def test_patch_without_a_test_is_reported(tmp_path: Path) -> None:
    """A patch must name its fault and its test."""
    patch = tmp_path / "nameless.patch"
    patch.write_text("--- a\n+++ b\n", encoding="utf-8")
    with pytest.raises(UselessPatch, match=r"nameless.patch must begin with"):
        Mutation.read(patch)


def test_mutation_that_no_test_catches_is_noticed(tmp_path: Path, tree: Path) -> None:
    """A new file that nothing imports makes no test fail."""
    (original, *_) = mutations()
    harmless = Mutation(tmp_path / "harmless.patch", "None.", original.test)
    harmless.patch.write_text(
        "--- /dev/null\n+++ localpubsub/harmless.py\n@@ -0,0 +1 @@\n+# a comment\n", encoding="utf-8"
    )
    harmless.apply(tree)
    assert (tree / "localpubsub/harmless.py").exists()
    assert failed_tests([harmless.test], tree) == set()
