"""Names of modules, sizes of files and functions, reasons of exemptions, and leftovers."""

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
    """Return what `find` finds in each file, without the files in which it finds nothing."""
    return {shown(path): found for path in paths if (found := find(path))}


def test_no_module_or_folder_has_a_name_for_everything() -> None:
    """A module called utils or common says nothing about its content."""

    def drawers(path: Path) -> set[str]:
        return DRAWERS & {part.removesuffix(".py").strip("_") for part in path.relative_to(ROOT).parts}

    assert found_in(sources(*EVERYTHING), drawers) == {}


def test_a_file_has_at_most_300_lines() -> None:
    """A reader can take in a file at once."""
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in sources(*PACKAGES)}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield name and length in lines of every function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_a_function_has_at_most_60_lines() -> None:
    """A reader sees a whole function on one screen."""

    def long(path: Path) -> list[str]:
        return [name for name, lines in functions(parsed(path)) if lines > MAX_FUNCTION_LINES]

    assert found_in(sources(*PACKAGES), long) == {}


def unreasoned(source: str) -> list[str]:
    """Return the comments that exempt from a check without a reason."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return [text for text in comments if EXEMPTION.match(text) and not REASONED.match(text)]


def test_every_exemption_carries_its_reason() -> None:
    """An exemption says on the same line why the rule does not apply."""
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
    """Each rule that pyproject.toml ignores has a comment with the reason."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    rules = [line.strip() for line in lines if re.match(r'\s+"[A-Z]+\d+"', line)]
    assert rules
    assert [line for line in rules if not re.search(r"#\s*\S", line)] == []


def test_no_comment_says_what_remains_to_be_done() -> None:
    """Open work belongs into an issue."""
    found = [f"{shown(path)}: {match[0]}" for path, text in texts() for match in LEFTOVERS.finditer(text)]
    assert found == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    """No file has a path of one machine or the address of a package index."""
    found = [f"{shown(path)}: {match[0]}" for path, text in texts() for match in MACHINES.finditer(text)]
    assert found == []


def test_tests_patch_nothing() -> None:
    """No test uses unittest.mock: a mock passes whatever happens."""
    mock = re.compile(r"^\s*(?:from|import) unittest.mock|\bMagicMock\(", re.MULTILINE)
    assert found_in(sources("tests"), lambda path: mock.findall(path.read_text("utf-8"))) == {}


def test_every_test_states_its_promise() -> None:
    """Every test has a docstring."""

    def silent(path: Path) -> list[str]:
        return [
            node.name
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and not ast.get_docstring(node)
        ]

    assert found_in(sources("tests"), silent) == {}
