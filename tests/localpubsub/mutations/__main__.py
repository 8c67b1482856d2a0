"""Applies each mutation to a copy of the sources and prints whether its test catches it."""

import sys
import tempfile
from pathlib import Path

from tests.localpubsub.mutations.mutation import UselessPatch, copy_sources, failed_tests, mutations


def main() -> int:
    """Return 0 if all tests pass without the mutations and each catches its own, otherwise 1."""
    found = mutations()
    with tempfile.TemporaryDirectory() as folder:
        copy_sources(Path(folder))
        fail_anyway = failed_tests(sorted({each.test for each in found}), Path(folder))
    survivors = 0
    for mutation in found:
        with tempfile.TemporaryDirectory() as folder:
            copy_sources(Path(folder))
            try:
                mutation.apply(Path(folder))
            except UselessPatch as error:
                result = str(error)
            else:
                caught = failed_tests([mutation.test], Path(folder)) == {mutation.test}
                result = "caught" if caught else "NOT CAUGHT"
        if mutation.test in fail_anyway:
            result = "its test fails without the mutation"
        survivors += result != "caught"
        print(f"{mutation.patch.stem}: {result}\n    {mutation.fault}\n    {mutation.test}")  # noqa: T201 - a command prints
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
