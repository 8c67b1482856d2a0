"""Tests of the rows of BigQuery subscriptions, which are written to a real SQLite file."""

import errno
import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from localpubsub.backlog.message import encode_with_id
from localpubsub.errors import ExportBlocked, Unimplemented
from localpubsub.exports.bigquery_row import RowPlan
from localpubsub.exports.bigquery_tables import BigQueryTables
from localpubsub.protocol.messages import BigQueryConfig, PubsubMessage

SUBSCRIPTION = "projects/p/subscriptions/s"
MESSAGE_ID = 1_800_000_000_123_000


def plan(**config: object) -> RowPlan:
    """Return a row plan for the table ``d.t``."""
    return RowPlan(BigQueryConfig(**{"table": "p.d.t", "use_table_schema": True, **config}), SUBSCRIPTION)


@pytest.mark.parametrize("table", ["p.d.t", "p:d.t", "example.com:p.d.t"])
def test_table_name_omits_the_project(table: str) -> None:
    """The name of a table is dataset.table, because one file contains the tables of all projects."""
    assert plan(table=table).table == "d.t"


def record(data: bytes, message_id: int = MESSAGE_ID, **attributes: str) -> bytes:
    """Return an encoded message."""
    return encode_with_id(PubsubMessage(data=data, attributes=attributes), message_id, message_id)


def select(file: Path, query: str = 'SELECT * FROM "d.t"') -> list[dict[str, Any]]:
    """Return rows, read through a separate connection, as another program would read them."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query)]


def execute_statements(file: Path, *statements: str) -> BigQueryTables:
    """Execute statements as another program would; return the tables of the file."""
    with closing(sqlite3.connect(file)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return BigQueryTables(file, create_tables=True)


def test_existing_table_keeps_its_columns(tmp_path: Path) -> None:
    """A message with an unknown field is rejected; with drop_unknown_fields the field is dropped."""
    tables = execute_statements(
        tmp_path / "w.db", 'CREATE TABLE "d.t" (Url TEXT NOT NULL, n INTEGER DEFAULT 5)'
    )
    records = [record(b'{"url": "x"}'), record(b'{"n": 1}'), record(b'{"url": "y", "other": 1}')]
    errors = tables.write(plan(), records)
    assert [bool(error) for error in errors] == [False, True, True]
    assert "NOT NULL" in errors[1]
    assert "no column for the field 'other'" in errors[2]
    assert tables.write(plan(drop_unknown_fields=True), records[2:]) == [""]
    assert select(tmp_path / "w.db") == [{"Url": "x", "n": 5}, {"Url": "y", "n": 5}]
    tables.close()


def test_table_created_from_messages_gets_a_column_per_new_field(tmp_path: Path) -> None:
    """A table created from messages gets a column without type for a new field, even after a restart."""
    for data in (b'{"a": 1}', b'{"A": "x", "b": [1]}'):
        tables = BigQueryTables(tmp_path / "w.db", create_tables=True)
        assert tables.write(plan(), [record(data)]) == [""]
        tables.close()
    assert select(tmp_path / "w.db") == [{"a": 1, "b": None}, {"a": "x", "b": "[1]"}]


def test_table_is_read_again_after_a_change_by_another_program(tmp_path: Path) -> None:
    """Rows are written correctly after another program has added a column or dropped the table."""
    tables = execute_statements(tmp_path / "w.db", 'CREATE TABLE "d.t" (n INTEGER)')
    assert tables.write(plan(), [record(b'{"m": 1}')]) != [""]
    execute_statements(tmp_path / "w.db", 'ALTER TABLE "d.t" ADD COLUMN m INTEGER')
    assert tables.write(plan(), [record(b'{"m": 1}')]) == [""]
    execute_statements(tmp_path / "w.db", 'DROP TABLE "d.t"')
    assert tables.write(plan(), [record(b'{"z": 1}')]) == [""]
    tables.close()
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
def test_unusable_table_blocks_the_export(tmp_path: Path, statement: str, state: str) -> None:
    """ExportBlocked is raised if the table is missing, is a view, lacks a column, or has a STRING column."""
    execute_statements(tmp_path / "w.db", statement)
    tables = BigQueryTables(tmp_path / "w.db", create_tables=False)
    with pytest.raises(ExportBlocked) as blocked:
        tables.write(plan(use_table_schema=False), [record(b"x")])
    assert blocked.value.state == state
    tables.close()


def test_file_that_cannot_be_opened_blocks_the_export_with_permission_denied(tmp_path: Path) -> None:
    """If the path of the file is a directory, the state is PERMISSION_DENIED."""
    (tmp_path / "w.db").mkdir()
    with pytest.raises(ExportBlocked) as blocked:
        BigQueryTables(tmp_path / "w.db", create_tables=True).check(plan())
    assert blocked.value.state == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "ACTIVE"),
        (MemoryError(), "ACTIVE"),
        (Unimplemented("a package is not installed"), "SCHEMA_MISMATCH"),
    ],
    ids=repr,
)
def test_failure_of_this_machine_blocks_the_export(tmp_path: Path, error: Exception, state: str) -> None:
    """If this machine cannot make the row of a message, the export is blocked, and no row is rejected."""

    def decode(_: object) -> dict[str, object]:
        raise error

    config = BigQueryConfig(table="p.d.t", use_topic_schema=True)
    tables = BigQueryTables(tmp_path / "w.db", create_tables=True)
    with pytest.raises(ExportBlocked) as blocked:
        tables.write(RowPlan(config, SUBSCRIPTION, decode, {"a": "TEXT"}), [record(b"x")])
    assert blocked.value.state == state
    tables.close()


def test_row_that_cannot_be_made_for_another_reason_is_rejected(tmp_path: Path) -> None:
    """An unforeseen error in the row of one message rejects this row, so that the others are written."""

    def decode(_: object) -> dict[str, object]:
        raise ZeroDivisionError

    config = BigQueryConfig(table="p.d.t", use_topic_schema=True)
    tables = BigQueryTables(tmp_path / "w.db", create_tables=True)
    (error,) = tables.write(RowPlan(config, SUBSCRIPTION, decode, {"a": "TEXT"}), [record(b"x")])
    assert "ZeroDivisionError" in error
    tables.close()


def test_file_is_not_denied_at_the_limit_of_open_files(tmp_path: Path) -> None:
    """If the file cannot be opened because too many files are open, the state of the export stays ACTIVE."""
    code = """
