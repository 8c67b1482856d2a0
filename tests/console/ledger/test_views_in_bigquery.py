"""Tests of the views' SQL for BigQuery, which sqlglot checks, and of the views' columns in SQLite."""

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from console.ledger.sqlite_views import SQLITE_EXPRESSIONS, schema, table, to_sqlite, views
from contract.topology import LEDGER_TABLES
from tests.console.ledger.rows import database_with
from tests.repository.tree import ROOT

VIEWS = [
    "renamed_reasons",
    "job_times",
    "dead_causes",
    "job_state",
    "run_accounting",
    "recorded_jobs",
    "dispatch_state",
    "run_dispatches",
    "run_crawls",
    "job_messages",
    "failures",
    "attempts",
    "results",
    "fields",
    "field_examples",
    "listings",
]  # in an order in which each view comes after the views that it reads


@pytest.fixture(scope="module")
def read_by_bigquery() -> dict[str, exp.Query]:
    """Return the parsed query of each view; each column in it has its table and its type."""
    dataset = {
        name: {column["name"]: column["type"] for column in schema(name)} for name in LEDGER_TABLES.values()
    }
    found = {}
    for name in VIEWS:
        query = sqlglot.parse_one(views()[name].replace("${ledger}", "project.dataset"), dialect="bigquery")
        known: dict[str, object] = {"project": {"dataset": dataset}}
        # Raises an error if a column or a table does not exist.
        qualified = qualify(query, schema=known, dialect="bigquery")
        typed = annotate_types(qualified, schema=known, dialect="bigquery")
        assert isinstance(typed, exp.Query)
        dataset[name] = {column.alias_or_name: _type(column).sql("bigquery") for column in typed.selects}
        found[name] = typed
    return found


def _type(column: exp.Expr) -> exp.DataType:
    assert column.type
    return column.type


def test_every_view_is_tested() -> None:
    """VIEWS contains each SQL file of the ledger."""
    assert set(views()) == set(VIEWS)


@pytest.mark.parametrize("name", VIEWS)
def test_view_uses_only_functions_of_bigquery(read_by_bigquery: dict[str, exp.Query], name: str) -> None:
    """Every function in a view is a function that sqlglot supports for BigQuery."""
    unknown = [function.sql() for function in read_by_bigquery[name].find_all(exp.Anonymous)]
    assert unknown == []


@pytest.mark.parametrize("name", VIEWS)
def test_arms_of_a_union_have_the_same_types(read_by_bigquery: dict[str, exp.Query], name: str) -> None:
    """The columns that a UNION combines have one type or are NULL, because BigQuery requires this."""
    for union in read_by_bigquery[name].find_all(exp.Union):
        for columns in zip(*(arm.selects for arm in _arms(union)), strict=True):
            types = {_family(column) for column in columns if not isinstance(column.unalias(), exp.Null)}
            assert len(types) <= 1, [column.sql() for column in columns]


def _arms(query: exp.Query) -> list[exp.Query]:
    return [*_arms(query.left), *_arms(query.right)] if isinstance(query, exp.Union) else [query]


def _family(column: exp.Expr) -> str:
    integers, texts = {"INT", "BIGINT", "SMALLINT"}, {"TEXT", "VARCHAR"}
    name = str(_type(column).this.value)
    return "INT64" if name in integers else "STRING" if name in texts else name


@pytest.mark.parametrize("name", VIEWS)
def test_view_has_the_same_columns_in_sqlite(read_by_bigquery: dict[str, exp.Query], name: str) -> None:
    """A view has the same columns, in the same order, in SQLite and in BigQuery."""
    with database_with([]) as connection:
        description = connection.execute(f"SELECT * FROM {table(name)}").description  # noqa: S608 - a constant
    assert [column for column, *_ in description] == read_by_bigquery[name].named_selects


def test_every_sqlite_replacement_is_needed() -> None:
    """Every BigQuery expression that is replaced for SQLite occurs in a view or in a query of the console."""
    modules = [path for path in (ROOT / "console/ledger").glob("*.py") if path.name != "sqlite_views.py"]
    text = "".join([*views().values(), *(path.read_text("utf-8") for path in modules)])
    assert [bigquery for bigquery in SQLITE_EXPRESSIONS if bigquery not in text] == []
    assert "JSON_VALUE" not in to_sqlite("".join(views().values()))
