"""Tests of the columns of a table: which values each declared type accepts, and what is stored."""

import pytest

from localpubsub.errors import RowRejected
from localpubsub.exports.bigquery_column import Column


@pytest.mark.parametrize(
    ("declared", "value", "stored"),
    [
        ("INT64", 7, 7),
        ("INTEGER", "-7", -7),
        ("FLOAT64", 7, 7.0),
        ("REAL", "1.5", 1.5),
        ("NUMERIC(10,2)", "1.50", "1.50"),
        ("BOOL", True, 1),
        ("BOOLEAN", "FALSE", 0),
        ("TEXT", "007", "007"),
        ("VARCHAR(9)", "x", "x"),
        ("BYTES", "AAE=", b"\x00\x01"),
        ("JSON", '{"a": 1}', '{"a": 1}'),
        ("TIMESTAMP", "2026-11-22T07:00:00.5+01:00", "2026-11-22T06:00:00.500000Z"),
        ("TIMESTAMP", "2026-11-22 06:00:00 UTC", "2026-11-22T06:00:00.000000Z"),
        ("TIMESTAMP", 1_800_000_000_000_001, "2027-01-15T08:00:00.000001Z"),
        ("DATE", "2026-11-22", "2026-11-22"),
        ("DATE", 1, "1970-01-02"),
        ("DATETIME", "2026-11-22T06:00:00", "2026-11-22T06:00:00"),
        ("TIME", "06:00", "06:00:00"),
        ("ARRAY<INT64>", [1, 2], "[1,2]"),
        ("", {"any": ["thing"]}, '{"any":["thing"]}'),
        ("GEOGRAPHY", "POINT(1 2)", "POINT(1 2)"),
        ("INT64", None, None),
    ],
)
def test_column_converts_values_that_its_type_accepts(declared: str, value: object, stored: object) -> None:
    """Each value is converted to the stored value; types may have BigQuery's names or SQLite's."""
    assert Column("c", declared).convert(value) == stored


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("INT64", 1.5),
        ("INT64", True),
        ("INT64", 2**63),
        ("INT64", "seven"),
        ("FLOAT64", "inf"),
        ("FLOAT64", 10**400),
        ("NUMERIC", "x"),
        ("BOOL", 1),
        ("TEXT", 7),
        ("TEXT", ["a"]),
        ("BYTES", "not base64!"),
        ("JSON", {"a": 1}),
        ("JSON", "{"),
        ("TIMESTAMP", "yesterday"),
        ("TIMESTAMP", 2**63),
        ("DATE", "2026-13-01"),
        ("DATETIME", "2026-11-22T06:00:00Z"),
        ("TIME", 6),
        ("RECORD", "x"),
        ("", 2**64),
    ],
)
def test_column_rejects_values_that_its_type_does_not_accept(declared: str, value: object) -> None:
    """A value that the declared type does not accept raises RowRejected, which names the field."""
    with pytest.raises(RowRejected, match="The field c does not fit its column"):
        Column("c", declared).convert(value)
