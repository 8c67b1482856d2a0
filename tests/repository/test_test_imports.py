"""What tests share is imported from a module that is neither a conftest.py nor a module of tests."""

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
    """Pytest alone loads these; imported, their tests and fixtures would exist twice."""
    found = {shown(path): imported_test_modules(parsed(path)) for path in sources("tests", "benchmarks")}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_an_import_from_a_conftest_or_a_test_module_is_found() -> None:
    """The check above can fail."""
    text = "from tests.conftest import site\nfrom tests.worker import test_fetch\nimport tests.servers.site\n"
    assert imported_test_modules(ast.parse(text)) == [
        "tests.conftest:1",
        "tests.conftest.site:1",
        "tests.worker.test_fetch:2",
    ]
