"""Arrows: which package may import which. Everything else flows over topics."""

import ast
import re
import sys
from itertools import pairwise

import pytest

from tests.repository.tree import EVERYTHING, PACKAGES, ROOT, Import, imports, parsed, shown, sources

MAY_IMPORT = {
    "contract": set[str](),
    "extraction": {"contract"},
    "guarded_http": {"contract"},
    "runtime": {"contract", "guarded_http"},
    "push_endpoint": {"contract", "runtime"},
    "publishing": {"contract"},
    "dispatcher": {"contract", "extraction", "guarded_http", "runtime", "push_endpoint", "publishing"},
    "worker": {"contract", "extraction", "guarded_http", "runtime", "push_endpoint", "publishing"},
    "localpubsub": set[str](),
    "console": {"contract", "extraction"},
}


# `scrapeq try` fetches as the worker does: by the worker's own code, in one file, when it is asked to.
ONE_FILE_MAY = {"console/recipes/fetch_page.py": frozenset({"guarded_http", "worker"})}


# A package that may import only some modules of another: the HTTP client knows URLs, and no outcome or job.
ONLY_MODULES = {("guarded_http", "contract"): {"contract", "contract.urls"}}


def crossings(package: str, found: list[Import], *, also: frozenset[str] = frozenset()) -> list[str]:
    """Return the imports that leave `package` along no arrow."""
    allowed = MAY_IMPORT[package] | {package} | also
    ours = [(name, line) for name, line, _ in found if name.split(".")[0] in EVERYTHING]
    return [f"line {line}: {name}" for name, line in ours if name.split(".")[0] not in allowed]


def other_modules(found: list[Import], imported: str, allowed: set[str]) -> list[str]:
    """Return the imported modules of the package `imported` that are not allowed."""
    modules = {".".join(name.split(".")[:2]) for name, _, _ in found if name.split(".")[0] == imported}
    return sorted(modules - allowed)


def test_the_architecture_page_lists_the_packages_and_what_they_import() -> None:
    """The table of rooms in ARCHITECTURE.md is `MAY_IMPORT`."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \| .+? \| (.*?) ?\|$", page, re.MULTILINE)
    assert {room: set(re.findall(r"`(\w+)`", imported)) for room, imported in rows} == MAY_IMPORT


def test_every_package_has_its_arrows() -> None:
    """A package nobody thought about would be held by nothing."""
    assert MAY_IMPORT.keys() == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_along_its_arrows(package: str) -> None:
    """Dispatcher and worker scale, fail and deploy apart; localpubsub knows nothing of scraping."""
    wrong = {
        shown(path): crossings(
            package, list(imports(parsed(path))), also=ONE_FILE_MAY.get(shown(path), frozenset())
        )
        for path in sources(package)
    }
    assert {path: names for path, names in wrong.items() if names} == {}


@pytest.mark.parametrize(("package", "imported"), ONLY_MODULES)
def test_a_package_imports_only_the_named_modules_of_another(package: str, imported: str) -> None:
    """The HTTP client has error kinds of its own, so that it can be used without the scraper."""
    allowed = ONLY_MODULES[package, imported]
    others = {
        f"{shown(path)}: {name}"
        for path in sources(package)
        for name in other_modules(list(imports(parsed(path))), imported, allowed)
    }
    assert others == set()


@pytest.mark.parametrize(
    ("source", "others"),
    [
        ("from contract.urls import check_url", []),
        ("from contract import urls", []),
        ("from contract.outcome import Reason", ["contract.outcome"]),
        ("def f():\n    from contract import outcome", ["contract.outcome"]),
        ("import contract.job", ["contract.job"]),
        ("from extraction.page import Page", []),
    ],
)
def test_an_import_of_another_module_is_found(source: str, others: list[str]) -> None:
    """The check itself can fail: also for an import inside a function."""
    found = other_modules(list(imports(ast.parse(source))), "contract", {"contract", "contract.urls"})
    assert found == others


def test_the_arrows_have_no_cycle() -> None:
    """Whoever is imported imports nobody above."""
    order = [
        *("console", "localpubsub", "dispatcher", "worker", "push_endpoint", "publishing", "runtime"),
        *("guarded_http", "extraction", "contract"),
    ]
    for place, package in enumerate(order):
        assert MAY_IMPORT[package] <= set(order[place + 1 :])


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("import contract.job", []),
        ("from contract.job import Job", []),
        ("import json, worker.deliver", ["line 1: worker.deliver"]),
        ("def f():\n    from dispatcher import plan", ["line 2: dispatcher", "line 2: dispatcher.plan"]),
        (
            "from tests.contract import documents",
            ["line 1: tests.contract", "line 1: tests.contract.documents"],
        ),
    ],
)
def test_a_crossing_is_seen(source: str, wrong: list[str]) -> None:
    """The check itself can fail: also for an import inside a function."""
    assert crossings("console", list(imports(ast.parse(source)))) == wrong


def test_imports_are_absolute() -> None:
    """functions-framework loads main.py by path: a relative import would make every class twice."""
    relative = [
        f"{shown(path)}:{found.line}"
        for path in sources(*EVERYTHING)
        for found in imports(parsed(path))
        if found.dots
    ]
    assert relative == []


@pytest.mark.parametrize("folder", EVERYTHING)
def test_a_folder_with_sources_is_a_package(folder: str) -> None:
    """A folder without __init__.py would be found by accident of the path, or not."""
    holders = {path.parent for path in sources(folder)}
    assert [shown(holder) for holder in holders if not (holder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_shadows_no_module_of_the_standard_library(package: str) -> None:
    """A package by such a name would be imported in its place."""
    assert package not in sys.stdlib_module_names


def test_no_package_lies_inside_another() -> None:
    """Stations stand side by side, in the order of the flow."""
    folders = sorted((ROOT / package).resolve() for package in PACKAGES)
    assert not any(inner.is_relative_to(outer) for outer, inner in pairwise(folders))
