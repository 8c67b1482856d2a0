"""The ledger: what the rows of the three topics mean, however often and in whatever order they come."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from console.errors import NothingRecorded, StackFailed
from console.ledger.ledger import Accounting, DeadJob, Failure, Ledger
from console.ledger.sqlite_views import Row
from tests.console.rows import dead_row, job_row, outcome_row


@contextmanager
def ledger_of(*rows: Row) -> Iterator[Ledger]:
    """Yield a ledger of its own, with rows in it."""
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger(Path(directory))
        ledger.create()
        ledger.record(rows)
        yield ledger


def test_what_the_commands_show_is_the_same_for_repeated_and_shuffled_rows() -> None:
    """The views give the same answer to all of them (test_views.py); what is asked besides has to as well."""
    rows = [
        *(job_row(name) for name in "abc"),
        *(outcome_row("a", second, attempt=second, reason="dns") for second in (1, 2)),
        outcome_row("a", 3, attempt=3),
        outcome_row("b", 4, attempt=5, reason="tls"),
        dead_row("b", 5),
    ]
    with ledger_of(*rows) as once, ledger_of(*reversed(rows), *rows) as often:
        assert often.repeated("run-1") == once.repeated("run-1")
        assert [each.reason for each in once.repeated("run-1")] == ["dns", "dns", "ok"]
        assert often.attempts("run-1", "b") == once.attempts("run-1", "b")
        assert often.failures("run-1") == once.failures("run-1")
        assert often.dead("run-1") == once.dead("run-1")


def test_reasons_of_0_1_are_shown_as_the_reasons_that_replaced_them(ledger: Ledger) -> None:
    """`scrapeq status`, the report and the page explain old rows by today's codes."""
    ledger.record(
        [job_row("a"), outcome_row("a", 1, attempt=1, reason="late"), outcome_row("a", 2, attempt=2)]
    )
    assert [each.reason for each in ledger.repeated("run-1")] == ["queued_too_long", "ok"]
    assert [each.reason for each in ledger.attempts("run-1", "a")] == ["queued_too_long", "ok"]
    assert [each.reason for each in ledger.failures("run-1")] == ["queued_too_long"]


def test_a_success_wins_over_a_dead_letter_before_and_after_it(ledger: Ledger) -> None:
    """Pub/Sub may dead-letter a job whose success it heard of too late: it has succeeded all the same."""
    ledger.record([job_row("a"), outcome_row("a", 5), dead_row("a", 4), dead_row("a", 6)])
    assert ledger.accounting("run-1") == Accounting(dispatched=1, succeeded=1)
    assert ledger.dead("run-1") == []


def test_the_newest_success_is_the_result(ledger: Ledger) -> None:
    """A job that succeeded twice is one result: what was scraped last."""
    ledger.record(
        [
            job_row("a"),
            outcome_row("a", 9, attempt=2, items=[{"price": 2}]),
            outcome_row("a", 3, attempt=1, items=[{"price": 1}]),
        ]
    )
    assert [(result.items, result.attempts) for result in ledger.results("run-1")] == [([{"price": 2}], 2)]


def test_a_replayed_dead_letter_is_in_flight_again(ledger: Ledger) -> None:
    """Publishing a dead job again takes it back into the run, until it ends again."""
    ledger.record([job_row("a"), dead_row("a", 5)])
    assert ledger.accounting("run-1") == Accounting(dispatched=1, dead=1)
    # When it is replayed
    ledger.record([job_row("a", 8)])
    # Then it is in flight, and dead once more when it fails once more
    assert ledger.accounting("run-1") == Accounting(dispatched=1, in_flight=1, retrying=1)
    ledger.record([dead_row("a", 20)])
    assert ledger.accounting("run-1") == Accounting(dispatched=1, dead=1)


def test_a_dead_letter_tells_its_last_reason(ledger: Ledger) -> None:
    """Pub/Sub adds no reason to a dead letter; the ledger has the outcome of the last attempt."""
    ledger.record(
        [
            job_row("a"),
            outcome_row("a", 2, attempt=2, reason="http_5xx", detail="the site answered 502"),
            outcome_row("a", 1, attempt=1, reason="dns"),
            dead_row("a", 3, deliveries=5),
        ]
    )
    url = "https://shop.example/a"
    assert ledger.dead("run-1") == [DeadJob("a", url, 5, "http_5xx", "the site answered 502")]


