"""Reads the patches, applies them to a copy of the sources, and runs tests there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
#: What is copied: the sources with the faults, the tests, and what these need.
COPIED: Final = ("localpubsub", "tests/localpubsub", "tests/servers", "tests/__init__.py", "pyproject.toml")
#: Maximum number of seconds for one run of a test; even on a busy machine, only a hanging test takes longer.
MAX_SECONDS: Final = 600

_HEADER: Final = re.compile(r"Fault: (?P<fault>.+)\nTest: (?P<test>\S+)\n\n")


class UselessPatch(Exception):
    """A patch does not have the form, or does not apply to the sources."""


@dataclass(frozen=True)
class Mutation:
    """One fault."""

    patch: Path  #: The file with the patch.
    fault: str  #: The fault, as a sentence.
    test: str  #: The test that must fail, as ``PATH::NAME``.

    @classmethod
    def read(cls, patch: Path) -> "Mutation":
        """Read a patch; raise UselessPatch if it does not begin with its fault and its test."""
        found = _HEADER.match(patch.read_text(encoding="utf-8"))
        if found is None:
            raise UselessPatch(f"{patch.name} must begin with the lines 'Fault: …' and 'Test: …'.")
        return cls(patch, found["fault"], found["test"])

    def apply(self, tree: Path) -> None:
        """Put the fault into a copy of the sources; raise UselessPatch if the patch does not apply."""
        self._git_apply(tree)

    def check(self, tree: Path = ROOT) -> None:
        """Raise UselessPatch if the patch does not apply to sources, which are not changed."""
        self._git_apply(tree, "--check")

    def _git_apply(self, tree: Path, *options: str) -> None:
        done = subprocess.run(
            ["git", "apply", "-p0", *options, str(self.patch)],
            cwd=tree,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise UselessPatch(
                f"{self.patch.name} does not apply: {done.stderr.strip()}. The code has changed, so make the "
                f"patch again for the same fault: {self.fault}"
            )


def mutations() -> list[Mutation]:
    """Return all mutations, sorted by name."""
    return [Mutation.read(patch) for patch in sorted(Path(__file__).parent.glob("*.patch"))]


def copy_sources(tree: Path) -> None:
    """Copy the sources and the tests to an empty directory."""
    for name in COPIED:
        source, target = ROOT / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def failed_tests(tests: Iterable[str], tree: Path) -> set[str]:
    """Run tests in a copy of the sources; return those that fail, as ``PATH::NAME`` without parameters.

    Raises:
        AssertionError: a test could not run.
    """
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "-rf", *tests]
    done = subprocess.run(
        command,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        check=False,
    )
    assert done.returncode in {0, 1}, f"pytest could not run: {done.stdout}{done.stderr}"
    assert "\nERROR " not in done.stdout, done.stdout
    return set(re.findall(r"^FAILED ([^\s\[]+)", done.stdout, re.MULTILINE))
