"""Tests of the ledger's queries, with rows that are repeated and in any order."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from console.errors import LedgerError, StackError
from console.ledger.dispatch_rows import whole
from console.ledger.ledger import Accounting, DeadJob, Failure, Ledger
from contract.dispatch_report import DispatchCounts, DispatchReport, ListedUrl
from tests.console.ledger.rows import Row, dead_letter_row, end_row, job_row, outcome_row, record, shard_row


@contextmanager
def ledger_of(*rows: Row) -> Iterator[Ledger]:
    """Yield a new ledger that contains `rows`."""
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger(Path(directory))
        ledger.create()
        record(ledger, rows)
        yield ledger


def test_queries_ignore_repeated_and_shuffled_rows() -> None:
    """Each query returns the same result if rows are repeated and in another order."""
    rows = [
        *(job_row(name) for name in "abc"),
        *(outcome_row("a", second, attempt=second, reason="dns") for second in (1, 2)),
        outcome_row("a", 3, attempt=3),
        outcome_row("b", 4, attempt=5, reason="tls"),
        dead_letter_row("b", 5),
    ]
    with ledger_of(*rows) as once, ledger_of(*reversed(rows), *rows) as repeated:
        assert repeated.retried_attempts("run-1") == once.retried_attempts("run-1")
        assert [each.reason for each in once.retried_attempts("run-1")] == ["dns", "dns", "ok"]
        assert repeated.attempts("run-1", "b") == once.attempts("run-1", "b")
        assert repeated.failures("run-1") == once.failures("run-1")
        assert repeated.dead_jobs("run-1") == once.dead_jobs("run-1")


def test_reasons_of_0_1_are_shown_as_the_reasons_that_replaced_them(ledger: Ledger) -> None:
    """Queries return today's reason code for a row with a reason code of version 0.1."""
    record(
        ledger,
        [job_row("a"), outcome_row("a", 1, attempt=1, reason="late"), outcome_row("a", 2, attempt=2)],
    )
    assert [each.reason for each in ledger.retried_attempts("run-1")] == ["queued_too_long", "ok"]
    assert [each.reason for each in ledger.attempts("run-1", "a")] == ["queued_too_long", "ok"]
    assert [each.reason for each in ledger.failures("run-1")] == ["queued_too_long"]


def test_success_wins_over_dead_letters_before_and_after_it(ledger: Ledger) -> None:
    """A job with a success and dead letters counts as succeeded: a dead letter may only mean a late ack."""
    record(ledger, [job_row("a"), outcome_row("a", 5), dead_letter_row("a", 4), dead_letter_row("a", 6)])
    assert ledger.accounting("run-1") == Accounting(dispatched=1, succeeded=1)
    assert ledger.dead_jobs("run-1") == []


def test_results_of_a_job_that_succeeded_twice_are_the_newest(ledger: Ledger) -> None:
    """A job that succeeded twice has one result: that of its newest outcome."""
    record(
        ledger,
        [
            job_row("a"),
            outcome_row("a", 9, attempt=2, items=[{"price": 2}]),
            outcome_row("a", 3, attempt=1, items=[{"price": 1}]),
        ],
    )
    assert [(result.items, result.attempts) for result in ledger.results("run-1")] == [([{"price": 2}], 2)]


def test_replayed_dead_letter_is_in_flight_again(ledger: Ledger) -> None:
    """A dead job that is published again counts as in flight until its next dead letter."""
    record(ledger, [job_row("a"), dead_letter_row("a", 5)])
    assert ledger.accounting("run-1") == Accounting(dispatched=1, dead=1, dead_infrastructure=1)
    # When it is replayed
    record(ledger, [job_row("a", 8)])
    # Then it is in flight, and it is dead again after its next dead letter
    assert ledger.accounting("run-1") == Accounting(dispatched=1, in_flight=1, retrying=1)
    record(ledger, [dead_letter_row("a", 20)])
    assert ledger.accounting("run-1") == Accounting(dispatched=1, dead=1, dead_infrastructure=1)


