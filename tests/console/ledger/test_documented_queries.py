"""The documented queries of the ledger's page, executed on SQLite."""

import re
import sqlite3

import pytest

from contract.dispatch_report import DispatchReport
from tests.console.ledger.documented_queries import DocumentedQuery, documented_queries
from tests.console.ledger.rows import (
    Row,
    database_with,
    dead_letter_row,
    job_row,
    outcome_row,
    shard_row,
)

QUERIES = [query for query in documented_queries() if query.page == "docs/reference/ledger.md"]
LISTING, RUN = "a" * 32, "books-1"
SOON = 1800  #: seconds after START, which is an hour ago, so that a query of the last hour finds the rows
#: A run with a successful job, a dead one, and a listing whose second page is dead; its dispatch continues.
ROWS: list[Row] = [
    job_row("good", SOON, run=RUN),
    outcome_row("good", SOON + 1, run=RUN, items=[{"title": "Faust"}]),
    job_row("bad", SOON, run=RUN),
    outcome_row("bad", SOON + 1, run=RUN, reason="http_5xx"),
    dead_letter_row("bad", SOON + 2, run=RUN, published=SOON),
    job_row(LISTING, SOON, run=RUN),
    outcome_row(LISTING, SOON + 1, run=RUN, listing=LISTING, page=1, next_url="https://shop.example/2"),
    job_row("second", SOON + 1, run=RUN, listing=LISTING, page=2),
    dead_letter_row("second", SOON + 3, run=RUN, published=SOON + 1, listing=LISTING, page=2),
    shard_row(2, SOON + 1, DispatchReport(), run=RUN),
]


def in_sqlite(statement: str) -> str:
    """Translate a documented query: the functions become the views, which have no bound in SQLite."""
    now = "TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL"
    statement = re.sub(rf"scrapeq\.(\w+)_since\({re.escape(now)} \d+ DAY\)\)", r'"scrapeq.\1"', statement)
    bound = r"strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-\1 \2')"
    statement = re.sub(rf"{re.escape(now)} (\d+) (DAY|HOUR)\)", bound, statement)
    return re.sub(r"scrapeq\.(\w+)(?!\")\b", r'"scrapeq.\1"', statement).replace("@run", ":run")


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.statement[:50])
def test_documented_query_finds_what_it_is_for(query: DocumentedQuery) -> None:
    """Each query of the ledger's page finds rows of a run that has everything that the queries are about."""
    with database_with(ROWS) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(in_sqlite(query.statement), {"run": RUN}).fetchall()
    assert found
    assert {row["run_id"] for row in found if "run_id" in row.keys()} <= {RUN}  # noqa: SIM118 - a Row iterates its values
