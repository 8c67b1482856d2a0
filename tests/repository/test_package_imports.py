"""Tests which packages a package imports; packages that may not import each other communicate by messages."""

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
    "worker": {
        *("contract", "extraction", "guarded_http", "process_pool", "runtime", "push_endpoint", "publishing")
    },
    "process_pool": set[str](),
    "localpubsub": set[str](),
    "console": {"contract", "extraction"},
    "relay": {"contract", "publishing", "localpubsub"},
}


# Additional imports of single files: `scrapeq try` fetches a page with the worker's own code, `scrapeq
# ledger` and `scrapeq dead` read queues with the relay's code, and the operator's page refuses the same
# requests as the services.
ADDITIONAL_IMPORTS = {
    "console/cli/ledger_command.py": frozenset({"relay"}),
    "console/controls/broker_queue.py": frozenset({"publishing"}),
    "console/dead_letters/broker.py": frozenset({"publishing", "relay"}),
    "console/recipes/fetch_page.py": frozenset({"guarded_http", "worker"}),
    "console/web/iap.py": frozenset({"push_endpoint"}),
    "console/web/security.py": frozenset({"push_endpoint"}),
    "console/web/server.py": frozenset({"push_endpoint"}),
}


# Packages that may import only some modules of another: the HTTP client uses URLs, and quotes them in errors,
# but it uses no outcomes or jobs.
ONLY_MODULES = {("guarded_http", "contract"): {"contract", "contract.quoting", "contract.urls"}}


def forbidden_imports(
    package: str, found: list[Import], *, additional: frozenset[str] = frozenset()
) -> list[str]:
    """Return the imports of our packages that `package` may not import; `additional` ones are allowed."""
    allowed = MAY_IMPORT[package] | {package} | additional
    ours = [(name, line) for name, line, _ in found if name.split(".")[0] in EVERYTHING]
    return [f"line {line}: {name}" for name, line in ours if name.split(".")[0] not in allowed]


def other_modules(found: list[Import], imported: str, allowed: set[str]) -> list[str]:
    """Return the imported modules of the package `imported` that are not allowed."""
    modules = {".".join(name.split(".")[:2]) for name, _, _ in found if name.split(".")[0] == imported}
    return sorted(modules - allowed)


def test_the_architecture_page_lists_the_packages_and_what_they_import() -> None:
    """The table of rooms in ARCHITECTURE.md has the packages and imports of `MAY_IMPORT`."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \| .+? \| (.*?) ?\|$", page, re.MULTILINE)
    assert {room: set(re.findall(r"`(\w+)`", imported)) for room, imported in rows} == MAY_IMPORT


def test_every_package_has_a_list_of_imports() -> None:
    """Every package has an entry in `MAY_IMPORT`, so that its imports are checked."""
    assert MAY_IMPORT.keys() == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_allowed_packages(package: str) -> None:
    """Each file of a package imports only the packages that `MAY_IMPORT` and `ADDITIONAL_IMPORTS` allow."""
    wrong = {
        shown(path): forbidden_imports(
            package, list(imports(parsed(path))), additional=ADDITIONAL_IMPORTS.get(shown(path), frozenset())
        )
        for path in sources(package)
    }
    assert {path: names for path, names in wrong.items() if names} == {}


@pytest.mark.parametrize(("package", "imported"), ONLY_MODULES)
def test_a_package_imports_only_the_named_modules_of_another(package: str, imported: str) -> None:
    """A package imports only the modules that `ONLY_MODULES` lists for the other package."""
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
    """An import of a module that is not allowed is reported, even inside a function."""
    found = other_modules(list(imports(ast.parse(source))), "contract", {"contract", "contract.urls"})
    assert found == others


def test_the_allowed_imports_have_no_cycle() -> None:
    """Each package may import only packages that are later in `order`."""
    order = [
        *(
            "console",
            "relay",
            "localpubsub",
            "dispatcher",
            "worker",
            "process_pool",
            "push_endpoint",
            "publishing",
        ),
        *("runtime", "guarded_http", "extraction", "contract"),
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
def test_a_forbidden_import_is_reported(source: str, wrong: list[str]) -> None:
    """An import of a package that is not allowed is reported with its line, even inside a function."""
    assert forbidden_imports("console", list(imports(ast.parse(source)))) == wrong


def test_imports_are_absolute() -> None:
    """No import is relative.

    Functions-framework loads main.py by its path, and relative imports would load modules a second time.
    """
    relative = [
        f"{shown(path)}:{found.line}"
        for path in sources(*EVERYTHING)
        for found in imports(parsed(path))
        if found.dots
    ]
    assert relative == []


@pytest.mark.parametrize("folder", EVERYTHING)
def test_a_folder_with_sources_is_a_package(folder: str) -> None:
    """Every folder with Python files has an `__init__.py`."""
    parents = {path.parent for path in sources(folder)}
    assert [shown(parent) for parent in parents if not (parent / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_shadows_no_module_of_the_standard_library(package: str) -> None:
    """No package has the name of a standard library module, whose imports would then get the package."""
    assert package not in sys.stdlib_module_names


def test_no_package_is_inside_another() -> None:
    """No folder of a top-level package is inside the folder of another."""
    folders = sorted((ROOT / package).resolve() for package in PACKAGES)
    assert not any(inner.is_relative_to(outer) for outer, inner in pairwise(folders))
