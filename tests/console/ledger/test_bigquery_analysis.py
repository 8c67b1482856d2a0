"""Tests with ZetaSQL, Google's analyzer: of the views, of their functions and of the documented queries."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

import console.ledger
from console.ledger import (
    field_rows,
    host_rows,
    job_page,
    job_rows,
    run_overview,
    run_rows,
)
from console.ledger.bigquery_ledger import BigQueryLedger, parameter_type, statement
from console.ledger.count_views import inline_counts
from console.ledger.ledger import Ledger
from console.ledger.sqlite_views import schema, views
from console.stack.ports import free_port
from tests.console.ledger.bigquery_analyzer import (
    Analyzer,
    Columns,
    Rejected,
    installed_package,
    running_analyzer,
)
from tests.console.ledger.bigquery_functions import TABLES, bounded_views, function_body
from tests.console.ledger.console_queries import CONSOLE_QUERIES, EVERY_FILTER
from tests.console.ledger.documented_queries import DocumentedQuery, documented_queries, unbounded

DATASET = "scrapeq"
QUERIES = documented_queries()

documented = pytest.mark.parametrize(
    "query", QUERIES, ids=lambda query: f"{query.page}: {query.statement[:40]}"
)


@pytest.fixture(scope="module")
def analyzer() -> Iterator[Analyzer]:
    """An analyzer that knows the tables of the ledger."""
    with running_analyzer(installed_package(), free_port()) as running:
        running.add_json_keys()
        for table in TABLES:
            running.add_table(DATASET, table, {column["name"]: column["type"] for column in schema(table)})
        yield running


@pytest.fixture(scope="module")
def columns(analyzer: Analyzer) -> dict[str, Columns]:
    """The columns of each view, which the analyzer has accepted, and of each function."""
    found: dict[str, Columns] = {}
    waiting = views()
    while waiting:
        for name in [name for name, query in waiting.items() if not _reads(query, waiting)]:
            found[name] = analyzer.query(waiting.pop(name).replace("${ledger}", DATASET))
            analyzer.add_table(DATASET, name, found[name])
            if name in bounded_views():
                function = f"{name}_since"
                found[function] = analyzer.add_function(
                    DATASET, function, "since", function_body(name, DATASET)
                )
    return found


def _reads(query: str, names: dict[str, str]) -> bool:
    return any(f".{name}`" in query for name in names)


def test_google_accepts_every_view_and_its_function_has_its_columns(columns: dict[str, Columns]) -> None:
    """Google's analyzer accepts each view and each function, and both have the same columns and types."""
    assert columns.keys() == views().keys() | {f"{name}_since" for name in bounded_views()}
    for name in bounded_views():
        assert columns[f"{name}_since"] == columns[name]


@documented
def test_google_accepts_every_documented_query(
    analyzer: Analyzer, columns: dict[str, Columns], query: DocumentedQuery
) -> None:
    """Google's analyzer accepts each `bq query` of the documentation."""
    assert columns
    assert analyzer.query(query.statement, query.parameters)


#: The modules whose constants with names that end with QUERY are in this list.
QUERY_MODULES = [
    import_module(f"console.ledger.{module.name}") for module in iter_modules(console.ledger.__path__)
]


@pytest.mark.parametrize(("query", "parameters"), CONSOLE_QUERIES)
def test_google_accepts_the_queries_of_the_console(
    analyzer: Analyzer, columns: dict[str, Columns], query: str, parameters: list[str]
) -> None:
    """Google's analyzer accepts the queries which SQLite runs on a laptop, and their form with a bound."""
    assert columns
    named = {f"p{number}": type_ for number, type_ in enumerate(parameters)}
    numbers = itertools.count()
    text = inline_counts(query).replace("${ledger}", DATASET)
    unlimited = re.sub(r"\?", lambda _: f"@p{next(numbers)}", text)
    assert next(numbers) == len(parameters)
    assert analyzer.query(unlimited, named)
    bounded = statement(query, DATASET)
    assert unbounded(bounded) == []
    assert analyzer.query(bounded, {"since": "TIMESTAMP"} | named)


def test_every_query_of_the_console_is_analyzed() -> None:
    """The list has each query that is a constant of a module of the ledger."""
    constants = {
        (module.__name__, name): value.replace("{places}", "?, ?").replace("{{", "{").replace("}}", "}")
        for module in QUERY_MODULES
        for name, value in vars(module).items()
        if name.endswith("QUERY") and isinstance(value, str) and "${" in value  # others read the summary
    }
    known = {query for query, _ in CONSOLE_QUERIES}
    assert {place for place, query in constants.items() if query not in known} == set()
    assert len(constants) > 30


