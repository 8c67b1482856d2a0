"""Names and sizes: no drawers, nothing too long to read, every exemption with its reason, no leftovers."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.repository.tree import EVERYTHING, PACKAGES, ROOT, parsed, shown, sources, texts

DRAWERS = {"utils", "util", "common", "helpers", "helper", "core", "manager", "misc", "base", "shared", "lib"}
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
EXEMPTION = re.compile(r"#\s*(?:noqa|type:\s*ignore|mypy:|fmt:\s*off|pragma|ruff:)")
# The code, then a dash or a second hash, then the reason.
REASONED = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[\w, -]+\])?)"
    r"\s*[-#]\s+(?!noqa|type:)\S+"
)
# Written in pieces, so that this file does not find itself.
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
    """Return what is found in files, by file; those without a find are left out."""
    return {shown(path): found for path in paths if (found := find(path))}


def test_no_module_or_folder_is_a_drawer() -> None:
    """A name that takes everything in says nothing."""

    def drawers(path: Path) -> set[str]:
        return DRAWERS & {part.removesuffix(".py").strip("_") for part in path.relative_to(ROOT).parts}

    assert found_in(sources(*EVERYTHING), drawers) == {}


def test_a_file_is_read_in_one_sitting() -> None:
    """At most 300 lines."""
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in sources(*PACKAGES)}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield name and length in lines of every function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_a_function_is_seen_at_once() -> None:
    """At most 60 lines."""

    def long(path: Path) -> list[str]:
        return [name for name, lines in functions(parsed(path)) if lines > MAX_FUNCTION_LINES]

    assert found_in(sources(*PACKAGES), long) == {}


def unreasoned(source: str) -> list[str]:
    """Return the comments that exempt from a check and say no reason."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return [text for text in comments if EXEMPTION.match(text) and not REASONED.match(text)]


def test_every_exemption_carries_its_reason() -> None:
    """Who reads an exemption learns on the same line why the rule does not hold there."""
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
def test_a_missing_reason_is_seen(comment: str, reasoned: bool) -> None:
    """The check itself can fail."""
    assert (unreasoned(f"x = 1  {comment}\n") == []) is reasoned


def test_every_rule_that_is_ignored_says_why() -> None:
    """The exemptions of the whole tree carry their reasons like those of a line."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    rules = [line.strip() for line in lines if re.match(r'\s+"[A-Z]+\d+"', line)]
    assert rules
    assert [line for line in rules if not re.search(r"#\s*\S", line)] == []


def test_nothing_is_left_to_be_done_in_comments() -> None:
    """What remains to be done stands where it is planned, not where it is forgotten."""
    found = [f"{shown(path)}: {match[0]}" for path, text in texts() for match in LEFTOVERS.finditer(text)]
    assert found == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    """What is checked out works anywhere: no path of one machine, no package index of one network."""
    found = [f"{shown(path)}: {match[0]}" for path, text in texts() for match in MACHINES.finditer(text)]
    assert found == []


def test_tests_patch_nothing() -> None:
    """A double is a small real thing; a mock passes whatever happens."""
    mock = re.compile(r"^\s*(?:from|import) unittest.mock|\bMagicMock\(", re.MULTILINE)
    assert found_in(sources("tests"), lambda path: mock.findall(path.read_text("utf-8"))) == {}


def test_every_test_states_its_promise() -> None:
    """A test's docstring is what a reader of its failure needs first."""

    def silent(path: Path) -> list[str]:
        return [
            node.name
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and not ast.get_docstring(node)
        ]

    assert found_in(sources("tests"), silent) == {}
