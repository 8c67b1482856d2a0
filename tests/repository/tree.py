"""Lists the files of the repository and the imports of its Python files."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "contract",
    "extraction",
    "guarded_http",
    "runtime",
    "process_pool",
    "push_endpoint",
    "publishing",
    "dispatcher",
    "worker",
    "localpubsub",
    "console",
    "relay",
)
#: The distribution of each package that is not a part of Scrapeq's own.
DISTRIBUTIONS = ("localpubsub",)
EVERYTHING = (*PACKAGES, "scripts", "tests", "benchmarks", "simulation")


class Import(NamedTuple):
    """One imported module.

    Attributes:
        module: the dotted name.
        line: the line of the import.
        dots: number of leading dots; 0 for an absolute import.
    """

    module: str
    line: int
    dots: int


def sources(*folders: str) -> list[Path]:
    """Return the Python files below `folders`; a folder that does not exist is ignored."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    """Return `path` relative to the root of the repository."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[Import]:
    """Yield every imported module, including imports inside functions; `from a import b` yields a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield Import(module, node.lineno, node.level)
            yield from (Import(f"{module}.{alias.name}", node.lineno, node.level) for alias in node.names)


def tracked_files() -> list[Path]:
    """Return every file that git tracks or would add; the test is skipped outside a git checkout."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of every text file that git tracks or would add."""
    for path in tracked_files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def package_closure(package: str) -> set[str]:
    """Return `package` and the packages that it imports, directly or indirectly."""
    found, new = set[str](), {package}
    while new:
        found |= new
        roots = {
            each.module.split(".")[0]
            for name in new
            for path in sources(name)
            for each in imports(parsed(path))
        }
        new = (roots & set(PACKAGES)) - found
    return found
