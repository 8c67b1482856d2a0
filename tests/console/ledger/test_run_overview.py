"""Tests of the queries about the state of a run, its hosts, its fields and pages of its jobs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from console.ledger.field_rows import Complaint, field_rows, previous_run
from console.ledger.host_rows import host_rows
from console.ledger.job_page import JobFilter, job_groups, job_page
from console.ledger.ledger import Ledger
from console.ledger.run_overview import queue_summary, run_overview, seconds_left, throughput
from tests.console.ledger.rows import (
    START,
    Row,
    dead_letter_row,
    job_row,
    outcome_row,
    publish_time,
    record,
)


def on_host(row: Row, host: str) -> Row:
    """Return a row whose job is of a host."""
    return replace(row, attributes={**row.attributes, "host": host, "crawl": "books"})


def deferred(row: Row, until: float) -> Row:
    """Return a job that is not to be attempted before `until` seconds after START."""
    data = row.data.replace(b'"version"', b'"not_before": "' + publish_time(until).encode() + b'", "version"')
    return replace(row, data=data)


@pytest.fixture
def recorded(ledger: Ledger) -> Ledger:
    """A ledger of one run: two jobs have succeeded, one is dead, one is deferred, one is queued."""
    items: list[dict[str, object]] = [{"title": "A", "price": None, "tags": []}]
    warning = "price: null in 1 of 1, because nothing matches .price"
    rows = [on_host(job_row(name, number), "a.example") for number, name in enumerate("abc")]
    rows += [on_host(job_row("d", 3), "b.example"), on_host(job_row("e", 4), "b.example")]
    rows += [
        on_host(outcome_row("a", 10, items=items, detail=warning), "a.example"),
        on_host(outcome_row("b", 20, items=[{"title": "B", "price": 2.5, "tags": ["x"]}]), "a.example"),
        on_host(outcome_row("c", 21, attempt=2, reason="http_5xx"), "a.example"),
        on_host(dead_letter_row("c", 22, deliveries=4), "a.example"),
        on_host(outcome_row("d", 30, reason="http_429"), "b.example"),
        deferred(on_host(job_row("d", 31), "b.example"), 500),
    ]
    record(ledger, rows)
    return ledger


def at(second: float) -> datetime:
    """Return the time that is `second` seconds after START."""
    return START + timedelta(seconds=second)


def test_overview_of_a_run_has_its_rates_and_the_time_left(recorded: Ledger) -> None:
    """The rates count successes of the last minute, and ended jobs for each minute since the dispatch."""
    overview = run_overview(recorded, "run-1", at(75))
    assert overview.accounting.dispatched == 5
    assert (overview.started_at, overview.ended_at) == (publish_time(0), publish_time(30))
    assert overview.per_minute == 1
    assert overview.mean_per_minute == pytest.approx(6)
    assert overview.seconds_left == pytest.approx(120)
    assert overview.unrecorded_attempts == 3


def test_time_left_is_unknown_without_a_rate() -> None:
    """If no job has ended, the time left is unknown; if none is in flight, it is 0."""
    assert seconds_left(5, 0, 0) is None
    assert seconds_left(0, 0, 0) == 0
    assert seconds_left(5, 0, 10) == 30


def test_hosts_have_their_jobs_failures_and_the_end_of_their_blockade(recorded: Ledger) -> None:
    """Each host has the numbers of its jobs and of its failed attempts, and the time until it is blocked."""
    b, a = host_rows(recorded, "run-1", now=at(60))
    assert (b.host, b.jobs, b.waiting, b.http_4xx, b.per_minute) == ("b.example", 2, 2, 1, 1)
    assert b.blocked_until == publish_time(500)
    assert (a.host, a.jobs, a.succeeded, a.dead, a.http_5xx) == ("a.example", 3, 2, 1, 1)
    assert (a.per_minute, a.blocked_until) == (3, "")
    assert [row.blocked_until for row in host_rows(recorded, "run-1", now=at(501))] == ["", ""]


def test_fields_have_their_fill_rate_examples_and_complaints(recorded: Ledger) -> None:
    """A field is filled if its value is not null, an empty text or an empty array."""
    rows = {row.field: row for row in field_rows(recorded, "run-1")}
    assert {name: (row.items, row.filled) for name, row in rows.items()} == {
        "price": (2, 1),
        "tags": (2, 1),
        "title": (2, 2),
    }
    assert rows["price"].samples == ("2.5",)
    assert rows["price"].empty_urls == ("https://shop.example/a",)
    assert sorted(rows["title"].samples) == ['"A"', '"B"']
    text = "price: null in N of N, because nothing matches .price"
    assert rows["price"].complaints == (Complaint(text, 1, "https://shop.example/a"),)


def test_fields_are_compared_with_the_previous_run_of_the_same_crawl(recorded: Ledger) -> None:
    """`previous_run` is the newest earlier run of the crawl; its fill rate is shown beside the new one."""
    items: list[dict[str, object]] = [{"title": "", "price": 1, "tags": ["x"]}]
    later = [on_host(job_row("a", 100, run="run-2"), "a.example")]
    later += [on_host(outcome_row("a", 110, run="run-2", items=items), "a.example")]
    record(recorded, later)
    assert previous_run(recorded, "run-2") == "run-1"
    assert previous_run(recorded, "run-1") is None
    rows = {row.field: row for row in field_rows(recorded, "run-2", "run-1")}
    assert (rows["price"].rate, rows["price"].previous_rate) == (1, 0.5)
    assert (rows["title"].rate, rows["title"].previous_rate) == (0, 1)


def test_pages_of_jobs_contain_each_selected_job_once(recorded: Ledger) -> None:
    """The pages of a filter, each after the last job of the one before, contain each job once."""
    found, after = list[str](), None
    while page := job_page(recorded, JobFilter("run-1"), after, 2):
        found += [job.job_id for job in page]
        after = page[-1].cursor
    assert found == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("selected", "jobs"),
    [
        (JobFilter(state="dead"), "c"),
        (JobFilter(run_id="run-1", reason="http_429"), "d"),
        (JobFilter(run_id="run-1", host="b.example", state="queued"), "e"),
        (JobFilter(text="EXAMPLE/b"), "b"),
        (JobFilter(text="a"), "abcde"),  # part of each URL
        (JobFilter(text="%"), ""),
        (JobFilter(text="exampl_"), ""),
        (JobFilter(cause="page"), ""),
        (JobFilter(run_id="other"), ""),
    ],
)
def test_filter_selects_jobs(recorded: Ledger, selected: JobFilter, jobs: str) -> None:
    """A filter selects the jobs that fulfil all its conditions."""
    assert "".join(job.job_id for job in job_page(recorded, selected)) == jobs


def test_dead_letters_are_grouped_by_host_cause_and_reason(recorded: Ledger) -> None:
    """The groups of the dead jobs have their host, cause and reason, and their number."""
    [group] = job_groups(recorded, JobFilter("run-1", "dead"))
    assert group == ("a.example", "infrastructure", "http_5xx", 1)


def test_throughput_has_a_row_for_each_step(recorded: Ledger) -> None:
    """Each step of time has the numbers of its attempts, also one without attempts."""
    rows = throughput(recorded, at(5), 10, now=at(39))
    assert [(row.succeeded, row.failed) for row in rows] == [(1, 0), (1, 1), (0, 1), (0, 0)]
    whole = f"{at(5):%Y-%m-%dT%H:%M:%S}.000000Z"
    assert rows[0].at == whole
    assert throughput(recorded, at(5), 10, "other", at(14)) == [(whole, 0, 0)]


def test_queue_summary_has_the_oldest_job_and_the_blocked_hosts(recorded: Ledger) -> None:
    """The summary names the oldest job in flight, and the hosts whose jobs are deferred."""
    summary = queue_summary(recorded, at(60))
    assert summary.accounting.in_flight == 2
    assert summary.oldest_at == publish_time(4)
    assert summary.blocked == [("b.example", publish_time(500), 1)]
    assert queue_summary(recorded, datetime.now(UTC)).blocked == []