def test_a_dead_letter_that_no_worker_spoke_of_is_shown(ledger: Ledger) -> None:
    """A job whose every attempt ended without an outcome (a kill, no capacity) is still a dead letter."""
    ledger.record([job_row("a"), dead_row("a", 3, deliveries=7)])
    assert ledger.dead("run-1") == [DeadJob("a", "https://shop.example/a", 7, "", "")]


def test_failures_count_attempts_and_jobs(ledger: Ledger) -> None:
    """`scrapeq status` says how often each reason was met, over all attempts."""
    ledger.record(
        [
            job_row("a"),
            job_row("b"),
            outcome_row("a", 1, reason="timeout"),
            outcome_row("a", 2, reason="timeout"),
            outcome_row("b", 3, reason="timeout"),
            outcome_row("b", 4, reason="dns"),
            outcome_row("b", 5, reason="ok"),
        ]
    )
    assert ledger.failures("run-1") == [Failure("timeout", "retry", 3, 2), Failure("dns", "retry", 1, 1)]


def test_a_job_older_than_the_queue_keeps_messages_is_missing(ledger: Ledger) -> None:
    """What has no end and cannot be in the queue any more is not called in flight."""
    ledger.record([replace(job_row("a"), publish_time="2020-01-01T00:00:00.000000Z"), job_row("b")])
    accounting = ledger.accounting("run-1")
    assert accounting == Accounting(dispatched=2, in_flight=1, missing=1)
    assert not accounting.adds_up
    assert str(accounting).endswith("in_flight=1 missing=1")


def test_an_end_without_a_dispatch_does_not_add_up(ledger: Ledger) -> None:
    """A success of a job that the ledger has not (yet) seen dispatched is not swept under the carpet."""
    ledger.record([outcome_row("a", 1)])
    assert not ledger.accounting("run-1").adds_up


@pytest.mark.parametrize("data", [b"", b"\xff", b"[1]", b"{", b"[" * 100_000, b"null"])
def test_a_message_that_is_no_job_is_kept_by_its_attributes(ledger: Ledger, data: bytes) -> None:
    """A body that nobody can read still belongs to the job that its attributes name."""
    ledger.record([replace(job_row("a"), data=data), replace(dead_row("a", 3), data=data)])
    assert ledger.accounting("run-1") == Accounting(dispatched=1, dead=1)
    assert ledger.dead("run-1") == [DeadJob("a", "", 5, "", "")]


def test_values_that_sqlite_cannot_hold_do_not_stop_the_ledger(ledger: Ledger) -> None:
    """Half a surrogate pair, or a number beyond 64 bits, is legal JSON: it must not end the collection."""
    odd = b'{"job_id": "a", "run_id": "run-1", "url": "\\ud800", "version": 99999999999999999999}'
    ledger.record([replace(job_row("a"), data=odd)])
    assert ledger.accounting("run-1").dispatched == 1


def test_runs_are_listed_newest_first_and_the_latest_is_the_default(ledger: Ledger) -> None:
    """Without a run_id, a command speaks of the latest run."""
    ledger.record([job_row("a", 1, run="old"), job_row("b", 9, run="new"), job_row("c", 20, run="old")])
    assert ledger.runs() == ["new", "old"]
    assert ledger.choose_run(None) == "new"
    assert ledger.choose_run("old") == "old"


def test_an_unknown_run_is_answered_with_those_there_are(ledger: Ledger) -> None:
    """A misspelt run_id gets a sentence that holds the right one."""
    ledger.record([job_row("a", run="books-1")])
    with pytest.raises(NothingRecorded, match=r"There is no run book-1\. There is: books-1\."):
        ledger.choose_run("book-1")


def test_rows_are_written_all_or_none(ledger: Ledger) -> None:
    """A batch is acknowledged as a whole, so it has to be on disk as a whole."""
    unwritable = replace(job_row("b"), publish_time=object())  # type: ignore[arg-type] # what SQLite refuses
    with pytest.raises(sqlite3.Error):
        ledger.record([job_row("a"), unwritable])
    assert ledger.accounting() == Accounting()


def test_opening_a_ledger_again_keeps_its_rows(ledger: Ledger) -> None:
    """A restart makes tables and views where they are missing, and loses nothing."""
    ledger.record([job_row("a")])
    ledger.create()
    assert ledger.accounting("run-1").dispatched == 1


def test_a_ledger_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    """A file that somebody else put there is not taken for a bug of ours."""
    ledger = Ledger(tmp_path)
    ledger.path.parent.mkdir()
    ledger.path.write_text("My diary. Dear diary, today I was mistaken for a database." * 20)
    with pytest.raises(
        StackFailed, match=r"The ledger .*warehouse\.db cannot be made: file is not a database"
    ):
        ledger.create()
