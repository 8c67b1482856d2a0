"""Tests of the ledger's tables: their schemas, and rows that localpubsub writes into them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import localpubsub
from console.ledger.sqlite_views import create, schema, table, views
from console.stack.pubsub_setup import prepare_topology, publisher_client, topic_path
from console.stack.services import DeliveryPolicy
from contract.outcome import MAX_DETAIL_CHARACTERS
from contract.outcome_record import OutcomeRecord
from contract.topology import LEDGER_TABLES, OUTCOMES_TOPIC
from tests.contract.documents import OUTCOME
from tests.servers.waiting import wait_until

#: Columns that a BigQuery subscription with write_metadata needs: https://cloud.google.com/pubsub/docs/bigquery#write-metadata
METADATA = {
    "subscription_name": "STRING",
    "message_id": "STRING",
    "publish_time": "TIMESTAMP",
    "attributes": "JSON",
}
#: Maps the JSON type of a field to the types of the columns into which use_table_schema can write the field.
COLUMN_TYPES = {
    "integer": {"INTEGER"},
    "number": {"FLOAT"},
    "string": {"STRING", "JSON", "TIMESTAMP"},
}


@pytest.mark.parametrize("name", LEDGER_TABLES.values())
def test_every_table_has_the_metadata_columns_and_no_required_column(name: str) -> None:
    """Every table has the four columns of write_metadata; every column is nullable and has a description."""
    columns = schema(name)
    assert {column["name"]: column["type"] for column in columns}.items() >= METADATA.items()
    assert all(column["mode"] == "NULLABLE" and column["description"] for column in columns)


@pytest.mark.parametrize("name", ["jobs", "dead_letters", "dispatches"])
def test_messages_other_than_outcomes_are_kept_as_bytes(name: str) -> None:
    """The tables of jobs, dead letters and dispatches have one column for the body, `data`, of type BYTES."""
    assert {column["name"]: column["type"] for column in schema(name)} == {"data": "BYTES", **METADATA}


def test_outcomes_have_a_column_for_each_field() -> None:
    """The columns of the outcomes table are the fields of an outcome, with types that fit."""
    columns = {
        column["name"]: column["type"] for column in schema("outcomes") if column["name"] not in METADATA
    }
    described = OutcomeRecord.model_json_schema(mode="serialization")
    fields = {name: field.get("type", "string") for name, field in described["properties"].items()}
    assert columns.keys() == fields.keys()
    assert [name for name, type_ in columns.items() if type_ not in COLUMN_TYPES[fields[name]]] == []


def test_create_adds_missing_columns_to_an_existing_file(tmp_path: Path) -> None:
    """`create` adds missing columns to an existing file and keeps its rows."""
    path = tmp_path / "warehouse.db"
    create(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        for view in views():
            connection.execute(f"DROP VIEW {table(view)}")
        connection.execute(f"ALTER TABLE {table('outcomes')} DROP COLUMN detail")
        connection.execute(f"INSERT INTO {table('outcomes')} (job_id) VALUES ('a')")  # noqa: S608 - a constant
    create(path)
    with closing(sqlite3.connect(path)) as connection:
        query = f"SELECT job_id, detail FROM {table('outcomes')}"  # noqa: S608 - a constant
        assert connection.execute(query).fetchall() == [("a", None)]


def test_every_encodable_outcome_is_written(tmp_path: Path) -> None:
    """An outcome with extreme values is written by a subscription with use_table_schema."""
    odd = OutcomeRecord.model_validate(
        OUTCOME
        | {
            "detail": "\ud800\x00ü" * (MAX_DETAIL_CHARACTERS // 3),
            "items": "[" + "[" * 100 + "]" * 100 + ", 1e300, 123456789012345678901234567890, null]",
            "fetched_at": "2026-11-22T07:00:04.5+01:00",
            "attempt": 2**63 - 1,
            "total_seconds": 1e-9,
        }
    )
    path = tmp_path / "warehouse.db"
    create(path)
    with localpubsub.running(data=tmp_path) as server:
        prepare_topology(server.host, "http://127.0.0.1:9/", DeliveryPolicy())
        with publisher_client(server.host) as publisher:
            publisher.publish(topic_path(OUTCOMES_TOPIC), odd.encode()).result(timeout=120)
        query = f"SELECT fetched_at, items, attempt FROM {table('outcomes')}"  # noqa: S608 - a constant
        with closing(sqlite3.connect(path)) as connection:
            wait_until(lambda: connection.execute(query).fetchall() != [])
            (row,) = connection.execute(query).fetchall()
    assert row == ("2026-11-22T06:00:04.500000Z", odd.items, 2**63 - 1)
