"""Tests that the summary of the ledger, from which the console reads, shows what the views show."""

import random
import re
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.ledger import summary_jobs, summary_update
from console.ledger.count_views import COUNT_VIEWS, make_count_views
from console.ledger.field_rows import field_rows
from console.ledger.host_rows import host_rows
from console.ledger.job_page import Cursor, JobFilter, job_groups, job_page
from console.ledger.job_rows import find_jobs, job_events, job_items, retrying_jobs
from console.ledger.ledger import SUMMARY_FILE, Accounting, Ledger
from console.ledger.run_overview import queue_summary, run_overview, throughput
from console.ledger.sqlite_views import table, views
from contract.dispatch_report import DispatchCounts, DispatchReport
from tests.console.ledger.job_histories import ROWS
from tests.console.ledger.rows import (
    Row,
    dead_letter_row,
    end_row,
    job_row,
    outcome_row,
    record,
    repeated_and_shuffled,
)

ITEMS: list[list[dict[str, object]]] = [
    [{"title": "A", "price": None}],
    [{"title": "", "price": 1.5}, {"title": "B", "price": [], "é": True}],
    [{"title": {"nested": "x"}, "price": 'quote " and \\'}],
]
#: Rows of all kinds: those of the histories, of a second run, items, a dispatch, and a message without a run.
ALL_ROWS: list[Row] = [
    *ROWS,
    *(outcome_row("recovered", 20 + number, items=items) for number, items in enumerate(ITEMS)),
    *(outcome_row(f"item-{number}", 9, run="run-2", items=items) for number, items in enumerate(ITEMS)),
    *(job_row(f"item-{number}", number, run="run-2", request="r") for number in range(4)),
    job_row("item-1", 8, run="run-2", request="other"),
    outcome_row("item-3", 9, run="run-2", reason="late", http_status=503),
    dead_letter_row("item-3", 10, run="run-2", published=3),
    end_row(1, 11, DispatchReport(counts=DispatchCounts(published=4)), run="run-2"),
]
#: Views whose rows the summary may choose: any examples of a field will do.
CHOSEN = {"field_examples"}


def without_ids(row: Row) -> Row:
    """Return a row of a message that has no attributes."""
    return Row(row.topic, row.subscription_name, row.message_id, row.publish_time, {}, b"\xff")


def view_rows(ledger: Ledger, view: str) -> list[Any]:
    """Return the rows of a view as the ledger itself has them, sorted by their text."""
    with closing(sqlite3.connect(ledger.path)) as connection:
        make_count_views(connection)
        cursor = connection.execute(f"SELECT * FROM {table(view)}")  # noqa: S608 - the name of a view
        names = [column for column, *_ in cursor.description]
        return sorted((dict(zip(names, row, strict=True)) for row in cursor), key=repr)


def summary_rows(ledger: Ledger, view: str) -> list[Any]:
    """Return the same columns of the rows that the console reads."""
    with closing(sqlite3.connect(ledger.path)) as connection:
        make_count_views(connection)
        names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table(view)})")]
    rows = ledger.rows(f"SELECT {', '.join(names)} FROM `${{ledger}}.{view}`")  # noqa: S608 - names of columns
    return sorted((dict(zip(names, row, strict=True)) for row in rows), key=repr)


def check(ledger: Ledger) -> None:
    """Check that the console reads what the views show."""
    for view in (views() | COUNT_VIEWS).keys() - CHOSEN:
        assert summary_rows(ledger, view) == view_rows(ledger, view), view
    groups = ("run_id", "recipe", "field", "is_filled")
    found, expected = (
        {tuple(row[name] for name in groups) for row in rows}
        for rows in (summary_rows(ledger, "field_examples"), view_rows(ledger, "field_examples"))
    )
    assert found <= expected


@pytest.fixture(autouse=True)
def _small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary_update, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(summary_jobs, "JOBS_AT_ONCE", 5)


@given(shuffler=st.randoms(use_true_random=False), data=st.data())
@settings(max_examples=20, deadline=None)
def test_summary_shows_what_the_views_show(shuffler: random.Random, data: st.DataObject) -> None:
    """Whatever the order of the rows and however often each is repeated, summary and views are the same."""
    rows = [*ALL_ROWS, without_ids(job_row("x", 1)), without_ids(dead_letter_row("x", 2))]
    rows = repeated_and_shuffled(rows, shuffler, data)
    parts = data.draw(st.integers(1, 4))
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger(Path(directory))
        ledger.create()
        for part in range(parts):
            record(ledger, rows[part::parts])
            ledger.accounting()
        check(ledger)


