"""Tests that no module imports a conftest.py or a module of tests; shared code belongs in other modules."""

import ast

from tests.repository.tree import imports, parsed, shown, sources


def imported_test_modules(tree: ast.AST) -> list[str]:
    """Return the imports of a conftest.py, a test module or a test, as `module:line`."""
    return [
        f"{each.module}:{each.line}"
        for each in imports(tree)
        if each.module.startswith("tests.")
        and any(part == "conftest" or part.startswith("test_") for part in each.module.split("."))
    ]


def test_no_import_from_a_conftest_or_a_test_module() -> None:
    """No module imports a conftest.py or a test module, whose tests and fixtures would then exist twice."""
    found = {shown(path): imported_test_modules(parsed(path)) for path in sources("tests", "benchmarks")}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_an_import_from_a_conftest_or_a_test_module_is_reported() -> None:
    """Imports from a conftest.py and from a test module are reported with their lines."""
    text = "from tests.conftest import site\nfrom tests.worker import test_fetch\nimport tests.servers.site\n"
    assert imported_test_modules(ast.parse(text)) == [
        "tests.conftest:1",
        "tests.conftest.site:1",
        "tests.worker.test_fetch:2",
    ]