import os, resource, sys
from pathlib import Path
from localpubsub.errors import ExportBlocked, Unimplemented
from localpubsub.exports.bigquery_tables import BigQueryTables
from tests.localpubsub.exports.test_bigquery_tables import plan
try:
    tables = BigQueryTables(Path(sys.argv[1]), create_tables=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), os.dup(0)))
    tables.check(plan())
except ExportBlocked as error:
    print(error.state)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "w.db")], capture_output=True, text=True, check=False
    )
    assert done.stdout == "ACTIVE\n", done


def test_field_with_the_name_of_a_metadata_column_is_rejected(tmp_path: Path) -> None:
    """With write_metadata, a message with a field message_id is rejected with a reason."""
    tables = BigQueryTables(tmp_path / "w.db", create_tables=True)
    (error,) = tables.write(plan(write_metadata=True), [record(b'{"message_id": "mine"}')])
    assert "metadata" in error
    assert tables.write(plan(write_metadata=True), [record(b"{}", key="v")]) == [""]
    tables.close()
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
def test_any_object_is_written_or_rejected(tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    """Every object becomes a row with the same values, or is rejected without an effect on other rows."""
    file = tmp_path / "w.db"
    file.unlink(missing_ok=True)
    tables = BigQueryTables(file, create_tables=True)
    records = [record(json.dumps(each).encode(), MESSAGE_ID + n) for n, each in enumerate(objects)]
    errors = tables.write(plan(write_metadata=True), records)
    tables.close()
    found = {int(row["message_id"]) - MESSAGE_ID: row for row in select(file)}
    assert found.keys() == {n for n, error in enumerate(errors) if not error}
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
def test_any_bytes_are_written_or_rejected(data: bytes) -> None:
    """Arbitrary bytes never raise an exception: they are written or rejected."""
    with tempfile.TemporaryDirectory() as folder:
        tables = BigQueryTables(Path(folder, "tables"), create_tables=True)
        (error,) = tables.write(plan(write_metadata=True), [record(data)])
        assert isinstance(error, str)
        tables.close()


@pytest.mark.parametrize(("skip_repeated", "rejected"), [(True, False), (False, True)])
def test_a_row_that_a_unique_index_refuses(tmp_path: Path, skip_repeated: bool, rejected: bool) -> None:
    """It is rejected, or skipped if repeated rows are to be; the other rows of the batch are written."""
    file = tmp_path / "w.db"
    execute_statements(file, 'CREATE TABLE "d.t" (n INTEGER UNIQUE, m INTEGER NOT NULL)')
    tables = BigQueryTables(file, create_tables=False, skip_repeated=skip_repeated)
    data = [b'{"n": 1, "m": 1}', b'{"n": 1, "m": 2}', b'{"n": 2, "m": 3}']
    errors = tables.write(plan(), list(map(record, data)))
    assert [bool(error) for error in errors] == [False, rejected, False]
    assert [bool(error) for error in tables.write(plan(), [record(b'{"n": 3}')])] == [True]
    tables.close()
    assert select(file) == [{"n": 1, "m": 1}, {"n": 2, "m": 3}]
