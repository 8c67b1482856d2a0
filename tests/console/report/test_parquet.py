"""Tests of Parquet files: their types, their row groups, and what a missing pyarrow causes."""

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.errors import UsageError
from console.ledger.ledger import Result
from console.report.export import ExportedItem, exported_items
from console.report.parquet import (
    ROWS_PER_GROUP,
    fallback_line,
    field_kinds,
    merged,
    row_groups,
    write_parquet,
)

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=2)
AT = "2026-11-22T06:00:03.120000Z"


def items(found: list[dict[str, Any]]) -> list[ExportedItem]:
    """Return items of one page."""
    return list(exported_items([Result("a", "http://b/", found, 1, fetched_at=AT)], None, []))


def written(found: list[dict[str, Any]]) -> pa.Table:
    """Return the table that another program reads from the file of these items."""
    file = io.BytesIO()
    assert write_parquet(file, "r", items(found), field_kinds(items(found))) == len(found)
    return pq.read_table(io.BytesIO(file.getvalue()))


def test_columns_have_the_types_of_their_values() -> None:
    """A field has the type of its values; whole numbers and others make a column of numbers."""
    table = written(
        [
            {"title": "a", "count": 1, "price": 1, "sold": True, "tags": ["x"], "none": None},
            {"title": None, "count": 2**60, "price": 2.5, "sold": False, "tags": []},
        ]
    )
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "url": "string",
        "page": "int32",
        "listing": "string",
        "job_id": "string",
        "run_id": "string",
        "fetched_at": "timestamp[us, tz=UTC]",
        "title": "string",
        "count": "int64",
        "price": "double",
        "sold": "bool",
        "tags": "list<element: string>",
        "none": "string",
    }
    first = table.to_pylist()[0]
    assert (first["run_id"], first["url"], first["price"], first["tags"]) == ("r", "http://b/", 1.0, ["x"])
    assert first["fetched_at"] == datetime(2026, 11, 22, 6, 0, 3, 120_000, UTC)


def test_mixed_values_are_json_and_are_said() -> None:
    """A field with values of several types, or with objects, is JSON in a text, and a sentence says so."""
    found: list[dict[str, Any]] = [
        {"mixed": 1, "object": {"a": 1}, "good": 1},
        {"mixed": "x", "object": None, "good": 2},
    ]
    table = written(found)
    assert table.column("mixed").to_pylist() == ["1", '"x"']
    assert table.column("object").to_pylist() == ['{"a": 1}', None]
    line = fallback_line(field_kinds(items(found)))
    assert line == "mixed, object have objects or values of several types, and are written as JSON in a text."
    assert fallback_line({"good": "text"}) == ""


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "url"]), VALUES, max_size=3), max_size=5))
@settings(max_examples=80, deadline=None)
def test_any_values_can_be_read_again(found: list[dict[str, Any]]) -> None:
    """Whatever the values are, the file has each of them, as itself or as JSON."""
    kinds = field_kinds(items(found))
    rows = written(found).to_pylist()
    for item, row in zip(found, rows, strict=True):
        for name, value in item.items():
            read = row["field.url" if name == "url" else name]
            if kinds[name] == "json" and value is not None:
                assert json.loads(read) == json.loads(json.dumps(value).encode(errors="replace"))
            else:
                assert read == value


@given(
    *[st.sampled_from(["null", "boolean", "small", "whole", "number", "text", "json", "list of small"])] * 3
)
def test_order_of_the_values_does_not_matter(first: str, second: str, third: str) -> None:
    """The kind of a column is the same in whichever order its values come, except for the digits kept."""
    assert merged(first, second) == merged(second, first)
    assert merged(merged(first, second), third) == merged(first, merged(second, third))


class CountedItem(dict[str, Any]):
    """An item that counts how many of its kind are in memory."""

    alive = most = 0

    def __init__(self, **fields: object) -> None:
        super().__init__(**fields)
        CountedItem.alive += 1
        CountedItem.most = max(CountedItem.most, CountedItem.alive)

    def __del__(self) -> None:
        """Count that the item is gone."""
        CountedItem.alive -= 1


def test_one_row_group_is_in_memory() -> None:
    """Of many items, at most those of two row groups are in memory at the same time."""

    def results() -> Iterator[Result]:
        for number in range(5 * ROWS_PER_GROUP):
            yield Result(str(number), "http://b/", [CountedItem(number=number)], 1)

    file = io.BytesIO()
    write_parquet(file, "r", exported_items(results(), None, []), {"number": "small"})
    assert CountedItem.most <= 2 * ROWS_PER_GROUP + 10
    metadata = pq.ParquetFile(io.BytesIO(file.getvalue())).metadata
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [
        ROWS_PER_GROUP
    ] * 5


def test_large_items_end_a_row_group() -> None:
    """A row group ends after its number of characters, too, because an item may have megabytes."""
    groups = row_groups(items([{"text": "x" * 60, "list": ["y"] * 10}] * 5), characters=150)
    assert [len(group) for group in groups] == [2, 2, 1]


def test_missing_pyarrow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow, the message says what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'scrapeq\[parquet\]'"):
        write_parquet(io.BytesIO(), "r", [], {})
