"""Calculates how many bytes of the ledger's tables BigQuery reads for each view."""

from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from console.ledger.sqlite_views import schema, views
from console.money.model import Sizes
from contract.topology import LEDGER_TABLES

DATASET = "ledger"


def view_bytes(view: str, sizes: Sizes) -> float:
    """Return the bytes that a query of the view reads per page: each column that it needs, once.

    Rows of dead letters and dispatches do not count, because a run that succeeds has few. A query that
    selects fewer columns of the view may read less.
    """
    columns = {"jobs": sizes.job_columns, "outcomes": sizes.outcome_columns}
    return sum(columns.get(table, {}).get(column, 0) for table, column in columns_read(view))


@cache
def columns_read(view: str) -> frozenset[tuple[str, str]]:
    """Return the columns of tables that a view reads, itself or through other views, as (table, column)."""
    return frozenset().union(
        *(
            {source} if source[0] in LEDGER_TABLES.values() else columns_read(source[0])
            for source in _sources(view)
        )
    )


@cache
def _sources(view: str) -> frozenset[tuple[str, str]]:
    """Return the columns that the view's own text names, as (table or view, column)."""
    found: set[tuple[str, str]] = set()
    for scope in traverse_scope(_qualified(view)):
        for column in scope.columns:
            source = scope.sources.get(column.table)
            if isinstance(source, exp.Table):
                found.add((source.name, column.name))
    return frozenset(found)


@cache
def _qualified(view: str) -> exp.Query:
    text = views()[view].replace("${ledger}.", f"{DATASET}.")
    query = sqlglot.parse_one(text.replace("`", ""), dialect="bigquery")
    known = {name: _columns(name) for name in _read(query)}
    qualified = qualify(query, schema={DATASET: known} if known else None, dialect="bigquery")
    assert isinstance(qualified, exp.Query)
    return qualified


def _read(query: exp.Expr) -> set[str]:
    return {table.name for table in query.find_all(exp.Table) if table.db == DATASET}


def _columns(name: str) -> dict[str, str]:
    if name in LEDGER_TABLES.values():
        return {column["name"]: column["type"] for column in schema(name)}
    return dict.fromkeys(_qualified(name).named_selects, "STRING")
