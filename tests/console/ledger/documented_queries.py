"""Finds the BigQuery queries of the documentation, and the tables that a query reads without a bound."""

from collections.abc import Iterator
from typing import NamedTuple

import sqlglot
from sqlglot import exp

from console.ledger.sqlite_views import views
from tests.console.ledger.bigquery_functions import TABLES, bounded_views
from tests.repository.documented_commands import commands
from tests.repository.tree import ROOT


class DocumentedQuery(NamedTuple):
    """A `bq query` of a page.

    Attributes:
        page: path of the page.
        statement: the query.
        parameters: the types of its parameters by their names.
    """

    page: str
    statement: str
    parameters: dict[str, str]


def documented_queries() -> list[DocumentedQuery]:
    """Return all queries of the pages in docs/ and of the READMEs."""
    pages = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"), ROOT / "README.md"])
    return [
        DocumentedQuery(page.relative_to(ROOT).as_posix(), _statement(words), dict(_parameters(words)))
        for page in pages
        for words in commands(page.read_text(encoding="utf-8"))
        if words[:2] == ["bq", "query"]
    ]


def _statement(words: list[str]) -> str:
    (statement,) = (word for word in words if word.startswith(("SELECT", "WITH")))
    return statement


def _parameters(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the type of each `--parameter=name:type:value`."""
    for word in words:
        if word.startswith("--parameter="):
            name, type_, _ = word.removeprefix("--parameter=").split(":", 2)
            yield name, type_ or "STRING"  # bq's default


def unbounded(statement: str) -> list[str]:
    """Return the tables and views of which a query reads every partition.

    A table is bounded by a condition on `publish_time` in the same SELECT, and a view by its function.
    """
    query = sqlglot.parse_one(statement, dialect="bigquery")
    return [_name(table) for table in query.find_all(exp.Table) if not _is_bounded(table)]


def _name(table: exp.Table) -> str:
    return table.name.rpartition(".")[2]


def _is_bounded(table: exp.Table) -> bool:
    name = _name(table)
    if name in TABLES:
        select = table.find_ancestor(exp.Select)
        condition = select.args.get("where") if select else None
        comparisons = condition.find_all(exp.GT, exp.GTE) if condition else ()
        return any(
            isinstance(each.this, exp.Column) and each.this.name == "publish_time" for each in comparisons
        )
    return name not in bounded_views() if name in views() else True