def test_dead_letter_has_the_reason_of_the_last_attempt(ledger: Ledger) -> None:
    """A dead job has the reason and detail of its last attempt's outcome, and the cause of its attempts."""
    record(
        ledger,
        [
            job_row("a"),
            outcome_row("a", 2, attempt=2, reason="http_5xx", detail="the site answered 502"),
            outcome_row("a", 1, attempt=1, reason="dns"),
            dead_letter_row("a", 3, deliveries=2),
        ],
    )
    url = "https://shop.example/a"
    assert ledger.dead_jobs("run-1") == [DeadJob("a", url, 2, "http_5xx", "the site answered 502", "page")]


def test_dead_letter_without_an_outcome_is_shown(ledger: Ledger) -> None:
    """A dead job without any outcome is listed with an empty reason, and was caused by the infrastructure."""
    record(ledger, [job_row("a"), dead_letter_row("a", 3, deliveries=7)])
    assert ledger.dead_jobs("run-1") == [DeadJob("a", "https://shop.example/a", 7, "", "", "infrastructure")]


def test_failures_count_attempts_and_jobs(ledger: Ledger) -> None:
    """For each reason, the query returns how many attempts and how many jobs had it."""
    record(
        ledger,
        [
            job_row("a"),
            job_row("b"),
            outcome_row("a", 1, reason="timeout"),
            outcome_row("a", 2, reason="timeout"),
            outcome_row("b", 3, reason="timeout"),
            outcome_row("b", 4, reason="dns"),
            outcome_row("b", 5, reason="ok"),
        ],
    )
    assert ledger.failures("run-1") == [Failure("timeout", "retry", 3, 2), Failure("dns", "retry", 1, 1)]


def test_job_older_than_the_message_retention_is_missing(ledger: Ledger) -> None:
    """A job that has not ended and is older than the message retention is missing, not in flight."""
    record(ledger, [replace(job_row("a"), publish_time="2020-01-01T00:00:00.000000Z"), job_row("b")])
    accounting = ledger.accounting("run-1")
    assert accounting == Accounting(dispatched=2, in_flight=1, missing=1)
    assert not accounting.adds_up
    assert str(accounting).endswith("in_flight=1 missing=1")


def test_success_without_a_dispatch_does_not_add_up(ledger: Ledger) -> None:
    """If the ledger has a job's success but not its dispatch, the accounting does not add up."""
    record(ledger, [outcome_row("a", 1)])
    assert not ledger.accounting("run-1").adds_up


@pytest.mark.parametrize("data", [b"", b"\xff", b"[1]", b"{", b"[" * 100_000, b"null"])
def test_undecodable_message_is_counted_by_its_attributes(ledger: Ledger, data: bytes) -> None:
    """A job and a dead letter with an undecodable body are counted for the job_id in their attributes."""
    record(ledger, [replace(job_row("a"), data=data), replace(dead_letter_row("a", 3), data=data)])
    assert ledger.accounting("run-1") == Accounting(dispatched=1, dead=1)
    assert ledger.dead_jobs("run-1") == [DeadJob("a", "", 5, "", "", "message")]


def test_runs_are_listed_newest_first_and_the_latest_is_the_default(ledger: Ledger) -> None:
    """Runs are sorted by the time of their first job, newest first; the first run is the default."""
    record(ledger, [job_row("a", 1, run="old"), job_row("b", 9, run="new"), job_row("c", 20, run="old")])
    assert ledger.runs() == ["new", "old"]
    assert ledger.resolve_run(None) == "new"
    assert ledger.resolve_run("old") == "old"


def test_unknown_run_raises_an_error_that_lists_the_runs(ledger: Ledger) -> None:
    """The error's message for an unknown run_id lists the runs that exist."""
    record(ledger, [job_row("a", run="books-1")])
    with pytest.raises(LedgerError, match=r"no run book-1\. Did you mean books-1\? The runs are: books-1\."):
        ledger.resolve_run("book-1")


def test_create_keeps_the_rows_of_an_existing_ledger(ledger: Ledger) -> None:
    """If the ledger exists, `create` keeps its rows."""
    record(ledger, [job_row("a")])
    ledger.create()
    assert ledger.accounting("run-1").dispatched == 1


