"""From messages to rows: pure, and through a real SQLite file."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from localpubsub.backlog.message import encode_with_id
from localpubsub.errors import ExportBlocked, RowRejected
from localpubsub.exports.bigquery_column import Column
from localpubsub.exports.bigquery_row import RowPlan
from localpubsub.exports.bigquery_tables import BigQueryTables
from localpubsub.protocol.messages import BigQueryConfig, PubsubMessage

SUBSCRIPTION = "projects/p/subscriptions/s"
MESSAGE_ID = 1_800_000_000_123_000


def plan(**config: object) -> RowPlan:
    """A plan for the table ``d.t``."""
    return RowPlan(BigQueryConfig(**{"table": "p.d.t", "use_table_schema": True, **config}), SUBSCRIPTION)


@pytest.mark.parametrize("table", ["p.d.t", "p:d.t", "example.com:p.d.t"])
def test_a_table_is_called_without_its_project(table: str) -> None:
    """A warehouse belongs to all projects."""
    assert plan(table=table).table == "d.t"


def record(data: bytes, message_id: int = MESSAGE_ID, **attributes: str) -> bytes:
    """An encoded message."""
    return encode_with_id(PubsubMessage(data=data, attributes=attributes), message_id)


def select(file: Path, query: str = 'SELECT * FROM "d.t"') -> list[dict[str, Any]]:
    """Rows, read while somebody may write."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query)]


def prepared(file: Path, *statements: str) -> BigQueryTables:
    """A warehouse whose tables somebody made before."""
    with closing(sqlite3.connect(file)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return BigQueryTables(file, create_tables=True)


@pytest.mark.parametrize(
    ("declared", "value", "kept"),
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
def test_a_column_takes_what_its_type_holds(declared: str, value: object, kept: object) -> None:
    """The types of BigQuery, under its names and SQLite's."""
    assert Column("c", declared).fit(value) == kept


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
def test_a_column_refuses_what_its_type_does_not_hold(declared: str, value: object) -> None:
    """The reason names the field and its type."""
    with pytest.raises(RowRejected, match="The field c does not fit its column"):
        Column("c", declared).fit(value)


def test_a_table_that_exists_keeps_its_columns(tmp_path: Path) -> None:
    """A user's own table decides which fields there are; the others are misfits, or dropped when told."""
    warehouse = prepared(tmp_path / "w.db", 'CREATE TABLE "d.t" (Url TEXT NOT NULL, n INTEGER DEFAULT 5)')
    records = [record(b'{"url": "x"}'), record(b'{"n": 1}'), record(b'{"url": "y", "other": 1}')]
    reasons = warehouse.write(plan(), records)
    assert [bool(reason) for reason in reasons] == [False, True, True]
    assert "NOT NULL" in reasons[1]
    assert "no column for the field 'other'" in reasons[2]
    assert warehouse.write(plan(drop_unknown_fields=True), records[2:]) == [""]
    assert select(tmp_path / "w.db") == [{"Url": "x", "n": 5}, {"Url": "y", "n": 5}]
    warehouse.close()


def test_a_table_made_from_data_grows(tmp_path: Path) -> None:
    """Nobody declared its columns, so each new field is one; after a restart too."""
    for data in (b'{"a": 1}', b'{"A": "x", "b": [1]}'):
        warehouse = BigQueryTables(tmp_path / "w.db", create_tables=True)
        assert warehouse.write(plan(), [record(data)]) == [""]
        warehouse.close()
    assert select(tmp_path / "w.db") == [{"a": 1, "b": None}, {"a": "x", "b": "[1]"}]


def test_a_table_changed_by_somebody_else_is_seen(tmp_path: Path) -> None:
    """A column added, or the table dropped, between two batches."""
    warehouse = prepared(tmp_path / "w.db", 'CREATE TABLE "d.t" (n INTEGER)')
    assert warehouse.write(plan(), [record(b'{"m": 1}')]) != [""]
    prepared(tmp_path / "w.db", 'ALTER TABLE "d.t" ADD COLUMN m INTEGER')
    assert warehouse.write(plan(), [record(b'{"m": 1}')]) == [""]
    prepared(tmp_path / "w.db", 'DROP TABLE "d.t"')
    assert warehouse.write(plan(), [record(b'{"z": 1}')]) == [""]
    warehouse.close()
    assert select(tmp_path / "w.db") == [{"z": 1}]


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ('CREATE TABLE "d.t" (n INTEGER)', "SCHEMA_MISMATCH"),
        ('CREATE VIEW "d.t" AS SELECT 1', "SCHEMA_MISMATCH"),
        ('CREATE TABLE "d.t" (data STRING)', "SCHEMA_MISMATCH"),
        ("CREATE TABLE other (n INTEGER)", "NOT_FOUND"),
    ],
)
def test_a_table_that_cannot_take_any_row_blocks(tmp_path: Path, statement: str, state: str) -> None:
    """No ``data`` column, no table, or texts that SQLite would take for numbers."""
    prepared(tmp_path / "w.db", statement)
    warehouse = BigQueryTables(tmp_path / "w.db", create_tables=False)
    with pytest.raises(ExportBlocked) as blocked:
        warehouse.write(plan(use_table_schema=False), [record(b"x")])
    assert blocked.value.state == state
    warehouse.close()


