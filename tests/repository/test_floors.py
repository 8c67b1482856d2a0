"""Floors: inside localpubsub and console, imports lead to lower floors only and never form a circle.

Imports within functions and under ``if TYPE_CHECKING`` count as well.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePath

import pytest

from tests.repository.tree import PACKAGES, ROOT, imports, parsed, sources

Graph = Mapping[str, set[str]]

#: The rooms of a package from the lowest floor to the highest; a room is a sub-package or a module.
#: Rooms on one floor do not import each other.
FLOORS: dict[str, list[set[str]]] = {
    "localpubsub": [
        {"errors", "clock", "log_throttle", "event_loop"},
        {"alarm", "extras"},
        {"protocol"},
        {"resources"},
        {"backlog"},
        {"storage"},
        {"schemas"},
        {"broker"},
        {"push", "pull"},
        {"exports"},
        {"api"},
        {"setup"},
        {"options", "cli_arguments"},
        {"server"},
        {"background_server"},
        {"__init__", "__main__"},
    ],
    "console": [
        {"errors", "terminal"},
        {"ledger", "recipes"},
        {"stack"},
        {"dispatch", "replay"},
        {"report"},
        {"demo"},
        {"cli"},
        {"__init__", "__main__"},
    ],
}
#: A tool of its own: it stands in front of any service, and shares nothing with the server but its errors.
APART = {"localpubsub": {"cloud_run_gate"}}


def module_name(path: PurePath) -> str:
    """Return the dotted name of a file below the repository's root; a package is named without __init__."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(trees: Mapping[str, ast.AST]) -> dict[str, set[str]]:
    """Return, for each module, the modules among `trees` that it imports."""
    graph = {name: set[str]() for name in trees}
    for name, tree in trees.items():
        found = {imported.module for imported in imports(tree)}
        # `from a import b` is listed as a and a.b: a itself counts only if no module below it was named.
        modules = {module for module in found if module in trees}
        packages = {module for module in modules if any(other.startswith(f"{module}.") for other in modules)}
        graph[name] = modules - packages - {name}
    return graph


def packages_graph() -> dict[str, set[str]]:
    """Return the import graph of every module of the packages."""
    return import_graph({module_name(path.relative_to(ROOT)): parsed(path) for path in sources(*PACKAGES)})


def room(module: str) -> str:
    """Return the room of a module: the second part of its dotted name."""
    _, _, rest = module.partition(".")
    return rest.split(".")[0] or "__init__"


def arrows_up(package: str, graph: Graph, floors: list[set[str]]) -> Iterator[str]:
    """Yield the imports from one room to another that does not lie on a lower floor."""
    floor_of = {name: floor for floor, rooms in enumerate(floors) for name in rooms}
    for module in sorted(graph):
        for imported in sorted(graph[module]):
            if module.split(".")[0] != package or imported.split(".")[0] != package:
                continue
            if room(module) != room(imported) and floor_of[room(module)] <= floor_of[room(imported)]:
                yield f"{module} imports {imported}"


def circles(graph: Graph) -> list[list[str]]:
    """Return one circle of imports for each group of modules that import each other, or nothing."""
    found = []
    done = set[str]()
    for start in sorted(graph):
        path = list[str]()
        pending = [(start, iter(sorted(graph[start])))] if start not in done else []
        path += [start] if pending else []
        while pending:
            module, following = pending[-1]
            imported = next(following, None)
            if imported is None:
                done.add(module)
                pending.pop()
                path.pop()
            elif imported in path:
                found.append([*path[path.index(imported) :], imported])
            elif imported not in done:
                path.append(imported)
                pending.append((imported, iter(sorted(graph[imported]))))
    return found


@pytest.mark.parametrize("package", FLOORS)
def test_every_room_has_a_floor(package: str) -> None:
    """A room without a floor could import anything."""
    rooms = {room(module_name(path.relative_to(ROOT))) for path in sources(package)}
    listed = set[str]().union(*FLOORS[package], APART.get(package, set()))
    assert rooms == listed


@pytest.mark.parametrize("package", FLOORS)
def test_a_room_imports_lower_floors_only(package: str) -> None:
    """A change in a room can then only concern the rooms above it."""
    graph = {
        module: imported
        for module, imported in packages_graph().items()
        if room(module) not in APART.get(package, set())
    }
    assert list(arrows_up(package, graph, FLOORS[package])) == []


@pytest.mark.parametrize(
    ("package", "apart"), [(package, name) for package in APART for name in APART[package]]
)
def test_a_tool_that_stands_apart_is_not_imported(package: str, apart: str) -> None:
    """It can be taken out without changing anything else."""
    module = f"{package}.{apart}"
    graph = packages_graph()
    assert [name for name, imported in graph.items() if module in imported] == []
    assert graph[module] <= {f"{package}.errors", f"{package}.cli_arguments", f"{package}.log_throttle"}


def test_no_imports_form_a_circle() -> None:
    """Modules that import each other can only be understood, tested and moved together."""
    assert circles(packages_graph()) == []


HOUSE = [{"cellar"}, {"kitchen", "hall"}, {"roof"}]


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("house.roof", "from house.cellar.coal import Coal", []),
        ("house.cellar.coal", "from house.cellar import wine", []),
        (
            "house.cellar.coal",
            "from house.roof import tile",
            ["house.cellar.coal imports house.roof.tile"],
        ),
        (
            "house.cellar.coal",
            "def f():\n    import house.kitchen",
            ["house.cellar.coal imports house.kitchen"],
        ),
        (
            "house.cellar.coal",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.roof.tile import Tile",
            ["house.cellar.coal imports house.roof.tile"],
        ),
        ("house.kitchen", "from house.hall import door", ["house.kitchen imports house.hall"]),
    ],
)
def test_an_arrow_up_is_found(module: str, source: str, expected: list[str]) -> None:
    """The check can fail: also for an import within a function or for a type checker, and on one floor."""
    names = (
        "house.cellar.coal",
        "house.cellar.wine",
        "house.kitchen",
        "house.hall",
        "house.roof",
        "house.roof.tile",
    )
    trees = {name: ast.parse(source if name == module else "") for name in names}
    assert list(arrows_up("house", import_graph(trees), HOUSE)) == expected


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set[str]()}, []),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set[str]()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b", "a"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, [["b", "c", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}}, [["a", "b", "c", "a"]]),
    ],
)
def test_a_circle_is_found(graph: Graph, expected: list[list[str]]) -> None:
    """The check can fail, for circles of two and of more modules."""
    assert circles(graph) == expected
