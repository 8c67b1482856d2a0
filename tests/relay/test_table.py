"""The table of docs/brokers.md agrees with the tests of the promises."""

import re

import pytest

from tests.relay.brokers import COLUMNS
from tests.relay.conformance import BEGIN, END, PAGE, TESTS, table
from tests.relay.promises import PROMISES

WRITTEN = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()
#: The reasons by their numbers.
NOTES = dict(re.findall(r"^(\d+)\. (.+(?:\n   .+)*)$", WRITTEN, re.MULTILINE))


def rows() -> list[list[str]]:
    """Return the cells of the table, without its head."""
    lines = [line for line in WRITTEN.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_each_promise_has_one_test_and_one_row() -> None:
    """The rows are the promises of the tests, in their order."""
    marked = re.findall(r'@pytest\.mark\.promise\("(.+)"\)', TESTS.read_text(encoding="utf-8"))
    assert [row[0] for row in rows()] == list(PROMISES) == marked


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_cell_is_a_success_or_has_a_reason(row: list[str]) -> None:
    """Each broker has a cell: ✓, or the number of the reason why it cannot, or does what it can."""
    assert len(row) == 1 + len(COLUMNS)
    for cell in row[1:]:
        assert re.fullmatch(r"✓|(cannot|best effort) \(\d+\)", cell)


def test_each_reason_has_a_source_and_a_cell() -> None:
    """Each reason has a link to the broker's own documentation, and some cell refers to it."""
    numbers = {number for row in rows() for cell in row for number in re.findall(r"\((\d+)\)", cell)}
    assert NOTES.keys() == numbers
    for reason in NOTES.values():
        assert re.search(r"<https://(cloud\.google|docs\.aws\.amazon)\.com/\S+>", reason)


def test_a_reason_of_several_cells_is_one_note() -> None:
    """Cells with the same reason have the same number; a cell without a reason has none."""
    reason = "it has no order: https://docs.aws.amazon.com/queues"
    written = table(
        {("pause", "SQS"): f"cannot, because {reason}", ("poison", "SQS"): f"cannot, because {reason}"}
    )
    assert written.count("cannot (1)") == 2
    assert written.endswith("\n\n1. It has no order: <https://docs.aws.amazon.com/queues>.")


def test_a_promise_that_was_not_run_is_no_success() -> None:
    """A table without results has no ✓."""
    assert "✓" not in table({})
    assert table({}).count("not run") == len(PROMISES) * len(COLUMNS)
