"""The table of docs/brokers.md agrees with the tests of the promises."""

import re

import pytest

from tests.relay.brokers import BROKERS
from tests.relay.conformance import BEGIN, END, PAGE, TESTS, table
from tests.relay.promises import PROMISES


def rows() -> list[list[str]]:
    """Return the cells of the table, without its head."""
    text = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    return [line.strip("|").split("|") for line in text.strip().splitlines()][2:]


def test_each_promise_has_one_test_and_one_row() -> None:
    """The rows are the promises of the tests, in their order."""
    marked = re.findall(r'@pytest\.mark\.promise\("(.+)"\)', TESTS.read_text(encoding="utf-8"))
    assert [row[0].strip() for row in rows()] == list(PROMISES) == marked


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].strip())
def test_each_cell_is_a_success_or_a_reason_with_its_source(row: list[str]) -> None:
    """Each broker has a cell: ✓, or why it cannot, with a link to the broker's own documentation."""
    assert len(row) == 1 + len(BROKERS)
    for cell in row[1:]:
        assert re.fullmatch(r"✓|cannot, because .+https://\S+.*", cell.strip())


def test_a_promise_that_was_not_run_is_no_success() -> None:
    """A table without results has no ✓."""
    assert "✓" not in table({})
    assert table({}).count("not run") == len(PROMISES) * len(BROKERS)
