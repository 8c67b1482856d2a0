"""Tests that imports inside localpubsub and console lead to lower layers, and that no imports form a cycle.

Imports within functions and under ``if TYPE_CHECKING`` count as well.
"""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePath

import pytest

from tests.repository.tree import PACKAGES, ROOT, imports, parsed, sources

Graph = Mapping[str, set[str]]

#: The layers of a package, from the lowest to the highest. A layer is a set of parts (sub-packages or
#: modules), which do not import each other.
LAYERS: dict[str, list[set[str]]] = {
    "localpubsub": [
        {
            "errors",
            "clock",
            "log_throttle",
            "event_loop",
            "file_lock",
            "open_files",
            "private_files",
            "version",
        },
        {"alarm", "extras", "request_origin"},
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
        {"background_server", "testing"},
        {"__init__", "__main__"},
        {"pytest_plugin"},
    ],
    "console": [
        {"errors", "terminal", "private_files", "dispatch_response", "suggestion", "version"},
        {"ledger", "recipes"},
        {"stack", "money"},
        {"controls"},
        {"dispatch", "dead_letters"},
        {"local_file", "report"},
        {"demo", "web"},
        {"cli"},
        {"__init__", "__main__"},
    ],
}
#: Parts that belong to no layer. cloud_run_gate is a separate tool: a proxy for any service.
SEPARATE = {"localpubsub": {"cloud_run_gate"}}


def module_name(path: PurePath) -> str:
    """Return the dotted name of a file below the repository's root; a package is named without __init__."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(trees: Mapping[str, ast.AST]) -> dict[str, set[str]]:
    """Return, for each module, the modules among `trees` that it imports."""
    graph = {name: set[str]() for name in trees}
    for name, tree in trees.items():
        found = {imported.module for imported in imports(tree)}
        # `from a import b` is listed as a and a.b. The package a counts only if no module of a is imported.
        modules = {module for module in found if module in trees}
        packages = {module for module in modules if any(other.startswith(f"{module}.") for other in modules)}
        graph[name] = modules - packages - {name}
    return graph


def packages_graph() -> dict[str, set[str]]:
    """Return the import graph of every module of the packages."""
    return import_graph({module_name(path.relative_to(ROOT)): parsed(path) for path in sources(*PACKAGES)})


def part_of(module: str) -> str:
    """Return the sub-package or module directly below the package: the second segment of the dotted name."""
    _, _, rest = module.partition(".")
    return rest.split(".")[0] or "__init__"


def upward_imports(package: str, graph: Graph, layers: list[set[str]]) -> Iterator[str]:
    """Yield the imports from one part of a package to another part that is not in a lower layer."""
    layer_of = {name: number for number, parts in enumerate(layers) for name in parts}
    for module in sorted(graph):
        for imported in sorted(graph[module]):
            if module.split(".")[0] != package or imported.split(".")[0] != package:
                continue
            importing, used = part_of(module), part_of(imported)
            if importing != used and layer_of[importing] <= layer_of[used]:
                yield f"{module} imports {imported}"


def import_cycles(graph: Graph) -> list[list[str]]:
    """Return one cycle of imports, beginning at its first module; an empty list if there is no cycle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        *cycle, _ = reversed(error.args[1])  # graphlib lists an imported module before the importing one
        start = cycle.index(min(cycle))
        return [[*cycle[start:], *cycle[: start + 1]]]
    return []


@pytest.mark.parametrize("package", LAYERS)
def test_every_part_of_a_package_has_a_layer(package: str) -> None:
    """Every sub-package and module is in `LAYERS` or `SEPARATE`, so that its imports are checked."""
    parts = {part_of(module_name(path.relative_to(ROOT))) for path in sources(package)}
    listed = set[str]().union(*LAYERS[package], SEPARATE.get(package, set()))
    assert parts == listed


@pytest.mark.parametrize("package", LAYERS)
def test_imports_lead_to_lower_layers_only(package: str) -> None:
    """Each part of a package imports only parts of lower layers."""
    graph = {
        module: imported
        for module, imported in packages_graph().items()
        if part_of(module) not in SEPARATE.get(package, set())
    }
    assert list(upward_imports(package, graph, LAYERS[package])) == []


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package in SEPARATE for name in SEPARATE[package]]
)
def test_a_separate_tool_is_not_imported(package: str, name: str) -> None:
    """No module imports a separate tool, and the tool imports only small modules of its package."""
    graph = packages_graph()
    tool = {module for module in graph if f"{module}.".startswith(f"{package}.{name}.")}
    assert tool
    assert [
        importing for importing, imported in graph.items() if importing not in tool and tool & imported
    ] == []
    imported_by_tool = set[str]().union(*(graph[module] for module in tool)) - tool
    allowed = {"cli_arguments", "event_loop", "log_throttle", "open_files", "request_origin"}
    assert imported_by_tool <= {f"{package}.{module}" for module in allowed}


def test_no_imports_form_a_cycle() -> None:
    """No modules import each other, directly or indirectly."""
    assert import_cycles(packages_graph()) == []


EXAMPLE_LAYERS = [{"cellar"}, {"kitchen", "hall"}, {"roof"}]


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
def test_an_upward_import_is_reported(module: str, source: str, expected: list[str]) -> None:
    """An import from the same or a higher layer is reported, even in a function or under TYPE_CHECKING."""
    names = (
        "house.cellar.coal",
        "house.cellar.wine",
        "house.kitchen",
        "house.hall",
        "house.roof",
        "house.roof.tile",
    )
    trees = {name: ast.parse(source if name == module else "") for name in names}
    assert list(upward_imports("house", import_graph(trees), EXAMPLE_LAYERS)) == expected


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
def test_an_import_cycle_is_reported(graph: Graph, expected: list[list[str]]) -> None:
    """Cycles of two and of three modules are reported."""
    assert import_cycles(graph) == expected
