"""The table of behaviours in localpubsub's README names a passing test for everything that it claims."""

import re

import pytest

from tests.conformance.behaviours import BEHAVIOURS
from tests.conformance.table import BEGIN, END, README, behaviours_of_tests, named_behaviours, replace_table

TESTED = sorted(set().union(*behaviours_of_tests().values()))


def rows() -> dict[int, list[str]]:
    """Return the cells of the README's table by behaviour number."""
    text = README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    found = re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)
    return {int(number): [cell.strip() for cell in cells.split(" | ")] for number, cells in found}


@pytest.mark.parametrize("number", TESTED)
def test_what_is_tested_is_in_the_table(number: int) -> None:
    """If this fails, run `python -m tests.conformance.table`."""
    sentence, ours, *_ = rows()[number]
    assert sentence == BEHAVIOURS[number]
    assert ours == "✓"


def test_what_is_not_tested_is_not_claimed() -> None:
    """All 34 behaviours are in the table; one without a test says so."""
    assert rows().keys() == BEHAVIOURS.keys()
    for number in BEHAVIOURS.keys() - set(TESTED):
        assert rows()[number][1] == "not tested"


def test_a_docstring_names_behaviours() -> None:
    """A docstring may begin with one behaviour number or with several."""
    assert named_behaviours("Behaviour 7: ids.") == {7}
    assert named_behaviours("Behaviours 13, 21 and 26: silence.") == {13, 21, 26}
    assert named_behaviours("A test of ours, after 7: nothing.") == set()
    assert named_behaviours(None) == set()


def test_the_table_is_written_between_its_marks() -> None:
    """Writing the table twice changes nothing."""
    once = replace_table(f"before\n{BEGIN}\nold\n{END}\nafter", "new")
    assert once == f"before\n{BEGIN}\nnew\n{END}\nafter" == replace_table(once, "new")