def test_what_cannot_be_opened_is_denied(tmp_path: Path) -> None:
    """A directory in the file's place."""
    (tmp_path / "w.db").mkdir()
    with pytest.raises(ExportBlocked) as blocked:
        BigQueryTables(tmp_path / "w.db", create_tables=True).check(plan())
    assert blocked.value.state == "PERMISSION_DENIED"


def test_metadata_and_fields_do_not_mix(tmp_path: Path) -> None:
    """A field called as a metadata column is a misfit: one of the two values would be lost."""
    warehouse = BigQueryTables(tmp_path / "w.db", create_tables=True)
    (reason,) = warehouse.write(plan(write_metadata=True), [record(b'{"message_id": "mine"}')])
    assert "metadata" in reason
    assert warehouse.write(plan(write_metadata=True), [record(b"{}", key="v")]) == [""]
    warehouse.close()
    (row,) = select(tmp_path / "w.db")
    assert row == {
        "subscription_name": SUBSCRIPTION,
        "message_id": str(MESSAGE_ID),
        "publish_time": "2027-01-15T08:00:00.123000Z",
        "attributes": '{"key":"v"}',
    }


_names = st.one_of(st.sampled_from(["a", "A", "b", "n_1"]), st.text(max_size=5))
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(_names, _values, max_size=4), min_size=1, max_size=6))
@example([{"a": "\ud800"}, {"a": 1}])
@example([{"a": 1e308, "b": 2**63}, {}])
def test_any_object_lands_or_is_refused(tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    """Every object is a row with the same values, or has a reason why not; the others are not disturbed."""
    file = tmp_path / "w.db"
    file.unlink(missing_ok=True)
    warehouse = BigQueryTables(file, create_tables=True)
    records = [record(json.dumps(each).encode(), MESSAGE_ID + n) for n, each in enumerate(objects)]
    reasons = warehouse.write(plan(write_metadata=True), records)
    warehouse.close()
    found = {int(row["message_id"]) - MESSAGE_ID: row for row in select(file)}
    assert found.keys() == {n for n, reason in enumerate(reasons) if not reason}
    for n, row in found.items():
        given_values = {name.lower(): value for name, value in objects[n].items()}
        for name, value in row.items():
            if name in {"subscription_name", "message_id", "publish_time", "attributes"}:
                continue
            expected = given_values.get(name.lower())
            assert (json.loads(value) if isinstance(expected, (dict, list)) else value) == expected


@given(
    st.binary(max_size=40) | st.sampled_from([b'{"a": NaN}', b'{"a": 1e999}', b"[" * 100_000, b"1" * 5000])
)
def test_any_bytes_are_a_row_or_a_misfit(data: bytes) -> None:
    """Nothing that is published breaks an export."""
    warehouse = BigQueryTables(Path(":memory:"), create_tables=True)
    (reason,) = warehouse.write(plan(write_metadata=True), [record(data)])
    assert isinstance(reason, str)
    warehouse.close()