class CollectingLedger(BigQueryLedger):
    """A ledger in BigQuery that collects its statements with their parameters, and has no rows."""

    def stream(self, query: str, *values: object) -> Iterator[Any]:
        """Collect a query."""
        types = {f"p{number}": parameter_type(value) for number, value in enumerate(values)}
        self.client.append((statement(query, DATASET), {"since": "TIMESTAMP"} | types))
        yield from ()


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (Ledger.accounting, ["run"]),
        (Ledger.runs, []),
        (Ledger.dispatches, ["run"]),
        (Ledger.recorded_jobs, ["run"]),
        (Ledger.results, ["run"]),
        (Ledger.listings, ["run"]),
        (Ledger.failures, ["run"]),
        (Ledger.dead_jobs, ["run"]),
        (Ledger.infrastructure_dead_jobs, ["run"]),
        (Ledger.retried_attempts, ["run"]),
        (Ledger.attempts, ["run", "job"]),
        (job_rows.find_jobs, ["https://shop.example/"]),
        (job_rows.retrying_jobs, ["run", 20]),
        (job_page.job_page, [EVERY_FILTER, job_page.Cursor(job_page.BEGINNING, "")]),
        (job_page.job_groups, [EVERY_FILTER]),
        (field_rows.field_rows, ["run", "before"]),
        (host_rows.host_rows, ["run"]),
        (run_overview.queue_summary, []),
        (run_overview.throughput, [datetime.now(UTC), 10]),
        (run_rows.run_summaries, [20]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_google_accepts_what_the_ledger_in_bigquery_sends(
    analyzer: Analyzer, columns: dict[str, Columns], call: Callable[..., Any], arguments: list[object]
) -> None:
    """Google's analyzer accepts each statement of the ledger in BigQuery, with its bound and its types."""
    assert columns
    ledger = CollectingLedger(Path(), DATASET, [])
    with suppress(ValueError, IndexError):  # of a sum without a row
        list(call(ledger, *arguments) or ())
    assert ledger.client
    for sql, types in ledger.client:
        assert unbounded(sql) == []
        assert analyzer.query(sql, types)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT SAFE_CAST(job_id AS INTEGER) FROM scrapeq.outcomes",
        "SELECT jobid FROM scrapeq.outcomes",
        "SELECT json_extract_path(attributes) FROM scrapeq.outcomes",
        "SELECT * FROM scrapeq.results_since(1)",
    ],
)
def test_invalid_query_is_rejected_with_its_place(
    analyzer: Analyzer, columns: dict[str, Columns], statement: str
) -> None:
    """A type, a column, a function or an argument that does not exist is rejected, with the place."""
    assert columns
    with pytest.raises(Rejected, match=r"at 1:\d+"):
        analyzer.query(statement)


@pytest.mark.parametrize("view", bounded_views())
def test_function_of_a_view_bounds_every_table(view: str) -> None:
    """The function of a view reads no table without the bound, and no other view without its function."""
    assert unbounded(function_body(view, DATASET)) == []


def test_renamed_reasons_is_the_only_view_without_a_function() -> None:
    """Only the view that reads no table has no function."""
    assert set(views()) - set(bounded_views()) == {"renamed_reasons"}


@documented
def test_documented_query_reads_only_the_partitions_that_it_needs(query: DocumentedQuery) -> None:
    """Each documented query has a bound on the partitions of every table that it reads."""
    assert unbounded(query.statement) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT * FROM scrapeq.run_accounting WHERE run_id = 'a'", ["run_accounting"]),
        ("SELECT * FROM `p.scrapeq.jobs` WHERE message_id > 'a'", ["jobs"]),
        (
            "SELECT 1 FROM scrapeq.jobs JOIN (SELECT 1 FROM scrapeq.outcomes WHERE publish_time > '2026')",
            ["jobs"],
        ),
        ("SELECT 1 FROM scrapeq.outcomes WHERE run_id = 'a' AND publish_time > '2026-11-22'", []),
        ("SELECT * FROM scrapeq.results_since('2026-11-22')", []),
    ],
)
def test_unbounded_query_is_found(statement: str, found: list[str]) -> None:
    """The search for unbounded queries finds a view, and a table whose condition is on another column."""
    assert unbounded(statement) == found


def test_documentation_has_queries() -> None:
    """The search for documented queries finds those of the ledger's page and of the runbook."""
    assert {query.page for query in QUERIES} >= {"docs/reference/ledger.md", "docs/how-to/runbook.md"}
