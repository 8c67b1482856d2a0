"""Tests that the table of behaviours in localpubsub's README agrees with the conformance tests."""

import ast
import re

import pytest

from tests.conformance.behaviours import BEHAVIOURS, SOURCES
from tests.conformance.differences import DIFFERENCES
from tests.conformance.table import (
    BEGIN,
    END,
    README,
    behaviours_of_tests,
    cited,
    named_behaviours,
    replace_table,
    table,
)
from tests.repository.tree import ROOT

#: The head of a column with the official emulator.
HEAD = re.compile(r"\| official emulator \d+\.\d+\.\d+, 20\d\d-\d\d-\d\d \|")
TESTED = sorted(set().union(*behaviours_of_tests().values()))


def rows() -> dict[int, list[str]]:
    """Return the cells of the README's table by behaviour number."""
    text = README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    found = re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)
    return {int(number): [cell.strip() for cell in cells.split(" | ")] for number, cells in found}


@pytest.mark.parametrize("number", TESTED)
def test_a_tested_behaviour_is_in_the_table(number: int) -> None:
    """Each tested behaviour has a ✓ in the table; `python -m tests.conformance.table` rewrites the table."""
    sentence, ours, *_ = rows()[number]
    assert sentence == BEHAVIOURS[number]
    assert ours == "✓"


def test_an_untested_behaviour_is_marked_in_the_table() -> None:
    """All behaviours are in the table, and each behaviour without a test is marked `not tested`."""
    assert rows().keys() == BEHAVIOURS.keys()
    for number in BEHAVIOURS.keys() - set(TESTED):
        assert rows()[number][1] == "not tested"


def test_the_table_names_the_version_and_date_of_the_emulator() -> None:
    """The head of the official emulator's column has the version and the date of the run."""
    text = README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert HEAD.search(text.lstrip().splitlines()[0])


def test_a_behaviour_has_the_page_that_documents_it() -> None:
    """The table has the page of each behaviour that Pub/Sub's documentation describes."""
    for number, (*_, source) in rows().items():
        assert source == (f"[documentation]({SOURCES[number]})" if number in SOURCES else "")


def test_each_difference_of_the_emulator_has_its_source() -> None:
    """Each difference in a cell of the official emulator has the source of the service's behaviour."""
    known = sorted(map(re.escape, map(cited, DIFFERENCES)), key=len, reverse=True)
    one = f"(?:{'|'.join(known)})"
    cells = [emulator for _, _, emulator, _, _ in rows().values() if emulator not in {"", "✓"}]
    assert len(cells) > 10
    assert [cell for cell in cells if not re.fullmatch(f"(?:in part|no): {one}(?:; {one})*", cell)] == []


def test_each_listed_difference_is_expected_by_a_test() -> None:
    """differences.py lists exactly what the marks of the conformance tests state."""
    marks = (
        node.args[0].value
        for path in sorted((ROOT / "tests" / "conformance").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr == "emulator_differs" and isinstance(node.args[0], ast.Constant)
    )
    assert set(marks) == set(DIFFERENCES)


def test_a_written_table_has_the_head_and_the_sources() -> None:
    """The command writes the given head, and a source in the row of a behaviour that has one."""
    first, _, *written = table({}, "official emulator 0.8.20, 2026-11-30").splitlines()
    assert HEAD.search(first)
    assert written[0].endswith(f"| [documentation]({SOURCES[1]}) |")


@pytest.mark.parametrize("file", ["benchmarks/README.md", "localpubsub/README.md"])
def test_each_comparison_with_the_emulator_has_its_version_and_date(file: str) -> None:
    """Each head of a table with the official emulator has its version and the date of the measurement."""
    heads = [line for line in (ROOT / file).read_text("utf-8").splitlines() if "| official emulator" in line]
    assert heads
    assert [line for line in heads if not HEAD.search(line)] == []


def test_behaviour_numbers_are_read_from_a_docstring() -> None:
    """One or several behaviour numbers are read from the start of a docstring."""
    assert named_behaviours("Behaviour 7: ids.") == {7}
    assert named_behaviours("Behaviours 13, 21 and 26: silence.") == {13, 21, 26}
    assert named_behaviours("A test of ours, after 7: nothing.") == set()
    assert named_behaviours(None) == set()


def test_the_table_is_written_between_its_marks() -> None:
    """The text between the marks is replaced, and replacing it again changes nothing."""
    once = replace_table(f"before\n{BEGIN}\nold\n{END}\nafter", "new")
    assert once == f"before\n{BEGIN}\nnew\n{END}\nafter" == replace_table(once, "new")
