"""The functions that BigQuery has beside the views, executed on SQLite."""

import re
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.ledger.sqlite_views import to_sqlite
from tests.console.ledger.bigquery_functions import bounded_views, function_body
from tests.console.ledger.job_histories import ROWS
from tests.console.ledger.rows import Row, database_with, query_view

TIMES = sorted({row.publish_time for row in ROWS})


def call(connection: sqlite3.Connection, view: str, since: str) -> list[dict[str, object]]:
    """Return all rows of a view's function, sorted by their text."""
    # SQLite has no table functions, so those that the function calls are inlined.
    query = to_sqlite(_inlined(view)).replace(">= since", ">= :since")
    return sorted((dict(row) for row in connection.execute(query, {"since": since})), key=repr)


def _inlined(view: str) -> str:
    called = re.compile(r"`\$\{ledger\}\.(\w+)_since`\(since\)")
    return called.sub(lambda found: f"({_inlined(found[1])})", function_body(view, "${ledger}"))


@pytest.mark.parametrize("view", bounded_views())
def test_function_of_a_view_since_the_beginning_is_the_view(view: str) -> None:
    """Since a time before all rows, the function of a view has the rows of the view."""
    with database_with(ROWS) as connection:
        assert call(connection, view, TIMES[0]) == query_view(connection, view)


@given(since=st.sampled_from(TIMES))
@settings(max_examples=10, deadline=None)
def test_function_of_a_view_shows_what_the_view_would_of_newer_rows(since: str) -> None:
    """The function of a view has the rows that the view would have if the ledger began at that time."""
    newer: list[Row] = [row for row in ROWS if row.publish_time >= since]
    with database_with(ROWS) as all_rows, database_with(newer) as newer_rows:
        for view in bounded_views():
            assert call(all_rows, view, since) == query_view(newer_rows, view), view
