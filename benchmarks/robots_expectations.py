"""Compare robots.txt with the expectations in protego's tests: `python -m benchmarks.robots_expectations`.

protego's source distribution is downloaded with pip, and is not part of this repository. Its tests contain
Google's published ones. Each expectation about an allowed URL or a crawl delay is tried, and those that do
not hold are listed. Then the time and memory for files of 500 KiB are measured.
"""

import ast
import subprocess
import sys
import tarfile
import tempfile
import time
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guarded_http.robots import MAX_ROBOTS_BYTES, RobotRules, product_token

DISTRIBUTION = "protego==0.7.0"
TESTS = "tests/test_protego.py"
#: What the tests ask about besides allowed URLs and crawl delays; Scrapeq does not use these records.
OTHER_METHODS = ("sitemaps", "preferred_host", "request_rate", "visit_time")


class OtherRecord(Exception):
    """An expectation is about a record that Scrapeq does not use."""


class Rules:
    """Has protego's interface, and answers with `RobotRules`."""

    def __init__(self, content: str) -> None:
        self._body = content.encode(errors="surrogateescape")

    @classmethod
    def parse(cls, content: str) -> "Rules":
        """Return the rules of a robots.txt."""
        if not isinstance(content, str):
            raise OtherRecord
        return cls(content)

    def can_fetch(self, url: str, user_agent: str) -> bool:
        """Return whether a URL is allowed."""
        return RobotRules(self._body, product_token(user_agent)).is_allowed(url)

    def crawl_delay(self, user_agent: str) -> float | None:
        """Return the crawl delay in seconds; None if there is none."""
        return RobotRules(self._body, product_token(user_agent)).crawl_delay or None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of protego's class
        raise OtherRecord(name)


@dataclass
class Expectations:
    """The expectations that were tried.

    Attributes:
        held: number of expectations that hold.
        others: number of expectations about records that Scrapeq does not use.
        failed: line and text of each expectation that does not hold.
    """

    held: int = 0
    others: int = 0
    failed: list[tuple[int, str]] = field(default_factory=list)

    def check(self, line: int, text: str, evaluate: Any) -> None:  # noqa: ANN401 - a function without arguments
        """Evaluate one expectation."""
        try:
            holds = bool(evaluate())
        except OtherRecord:
            self.others += 1
            return
        if holds:
            self.held += 1
        else:
            self.failed.append((line, text))


class _CheckEach(ast.NodeTransformer):
    """Replaces each assert statement by a call of `check`, so that a test does not end at a failure."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        arguments = [ast.Constant(node.lineno), ast.Constant(ast.unparse(node.test))]
        no_arguments = ast.arguments([], [], None, [], [], None, [])
        call = ast.Call(ast.Name("check", ast.Load()), [*arguments, ast.Lambda(no_arguments, node.test)], [])
        return ast.fix_missing_locations(ast.copy_location(ast.Expr(call), node))


def download(folder: Path) -> Path:
    """Download and unpack protego's source distribution; return its folder."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "protego"),
            *("--dest", str(folder), DISTRIBUTION),
        ],
        check=True,
    )
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


def try_expectations(source: str) -> Expectations:
    """Run all tests of protego's test file with `Rules` in the place of protego."""
    found = Expectations()
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not _imports_protego(node)]
    names: dict[str, Any] = {"Protego": Rules, "check": found.check, "__name__": "tests"}
    exec(compile(_CheckEach().visit(tree), TESTS, "exec"), names)  # noqa: S102 - the tests of a pinned version
    for group in [
        each for each in names.values() if isinstance(each, type) and each.__name__.startswith("Test")
    ]:
        for name in [name for name in dir(group) if name.startswith("test")]:
            try:
                getattr(group(), name)()
            except (
                OtherRecord,
                NameError,
                TypeError,
            ):  # tests of protego's other records and private functions
                found.others += 1
    return found


def _imports_protego(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith("protego")


def measure(name: str, line: str) -> None:
    """Print time and memory for a robots.txt of 500 KiB that repeats a line with different numbers."""
    lines = "".join(line % number for number in range(MAX_ROBOTS_BYTES // len(line)))
    body = ("User-agent: *\n" + lines).encode()[:MAX_ROBOTS_BYTES]
    started = time.process_time()
    rules = RobotRules(body, "scrapeq")
    parsed = time.process_time()
    rules.is_allowed("http://shop.example/" + "a" * 2000)
    matched = time.process_time()
    tracemalloc.start()
    rules = RobotRules(body, "scrapeq")
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"{name:<24} parse {parsed - started:.2f} s, match {(matched - parsed) * 1000:.0f} ms, "
        f"kept {kept / 2**20:.1f} MiB, peak {peak / 2**20:.1f} MiB, {rules.size / 2**20:.1f} MiB estimated"
    )


def main() -> None:
    """Print the expectations that do not hold, and the time and memory of large files."""
    with tempfile.TemporaryDirectory() as folder:
        source = (download(Path(folder)) / TESTS).read_text(encoding="utf-8")
    found = try_expectations(source)
    print(f"{DISTRIBUTION}: {found.held} expectations hold, {len(found.failed)} do not, ", end="")
    print(f"{found.others} are about other records")
    for line, text in found.failed:
        print(f"  line {line}: {text}")
    measure("short rules", "Allow:/%d\n")
    measure("wildcards", "Disallow: /*%d*a*b\n")
    measure("groups of others", "User-agent: bot%d\n")


if __name__ == "__main__":
    main()
