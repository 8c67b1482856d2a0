"""Defines counts that the console reads often, and for which the ledger in BigQuery has no view.

A statement for BigQuery contains the query of such a view in place of its name. In SQLite, the summary of the
ledger has them as tables (console/ledger/summary_counts.py), and otherwise they are temporary views.
"""

import sqlite3
from typing import Final

from console.ledger.sqlite_views import table, to_sqlite

COUNT_VIEWS: Final = {
    "attempt_seconds": """
        SELECT run_id, UNIX_SECONDS(ended_at) AS second, outcome, count(*) AS attempts
        FROM `${ledger}.attempts` GROUP BY run_id, second, outcome""",
    "host_states": """
        SELECT run_id, host, state, count(*) AS jobs FROM `${ledger}.job_state`
        GROUP BY run_id, host, state""",
    # The warnings of the pages that were scraped, and one of the pages.
    "page_warnings": """
        SELECT run_id, recipe, last_detail AS detail, count(*) AS jobs, min(url) AS url
        FROM `${ledger}.job_state` WHERE state = 'succeeded' AND last_detail <> ''
        GROUP BY run_id, recipe, last_detail""",
}


def inline_counts(query: str) -> str:
    """Return a query with the queries of these views in place of their names."""
    for name, counts in COUNT_VIEWS.items():
        query = query.replace(f"`${{ledger}}.{name}`", f"({counts})")
    return query


def make_count_views(connection: sqlite3.Connection) -> None:
    """Make the temporary views of a connection to a ledger that has no summary."""
    for name, query in COUNT_VIEWS.items():
        connection.execute(f"CREATE TEMP VIEW {table(name)} AS {to_sqlite(query)}")
