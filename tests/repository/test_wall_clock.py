"""No test asserts that something took less than a short time: a busy machine would make it fail."""

import ast
from collections.abc import Iterator

import pytest

from tests.repository.tree import parsed, shown, sources

CLOCKS = ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "time", "time_ns")
#: Seconds; a shorter upper bound on elapsed time may not be asserted. A longer one guards against hanging.
SHORTEST_BOUND = 60


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
    """Yield an expression and, up to `depth` steps, what is assigned to the names in it."""
    yield node
    if depth:
        for each in ast.walk(node):
            if isinstance(each, ast.Name):
                for value in values.get(each.id, []):
                    yield from expanded(value, values, depth - 1)


def largest_number(nodes: list[ast.AST]) -> float:
    """Return the largest number in expressions; infinity if they contain none."""
    numbers = [
        each.value
        for node in nodes
        for each in ast.walk(node)
        if isinstance(each, ast.Constant)
        and isinstance(each.value, int | float)
        and not isinstance(each.value, bool)
    ]
    return max(numbers, default=float("inf"))


def short_bounds(tree: ast.AST) -> list[int]:
    """Return the lines of assertions that elapsed time is less than a number below SHORTEST_BOUND."""
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
                smaller, larger = larger, smaller  # noqa: PLW2901 - the comparison is read from the other side
            elif not isinstance(operator, ast.Lt | ast.LtE):
                continue
            if not any(map(reads_clock, expanded(smaller, values))):
                continue
            if largest_number([*expanded(larger, values)]) < SHORTEST_BOUND:
                lines.append(comparison.lineno)
    return sorted(set(lines))


def test_no_test_asserts_a_short_time() -> None:
    """Upper bounds on elapsed time are generous: they guard against hanging alone."""
    found = {shown(path): short_bounds(parsed(path)) for path in sources("tests")}
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
def test_a_short_bound_is_found(text: str) -> None:
    """The check above can fail."""
    assert short_bounds(ast.parse(text)) != []


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
    """Lower bounds hold on any machine, and so do generous upper bounds."""
    assert short_bounds(ast.parse(text)) == []
