"""Tests that each row of the attack tables in docs/explanation/security.md names a test that exists."""

import ast
import re
from typing import NamedTuple

import pytest

from contract.outcome import Reason
from tests.repository.tree import ROOT, parsed

ROW = re.compile(
    r"^\| (?P<attack>.+?) \| (?P<happens>.+?) \| `(?P<file>tests/[\w/]+\.py)::(?P<test>test_\w+)` \|$"
)
# Each test of these files is an attack that must be in the tables. The tests in COUNTERPARTS are exceptions:
# they check details, or that valid input is accepted.
ATTACKS = ("tests/worker/test_refused_addresses.py", "tests/worker/test_hostile_servers.py")
COUNTERPARTS = {
    "test_next_address_of_a_host_is_tried",
    "test_name_without_address_fails_with_dns",
    "test_refused_address_is_not_retried",
    "test_repetitive_page_is_not_a_decompression_bomb",
    "test_idle_connection_that_was_closed_is_replaced",
}


class Row(NamedTuple):
    """One attack, what happens, and the test that shows it."""

    attack: str
    happens: str
    file: str
    test: str


def rows() -> list[Row]:
    """Return the rows of the tables."""
    lines = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8").splitlines()
    cells = [
        line for line in lines if line.startswith("|") and "|---|" not in line and "| attack |" not in line
    ]
    matches = [ROW.match(line) for line in cells]
    assert [line for line, match in zip(cells, matches, strict=True) if not match] == []
    return [Row(**match.groupdict()) for match in matches if match]


def names_of_tests(file: str) -> set[str]:
    """Return the names of a file's tests."""
    return {
        node.name
        for node in ast.walk(parsed(ROOT / file))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.attack[:60])
def test_an_attack_has_its_test(row: Row) -> None:
    """The file that a row names has the test that the row names."""
    assert row.test in names_of_tests(row.file)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.attack[:60])
def test_an_attack_ends_with_existing_reasons(row: Row) -> None:
    """Every word in code font in the second column is a reason."""
    assert set(re.findall(r"`(\w+)`", row.happens)) <= set(Reason)


@pytest.mark.parametrize("file", ATTACKS)
def test_a_tested_attack_is_in_the_tables(file: str) -> None:
    """Every test of an attack has a row in the tables."""
    documented = {row.test for row in rows() if row.file == file}
    assert names_of_tests(file) - documented - COUNTERPARTS == set()