def test_create_on_a_file_that_is_not_sqlite_raises_stack_error(tmp_path: Path) -> None:
    """If the ledger's file is not an SQLite file, `create` raises an error with the path and the reason."""
    ledger = Ledger(tmp_path)
    ledger.path.parent.mkdir()
    ledger.path.write_text("These notes are not a database; they only happen to have its name." * 20)
    with pytest.raises(
        StackError, match=r"The ledger .*warehouse\.db cannot be created or updated: file is not a database"
    ):
        ledger.create()


def test_ledger_of_version_0_1_is_read_with_the_views_of_this_version(tmp_path: Path) -> None:
    """A ledger that version 0.1 wrote gets the new columns and views at the first query, and keeps its rows.

    version_0_1.sql is `sqlite3.Connection.iterdump` of a ledger that 0.1 created, with rows that it wrote.
    """
    ledger = Ledger(tmp_path)
    ledger.path.parent.mkdir()
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.executescript(Path(__file__).with_name("version_0_1.sql").read_text(encoding="utf-8"))
    assert ledger.accounting() == Accounting(dispatched=2, succeeded=1, dead=1)
    assert [(result.url, result.items) for result in ledger.results("run-1")] == [
        ("https://shop.example/a", [{"title": "A"}])
    ]
    assert [each.reason for each in ledger.retried_attempts("run-1")] == ["queued_too_long", "ok"]
    assert ledger.dispatches("run-1") == []
    # New rows are written beside the old ones
    record(ledger, [end_row(1, 1, DispatchReport())])
    assert [each.is_complete for each in ledger.dispatches("run-1")] == [True]
    record(ledger, [job_row("c"), outcome_row("c", 1, page=1, listing="c", listing_end="last_page")])
    assert ledger.accounting().succeeded == 2


def test_accounting_names_the_dead_letters_by_infrastructure_if_there_are_any() -> None:
    """The line of the accounting has their number after the four counts, and otherwise ends with these."""
    line = "accounting: dispatched=3 succeeded=1 dead=2 in_flight=0"
    accounting = Accounting(dispatched=3, succeeded=1, dead=2)
    assert str(accounting) == line
    named = accounting._replace(dead_infrastructure=1)
    assert str(named) == f"{line} (1 of the dead by infrastructure)"
    assert named.adds_up


def test_dead_jobs_by_infrastructure_are_found_in_one_run_or_all(ledger: Ledger) -> None:
    """The ids are those of dead jobs whose page is not the cause, and that were not replayed since."""
    record(
        ledger,
        [
            *(job_row(name) for name in "abc"),
            *(dead_letter_row(name, 2) for name in "abc"),
            *(outcome_row("b", 1, attempt=attempt, reason="http_404") for attempt in range(1, 6)),
            job_row("c", 9),
            dead_letter_row("d", 2, run="run-2"),
        ],
    )
    assert ledger.infrastructure_dead_jobs("run-1") == {"a"}
    assert ledger.infrastructure_dead_jobs() == {"a", "d"}


def test_dispatches_of_a_run_have_what_their_requests_found(ledger: Ledger) -> None:
    """A dispatch has its state, its counts, and what was rejected; a run may have nothing else."""
    counts = DispatchCounts(found=9, published=7, rejected=2)
    rejected = (ListedUrl(url="nonsense", why="no host"),)
    record(
        ledger,
        [
            shard_row(2, 1, DispatchReport(counts=DispatchCounts(published=5)), dispatch="b"),
            end_row(3, 0, DispatchReport(counts=counts, rejected=rejected), dispatch="a"),
        ],
    )
    complete, continued = ledger.dispatches("run-1")
    assert (complete.is_complete, complete.requests, complete.report.published) == (True, 3, 7)
    assert (complete.report.rejected_count, complete.report.rejected[0].why) == (2, "no host")
    assert (continued.is_complete, continued.requests, continued.report.published) == (False, 1, 5)
    assert (continued.report.dispatch_id, continued.report.continues) == ("b", True)
    total = whole([complete, continued])
    assert (total.is_complete, total.requests, total.report.published) == (False, 4, 12)
    assert ledger.runs() == ["run-1"]