def test_each_new_row_is_shown(ledger: Ledger) -> None:
    """After each row, in the order in which rows are usually written, summary and views are the same."""
    for row in sorted(ALL_ROWS, key=lambda each: each.publish_time)[::3]:
        record(ledger, [row])
        check(ledger)


def test_queries_of_a_snapshot_see_one_moment(ledger: Ledger) -> None:
    """Inside a snapshot, no query sees rows that are recorded meanwhile; afterwards all of them are seen."""
    record(ledger, [job_row("a")])
    with ledger.snapshot():
        assert ledger.accounting().dispatched == 1
        record(ledger, [job_row("b"), outcome_row("a", 1)])
        assert ledger.accounting().dispatched == 1
        assert list(ledger.results("run-1")) == []
    assert (ledger.accounting().dispatched, ledger.accounting().succeeded) == (2, 1)


def test_deleted_summary_is_made_again(ledger: Ledger) -> None:
    """The summary of a ledger that is older than the summary, or whose summary was deleted, is made again."""
    record(ledger, ALL_ROWS)
    before = ledger.accounting()
    for file in ledger.data.glob(f"{SUMMARY_FILE}*"):
        file.unlink()
    assert ledger.accounting() == before
    check(ledger)


def test_summary_of_another_ledger_is_made_again(ledger: Ledger) -> None:
    """If the file of the ledger was replaced, nothing of the old one is shown."""
    record(ledger, ALL_ROWS)
    assert ledger.accounting().dispatched > 1
    for file in ledger.path.parent.glob("warehouse.db*"):
        file.unlink()
    ledger.create()
    assert ledger.accounting() == Accounting()
    record(ledger, [job_row("only")])
    assert ledger.accounting() == Accounting(dispatched=1, in_flight=1)
    check(ledger)


def test_interrupted_update_is_continued(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that ends between two transactions is continued by the next one."""
    record(ledger, ALL_ROWS)

    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(summary_update, "derive_jobs", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ledger.accounting()
    check(ledger)


def test_ledger_is_read_without_a_summary_if_it_cannot_be_written(ledger: Ledger) -> None:
    """If the file of the summary cannot be opened, the views of the ledger answer the queries."""
    record(ledger, ALL_ROWS)
    (ledger.data / SUMMARY_FILE).mkdir()
    check(ledger)


def test_damaged_summary_is_made_again(ledger: Ledger) -> None:
    """If the file of the summary is damaged, it is made again from the ledger."""
    record(ledger, ALL_ROWS)
    (ledger.data / SUMMARY_FILE).write_bytes(b"no database " * 1000)
    check(ledger)
    with closing(sqlite3.connect(ledger.data / SUMMARY_FILE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_queries_of_the_desk_scan_no_table_of_jobs_or_attempts(ledger: Ledger) -> None:
    """Each query of the screens finds the rows of a run by an index, so that other runs cost nothing."""
    record(ledger, ALL_ROWS)
    plans = list[str]()

    class Explained(Ledger):
        def rows(self, query: str, *values: object) -> list[Any]:
            steps = super().rows(f"EXPLAIN QUERY PLAN {query}", *values)
            plans.extend(step for *_, step in steps)
            return super().rows(query, *values)

    explained = Explained(ledger.data)
    filters = [JobFilter("run-1", state="dead"), JobFilter("run-1", reason="dns"), JobFilter(state="dead")]
    filters += [JobFilter("run-1", host="shop.example"), JobFilter("run-1", text="x"), JobFilter("run-1")]
    for selected in filters:
        job_page(explained, selected, Cursor("2026-01-01T00:00:00.000000Z", ""))
        job_groups(explained, selected)
    run_overview(explained, "run-1")
    queue_summary(explained)
    host_rows(explained, "run-1")
    field_rows(explained, "run-1", "run-2")
    throughput(explained, datetime.now(UTC) - timedelta(minutes=10), 10)
    retrying_jobs(explained, "run-1", 20)
    [found] = find_jobs(explained, "revived", "run-1")
    job_events(explained, found)
    job_items(explained, found)
    explained.accounting("run-1")
    whole = re.compile(
        r"SCAN scrapeq\.(job_state|attempts|outcomes|jobs|dead_letters)(?! USING .*INDEX job_dead)"
    )
    assert [step for step in plans if whole.match(step)] == []
    assert any("USING INDEX job_by_reason" in step for step in plans)
