"""Tests names of modules, sizes of files and functions, reasons of lint exemptions, and forbidden words."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.repository.tree import EVERYTHING, PACKAGES, ROOT, parsed, shown, sources, texts, tracked_files

# Names that do not describe what a module or folder contains.
DRAWERS = {"utils", "util", "common", "helpers", "helper", "core", "manager", "misc", "base", "shared", "lib"}
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
EXEMPTION = re.compile(r"#\s*(?:noqa|type:\s*ignore|mypy:|fmt:\s*off|pragma|ruff:)")
# An exemption with a reason: the code of the rule, then a dash or a second hash, then the reason.
REASONED = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[\w, -]+\])?)"
    r"\s*[-#]\s+(?!noqa|type:)\S+"
)
# The words of the next two patterns are written in pieces, so that the tests do not report this file.
LEFTOVERS = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
MACHINES = re.compile(
    "|".join(
        [
            r"(?<![\w.])/ro" + r"ot/",
            r"(?<![\w.])/ho" + r"me/\w",
            r"(?<![\w.])/Us" + r"ers/\w",
            r"py" + r"pi\.org",
            r"python" + r"hosted\.org",
            r"--(?:extra-)?ind" + r"ex-url",
        ]
    )
)


def found_in(paths: Iterable[Path], find: Callable[[Path], object]) -> dict[str, object]:
    """Return the result of `find` for each file for which it is not empty."""
    return {shown(path): found for path in paths if (found := find(path))}


def test_no_module_or_folder_has_a_name_for_everything() -> None:
    """No module or folder has a name such as utils or common, which does not describe its content."""

    def drawers(path: Path) -> set[str]:
        return DRAWERS & {part.removesuffix(".py").strip("_") for part in path.relative_to(ROOT).parts}

    assert found_in(sources(*EVERYTHING), drawers) == {}


def test_git_tracks_no_file_that_a_program_writes() -> None:
    """Databases and locks of a server that ran here are neither tracked nor would be added."""
    written = re.compile(r"\.(?:sqlite|db)(?:-\w+)?$|^lock$|^:")
    assert found_in(tracked_files(), lambda path: written.search(path.name)) == {}


def test_a_file_has_at_most_300_lines() -> None:
    """No file of a package has more than 300 lines."""
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in sources(*PACKAGES)}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the name and the number of lines of every function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_a_function_has_at_most_60_lines() -> None:
    """No function of a package has more than 60 lines."""

    def long(path: Path) -> list[str]:
        return [name for name, lines in functions(parsed(path)) if lines > MAX_FUNCTION_LINES]

    assert found_in(sources(*PACKAGES), long) == {}


def unreasoned(source: str) -> list[str]:
    """Return the comments that exempt a line from a check without giving a reason."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return [text for text in comments if EXEMPTION.match(text) and not REASONED.match(text)]


def test_every_exemption_carries_its_reason() -> None:
    """Every comment that exempts a line from a check gives a reason on the same line."""
    assert found_in(sources(*EVERYTHING), lambda path: unreasoned(path.read_text("utf-8"))) == {}


@pytest.mark.parametrize(
    ("comment", "reasoned"),
    [
        ("# noqa: S104 - Cloud Run's container contract", True),
        ("# noqa: S104, S105 - the container's contract", True),
        ("# type: ignore[misc] - untyped decorator", True),
        ("# type: ignore[misc]  # untyped decorator", True),
        ("# type: ignore[no-untyped-call] # no types", True),
        ("# the rest is prose about noqa", True),
        ("# noqa", False),
        ("# noqa: S104", False),
        ("# noqa: S104 -", False),
        ("# type: ignore", False),
        ("# type: ignore[misc]", False),
        ("# type: ignore[misc]  # noqa: S104", False),
    ],
)
def test_a_missing_reason_is_reported(comment: str, reasoned: bool) -> None:
    """A comment that exempts a line without a reason is reported; one with a reason is not."""
    assert (unreasoned(f"x = 1  {comment}\n") == []) is reasoned


def test_every_ignored_rule_has_a_reason() -> None:
    """Each rule that pyproject.toml ignores has a comment with the reason."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    rules = [line.strip() for line in lines if re.match(r'\s+"[A-Z]+\d+"', line)]
    assert rules
    assert [line for line in rules if not re.search(r"#\s*\S", line)] == []


def test_no_file_has_a_marker_of_open_work() -> None:
    """No file contains a marker of open work, which belongs in an issue."""
    found = [f"{shown(path)}: {match[0]}" for path, text in texts() for match in LEFTOVERS.finditer(text)]
    assert found == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    """No file has a path of one machine or the address of a package index."""
    found = [f"{shown(path)}: {match[0]}" for path, text in texts() for match in MACHINES.finditer(text)]
    assert found == []


def test_tests_patch_nothing() -> None:
    """No test uses unittest.mock, because a mock accepts calls that the real object would reject."""
    mock = re.compile(r"^\s*(?:from|import) unittest.mock|\bMagicMock\(", re.MULTILINE)
    assert found_in(sources("tests"), lambda path: mock.findall(path.read_text("utf-8"))) == {}


def test_every_test_has_a_docstring() -> None:
    """Every test has a docstring, which states what is checked."""

    def without_docstring(path: Path) -> list[str]:
        return [
            node.name
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and not ast.get_docstring(node)
        ]

    assert found_in(sources("tests"), without_docstring) == {}
