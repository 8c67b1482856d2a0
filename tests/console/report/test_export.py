"""Tests of the lines that other programs read: JSON Lines and CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.ledger.ledger import Result
from console.report.export import (
    FORMULA_STARTS,
    NUMBER,
    ExportedItem,
    csv_lines,
    exported_items,
    field_names,
    json_lines,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)
ITEMS = st.lists(st.dictionaries(st.text(min_size=1), VALUES, max_size=4), max_size=4)


def items(found: Iterable[dict[str, object]]) -> list[ExportedItem]:
    """Return items of one page."""
    return list(exported_items([Result("a", "http://b/", list(found), 1)], None, []))


def rows(lines: Iterable[str]) -> list[list[str]]:
    """Return the cells of CSV, as a program that follows RFC 4180 reads them."""
    return list(csv.reader(io.StringIO("".join(lines), newline=""), strict=True))


def test_json_lines_escape_what_a_terminal_would_obey() -> None:
    """A line of JSON has the item's values, with escapes instead of characters that are not printed."""
    title = "\x1b[2J\x9b\u202egnp\u200b\U000e0041 é 古"
    [line] = json_lines("r", items([{"title": title}]))
    assert line.isprintable()
    assert "é 古" in line
    assert json.loads(line)["fields"] == {"title": title}


@given(ITEMS)
def test_csv_has_a_row_for_each_item_and_no_formula(found: list[dict[str, object]]) -> None:
    """Whatever the values are, each item is a row with as many cells as the header, and none is a formula."""
    exported = items(found)
    names = field_names(exported)
    header, *body = rows(csv_lines("r", exported, names))
    assert len(body) == len(found)
    assert {len(row) for row in body} <= {len(header)}
    for row, item in zip(body, found, strict=True):
        for name, cell in zip(names, row[-len(names) :] if names else [], strict=True):
            value = item.get(name)
            if isinstance(value, str):
                assert cell.removeprefix("'") == value.removeprefix("'") or cell == value
                assert not cell.startswith(FORMULA_STARTS) or NUMBER.fullmatch(cell)
            else:
                assert (json.loads(cell) if cell else None) == value


def test_field_that_has_the_name_of_a_column_is_told_apart() -> None:
    """A field `url` is the column `field.url`, because `url` is the page's."""
    exported = items([{"url": "/x", "price": -5}])
    header, row = rows(csv_lines("r", exported, field_names(exported)))
    assert dict(zip(header, row, strict=True)) == {
        "url": "http://b/",
        "page": "1",
        "listing": "",
        "job_id": "a",
        "run_id": "r",
        "fetched_at": "",
        "field.url": "/x",
        "price": "-5",
    }


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20SUM(A1)",
        "-5,2",
        "+1e5",
    ],
)
def test_text_that_may_run_as_a_formula_begins_with_an_apostrophe(text: str) -> None:
    """No kind of beginning that a program for spreadsheets runs as a formula is left, also in full width."""
    _, [*_, cell] = rows(csv_lines("r", items([{"title": text}]), ["title"]))
    assert cell == f"'{text}"


@pytest.mark.parametrize("value", [-5, -5.25, "-5.20", "+3", "7"])
def test_number_stays_a_number_in_csv(value: float | str) -> None:
    """A number has no apostrophe, even if it is negative or a text."""
    _, [*_, cell] = rows(csv_lines("r", items([{"price": value}]), ["price"]))
    assert cell == str(value)


def test_lines_are_made_one_by_one() -> None:
    """A line needs no item after its own, so a run with a million items needs the memory of one."""
    read = 0

    def results() -> Iterator[Result]:
        nonlocal read
        for number in range(1_000_000):
            read += 1
            yield Result(f"{number}", "http://b/", [{"number": number}], 1)

    lines = csv_lines("r", exported_items(results(), None, []), ["number"])
    for place, line in enumerate(lines):
        assert read == place, line
        if place == 1_000:
            break
    read = 0
    for place, line in enumerate(json_lines("r", exported_items(results(), 1_000, []))):
        assert read == place + 1, line
    assert read == 1_000
