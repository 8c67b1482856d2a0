"""Tests of the views of dispatches, with shards and end records that are repeated and in any order."""

import json
import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.dispatch_report import DispatchCounts, DispatchReport, ListedUrl, SourceCounts
from tests.console.ledger.rows import (
    Row,
    database_with,
    end_row,
    job_row,
    query_view,
    repeated_and_shuffled,
    shard_row,
)

FEW_EXAMPLES = settings(max_examples=50, deadline=None)  # few, because each example creates files
COUNTS = ("requests", "found", "published", "rejected", "unread")


def report(found: int, rejected: int = 0, unread: int = 0) -> DispatchReport:
    """Return a report of `found` URLs, of which some are rejected, and of unread parts."""
    counts = {"found": found, "published": found - rejected, "rejected": rejected, "unread": unread}
    return DispatchReport(
        counts=DispatchCounts(**counts),
        sources=(SourceCounts(source="sources.urls_file", **counts),),
        rejected=tuple(ListedUrl(url=f"bad-{number}", why="no host") for number in range(rejected)),
        unread=tuple(ListedUrl(url=f"part-{number}", why="HTTP 404") for number in range(unread)),
    )


def of_run(rows: list[Row], run: str = "run-1") -> dict[str, Any]:
    """Return the row of a run in the view run_dispatches."""
    with database_with(rows) as connection:
        [found] = [row for row in query_view(connection, "run_dispatches") if row["run_id"] == run]
    return found


def test_dispatch_is_in_progress_with_the_counts_of_its_newest_shard() -> None:
    """Without an end record the counts are those of the requests before the shard with the highest number."""
    rows = [shard_row(3, 2, report(400, 1)), shard_row(2, 1, report(200)), shard_row(2, 9, report(200))]
    row = of_run(rows)
    assert (row["state"], row["dispatches"]) == ("in_progress", 1)
    assert [row[name] for name in COUNTS] == [2, 400, 399, 1, 0]


def test_dispatch_is_complete_with_its_end_record_although_a_shard_arrives_later() -> None:
    """The end record counts, and not the shards of a repeated trigger after it."""
    rows = [end_row(3, 3, report(500, 2, 1)), shard_row(2, 9, report(200)), shard_row(3, 2, report(400))]
    row = of_run(rows)
    assert row["state"] == "complete"
    assert [row[name] for name in COUNTS] == [3, 500, 498, 2, 1]
    with database_with(rows) as connection:
        [dispatch] = query_view(connection, "dispatch_state")
    assert [each["url"] for each in json.loads(dispatch["rejected_urls"])] == ["bad-0", "bad-1"]
    assert json.loads(dispatch["unread_parts"]) == [{"url": "part-0", "why": "HTTP 404"}]
    [source] = json.loads(dispatch["sources"])
    assert (source["source"], source["found"]) == ("sources.urls_file", 500)


def test_run_with_several_dispatches_is_complete_when_all_are() -> None:
    """The parts of a file on a laptop are dispatches of one run, whose counts are summed."""
    rows = [end_row(1, 1, report(10)), shard_row(2, 2, report(5), dispatch="other")]
    assert of_run(rows)["state"] == "in_progress"
    row = of_run([*rows, end_row(2, 3, report(8, 1), dispatch="other")])
    assert (row["state"], row["dispatches"]) == ("complete", 2)
    assert [row[name] for name in COUNTS] == [3, 18, 17, 1, 0]


def test_each_job_of_a_request_is_recorded_once() -> None:
    """A job counts once for each request that published it, and a further page of a listing never."""
    jobs = [
        job_row("a", request="d-1"),
        job_row("a", 5, request="d-1"),
        job_row("b", request="d-1"),
        job_row("b", 6, request="d-2"),
        job_row("c", listing="a", page=2),
        job_row("d", run="other", request="d-1"),
    ]
    row = of_run([end_row(2, 1, report(3)), *jobs, *jobs])
    assert (row["published"], row["recorded"]) == (3, 3)
    assert of_run([end_row(1, 1, report(2))])["recorded"] == 0


def test_messages_that_are_no_json_do_not_break_the_views() -> None:
    """A row whose data cannot be read counts with zeros, and one without attributes does not count."""
    broken = replace(end_row(1, 1, report(9)), data=b"\xff{")
    foreign = replace(end_row(1, 1, report(9)), data=b"{}", attributes={})
    row = of_run([broken, foreign])
    assert (row["state"], row["found"]) == ("complete", 0)


def messages() -> st.SearchStrategy[list[Row]]:
    """Generate shards, end records and jobs of two runs and two dispatches, often simultaneous."""
    places = {"run": st.sampled_from(["run-1", "run-2"]), "dispatch": st.sampled_from(["d", "e"])}
    numbers, seconds = st.integers(2, 4), st.integers(0, 3)
    reports = st.builds(report, st.integers(5, 9), st.integers(0, 2), st.integers(0, 2))
    row = st.one_of(
        st.builds(shard_row, numbers, seconds, reports, **places),
        st.builds(end_row, numbers, seconds, reports, **places),
        st.builds(job_row, st.sampled_from("ab"), seconds, run=places["run"]),
    )
    # Pub/Sub gives no id to two messages, so two different rows never have the same id.
    return st.lists(row, max_size=12, unique_by=lambda each: each.message_id)


@FEW_EXAMPLES
@given(messages(), st.randoms(use_true_random=False), st.data())
def test_views_ignore_repeated_and_shuffled_rows(
    rows: list[Row], shuffler: random.Random, data: st.DataObject
) -> None:
    """The views return the same rows if the ledger's rows are repeated and in another order."""
    shuffled = repeated_and_shuffled(rows, shuffler, data)
    with database_with(rows) as once, database_with(shuffled) as repeated:
        for view in ("dispatch_state", "run_dispatches"):
            assert query_view(repeated, view) == query_view(once, view), view


@FEW_EXAMPLES
@given(messages(), st.lists(st.integers(4, 9), max_size=3))
def test_repeated_trigger_does_not_change_a_complete_run(rows: list[Row], seconds: list[int]) -> None:
    """New messages with the same content, of a repeated trigger or a repeated shard, change no number."""
    end = end_row(3, 3.5, report(7, 1))
    repeated = [
        row
        for second in seconds
        for row in (
            shard_row(2, second, report(3)),
            end_row(3, second, report(7, 1)),
            job_row("a", second, request="d-1"),
        )
    ]
    rows = [*rows, end, job_row("a", request="d-1")]
    once, again = of_run(rows), of_run([*rows, *repeated])
    assert once == again
