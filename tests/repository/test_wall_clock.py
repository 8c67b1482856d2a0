"""Tests that no test requires a short duration, because such a test fails on a busy machine."""

import ast
from collections.abc import Iterator

import pytest

from tests.repository.tree import parsed, shown, sources

CLOCKS = ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "time", "time_ns")
#: A test may assert an upper limit of elapsed time only if the limit is at least this many seconds.
MIN_LIMIT_SECONDS = 60


def reads_clock(node: ast.AST) -> bool:
    """Return whether an expression calls `time.monotonic()` or another clock of the `time` module."""
    return any(
        isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr in CLOCKS
        and isinstance(each.func.value, ast.Name)
        and each.func.value.id == "time"
        for each in ast.walk(node)
    )


def assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """Return the expressions that are assigned to each name of a module, in any scope."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
            ):
                found.setdefault(name, []).append(value)
            case _:
                continue
    return found


def expanded(node: ast.AST, values: dict[str, list[ast.expr]], depth: int = 3) -> Iterator[ast.AST]:
    """Yield an expression and the expressions that are assigned to its names, up to `depth` steps."""
    yield node
    if depth:
        for each in ast.walk(node):
            if isinstance(each, ast.Name):
                for value in values.get(each.id, []):
                    yield from expanded(value, values, depth - 1)


def largest_number(nodes: list[ast.AST]) -> float:
    """Return the largest number in expressions; infinity if they contain no number."""
    numbers = [
        each.value
        for node in nodes
        for each in ast.walk(node)
        if isinstance(each, ast.Constant)
        and isinstance(each.value, int | float)
        and not isinstance(each.value, bool)
    ]
    return max(numbers, default=float("inf"))


def short_limits(tree: ast.AST) -> list[int]:
    """Return the lines of assertions that limit elapsed time to less than MIN_LIMIT_SECONDS."""
    values, lines = assigned(tree), []
    comparisons = (
        each
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        for each in ast.walk(node.test)
        if isinstance(each, ast.Compare)
    )
    for comparison in comparisons:
        sides = [comparison.left, *comparison.comparators]
        for smaller, operator, larger in zip(sides, comparison.ops, sides[1:], strict=False):
            if isinstance(operator, ast.Gt | ast.GtE):
                smaller, larger = larger, smaller  # noqa: PLW2901 - a > b is treated as b < a
            elif not isinstance(operator, ast.Lt | ast.LtE):
                continue
            if not any(map(reads_clock, expanded(smaller, values))):
                continue
            if largest_number([*expanded(larger, values)]) < MIN_LIMIT_SECONDS:
                lines.append(comparison.lineno)
    return sorted(set(lines))


def test_no_test_asserts_a_short_time() -> None:
    """No test asserts an upper limit of elapsed time that is shorter than MIN_LIMIT_SECONDS."""
    found = {shown(path): short_limits(parsed(path)) for path in sources("tests")}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "text",
    [
        "began = time.monotonic()\nwork()\nassert time.monotonic() - began < 10",
        "began = time.perf_counter()\nwork()\nassert 0.5 > time.perf_counter() - began",
        "LIMIT = 2 + 3\nbegan = time.time()\nelapsed = time.time() - began\nassert 1 <= elapsed <= LIMIT",
        "until = time.monotonic() + 20\nwhile not fact():\n    assert time.monotonic() < until",
    ],
)
def test_a_short_limit_is_reported(text: str) -> None:
    """An assertion with a short upper limit of elapsed time is reported."""
    assert short_limits(ast.parse(text)) != []


@pytest.mark.parametrize(
    "text",
    [
        "began = time.monotonic()\nwork()\nassert time.monotonic() - began < 120",
        "began = time.monotonic()\nwork()\nassert time.monotonic() - began >= 2",
        "MAX_SECONDS = 120\nuntil = time.monotonic() + MAX_SECONDS\nassert time.monotonic() < until",
        "assert len(found) < 10",
    ],
)
def test_other_assertions_are_allowed(text: str) -> None:
    """Lower limits, high upper limits and comparisons without a clock are not reported."""
    assert short_limits(ast.parse(text)) == []
