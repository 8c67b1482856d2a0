"""Tests of the ledger's views, with job histories by hand and with repeated and shuffled rows."""

import itertools
import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.ledger.sqlite_views import views
from contract.dispatch_report import DispatchReport
from contract.operator_act import Act
from contract.outcome import RENAMED_REASONS
from contract.topology import DEAD_LETTER_TOPIC, JOBS_TOPIC, OUTCOMES_TOPIC
from tests.console.ledger.job_histories import HISTORIES, ROWS
from tests.console.ledger.rows import (
    Row,
    act_row,
    database_with,
    dead_letter_row,
    insert,
    job_row,
    outcome_row,
    publish_time,
    query_view,
    repeated_and_shuffled,
    shard_row,
    worker_dead_letter_row,
)

#: The columns of run_accounting whose sum is the number of dispatched jobs.
STATES = ("succeeded", "dead", "cancelled", "dropped", "replaced", "in_flight")
FEW_EXAMPLES = settings(max_examples=50, deadline=None)  # few, because each example creates files


def values_by_job(connection: sqlite3.Connection, view: str, *columns: str) -> dict[str, tuple[object, ...]]:
    """Return the values of some columns by job_id, for a view that has a row for each job."""
    return {row["job_id"]: tuple(row[name] for name in columns) for row in query_view(connection, view)}


@pytest.fixture(scope="module")
def all_jobs() -> Iterator[sqlite3.Connection]:
    """Yield a database with the rows of all jobs in HISTORIES."""
    with database_with(ROWS) as connection:
        yield connection


def test_job_state_has_state_attempts_and_last_reason(all_jobs: sqlite3.Connection) -> None:
    """The view job_state has the expected state, number of attempts and last reason of each job."""
    found = values_by_job(all_jobs, "job_state", "state", "attempts", "last_reason")
    assert found == {
        job: (state, attempts, reason) for job, (_, state, attempts, reason) in HISTORIES.items()
    }


def test_job_times_are_those_of_the_rows(all_jobs: sqlite3.Connection) -> None:
    """The view job_state has the times of a job's first and last publish, last attempt and dead letter."""
    times = values_by_job(all_jobs, "job_state", "dispatched_at", "published_at", "attempted_at", "dead_at")
    assert times["revived"] == (publish_time(0), publish_time(9), publish_time(10), publish_time(3))
    assert times["queued"] == (publish_time(0), publish_time(0), None, None)
    assert times["unknown-death"] == (None, None, None, publish_time(2))


def test_run_accounting_counts_jobs_by_state(all_jobs: sqlite3.Connection) -> None:
    """Of the 32 jobs, two were never dispatched and one is too old; the counts are derived by hand."""
    (run,) = query_view(all_jobs, "run_accounting")
    counted = {name: run[name] for name in run if name not in {"run_id", "started_at", "attempted_at"}}
    assert counted == {
        "dispatched": 30,
        # These have succeeded: recovered, twice, too-late, revived, unknown-success, cut-off-continued,
        # unacknowledged, cancelled-in-time, replacement and better.
        "succeeded": 10,
        "dead": 6,  # dead, silent, dead-again, settled, unknown-death, cut-off
        "dead_infrastructure": 5,  # of these, all except settled have fewer than half of their outcomes
        # In flight: queued, retrying, replayed, deferred, uncounted, not-continued, cut-off-replayed, second,
        # other-second, cancelled-then-dispatched, dropped-then-replayed.
        "in_flight": 11,
        "retrying": 9,  # the jobs in flight except queued and second
        "cancelled": 1,
        "dropped": 1,
        "replaced": 2,  # replaced, replaced-success
        "missing": 3,  # lost, unknown-success, unknown-death
    }


def test_run_accounting_adds_up_while_no_job_is_missing() -> None:
    """Without the three missing jobs, dispatched is the sum of the other states."""
    rows = [
        row for row in ROWS if row.attributes["job_id"] not in {"lost", "unknown-success", "unknown-death"}
    ]
    with database_with(rows) as connection:
        (run,) = query_view(connection, "run_accounting")
    assert run["missing"] == 0
    assert run["dispatched"] == sum(run[state] for state in STATES) == 29


def test_results_have_one_row_for_each_job_that_succeeded(all_jobs: sqlite3.Connection) -> None:
    """The view results has one row per scraped page: the items of its newest success and its attempts.

    A page of a listing whose next page is not published has a row, too.
    """
    found = values_by_job(all_jobs, "results", "items", "attempts")
    assert found == {
        **dict.fromkeys(("cut-off", "cut-off-replayed", "cut-off-continued", "unacknowledged"), ("[]", 5)),
        "not-continued": ("[]", 1),
        "recovered": ("[]", 2),
        "twice": ('[{"n": 2}]', 1),
        "too-late": ("[]", 5),
        "revived": ("[]", 5),
        "unknown-success": ("[]", 1),
        "cancelled-in-time": ("[]", 2),
        **dict.fromkeys(("replacement", "better"), ("[]", 1)),
    }


def test_failures_are_counted_by_reason_host_and_recipe() -> None:
    """The view failures has the numbers of attempts and jobs for each reason, host and recipe."""
    elsewhere = outcome_row("c", 3, reason="dns")
    other = json.loads(elsewhere.data) | {"recipe": "shoe"}
    rows = [
        *(outcome_row("a", second, reason="dns") for second in (1, 2)),
        outcome_row("b", 1, reason="dns"),
        outcome_row("b", 2),
        replace(
            elsewhere,
            data=json.dumps(other).encode(),
            attributes={**elsewhere.attributes, "host": "other.example"},
        ),
    ]
    with database_with(rows) as connection:
        found = [tuple(row.values()) for row in query_view(connection, "failures")]
    assert sorted(found) == [
        ("run-1", "dns", "retry", "other.example", "shoe", 1, 1),
        ("run-1", "dns", "retry", "shop.example", "book", 3, 2),
    ]


def test_the_renamed_reasons_are_those_of_the_contract(all_jobs: sqlite3.Connection) -> None:
    """The view renamed_reasons contains the same codes as the dictionary in Python."""
    found = {row["old_reason"]: row["new_reason"] for row in query_view(all_jobs, "renamed_reasons")}
    assert found == RENAMED_REASONS


@pytest.mark.parametrize(("old", "new"), RENAMED_REASONS.items())
def test_a_reason_of_0_1_is_shown_as_the_reason_that_replaced_it(old: str, new: str) -> None:
    """An outcome with a reason of version 0.1 is counted together with outcomes of the new reason."""
    rows = [
        job_row("a"),
        outcome_row("a", 1, attempt=1, reason=new),
        outcome_row("a", 2, attempt=2, reason=old),
    ]
    with database_with(rows) as connection:
        assert values_by_job(connection, "job_state", "last_reason") == {"a": (new,)}
        [failure] = query_view(connection, "failures")
    assert (failure["reason"], failure["attempts"], failure["jobs"]) == (new, 2, 1)


#: Ids of two jobs. Only the outcomes of COUNTED have the number of the delivery attempt; UNCOUNTED has 0.
COUNTED, UNCOUNTED = f"{1:032x}", f"{2:032x}"


def attempt(job: str, second: int, reason: str, **fields: Any) -> Row:  # noqa: ANN401 - fields of an outcome
    """Return the outcome of an attempt; outcomes at different seconds have different items."""
    number = 0 if job == UNCOUNTED else second % 5
    return outcome_row(job, second, attempt=number, reason=reason, items=[{"at": second}], **fields)


def listed(job: str, second: int, reason: str, next_url: str) -> Row:
    """Return the outcome of an attempt at a page of a listing, in which UNCOUNTED is the second page."""
    page = 2 if job == UNCOUNTED else 1
    row = attempt(job, second, reason, page=page, listing=COUNTED, next_url=next_url)
    return replace(row, message_id=f"{row.message_id}-{next_url}")


EVENTS: dict[str, Callable[[str, int], Row]] = {
    JOBS_TOPIC: job_row,
    OUTCOMES_TOPIC: lambda job, second: attempt(job, second, "ok"),
    "continued": lambda job, second: listed(job, second, "ok", "https://shop.example/next"),
    "last page": lambda job, second: listed(job, second, "ok", ""),
    "failed page": lambda job, second: listed(job, second, "http_5xx", ""),
    "not published": lambda job, second: attempt(job, second, "publish_unconfirmed"),
    "dead page": lambda job, second: dead_letter_row(job, second, published=1, page=2, listing=COUNTED),
    "next page": lambda _, second: job_row(UNCOUNTED, second + 0.5, page=2, listing=COUNTED),
    "failed": lambda job, second: attempt(job, second, "http_5xx"),
    DEAD_LETTER_TOPIC: dead_letter_row,
    "settled": worker_dead_letter_row,
    "cancelled": lambda job, second: attempt(job, second, "cancelled"),
    "dropped": lambda job, second: act_row(Act.DROP, second, job=job),
    "cancelled run": lambda _, second: act_row(Act.CANCEL, second),
    "replacement": lambda job, second: replace(
        job_row(job, second, replaces=UNCOUNTED if job == COUNTED else COUNTED),
        message_id=f"r-{job}-{second}",
    ),
}


def histories() -> st.SearchStrategy[list[Row]]:
    """Generate sequences of publishes, attempts, dead letters and replays of two jobs, often simultaneous."""
    event = st.tuples(
        st.sampled_from(sorted(EVENTS)), st.sampled_from([COUNTED, UNCOUNTED]), st.integers(0, 5)
    )
    rows = event.map(lambda made: EVENTS[made[0]](made[1], made[2]))
    # Pub/Sub gives no id to two messages, so two different rows never have the same id.
    return st.lists(rows, max_size=15, unique_by=lambda row: (row.topic, row.message_id))


@FEW_EXAMPLES
@given(histories(), st.randoms(use_true_random=False), st.data())
def test_views_ignore_repeated_and_shuffled_rows(
    rows: list[Row], shuffler: random.Random, data: st.DataObject
) -> None:
    """Every view returns the same rows if the ledger's rows are repeated and in another order.

    Except for the view job_messages, which has a row for each delivery of a message.
    """
    shuffled = repeated_and_shuffled(rows, shuffler, data)
    with database_with(rows) as once, database_with(shuffled) as repeated:
        for view in views().keys() - {"job_messages"}:
            assert query_view(repeated, view) == query_view(once, view), view


def run_of(jobs: int) -> list[Row]:
    """Return the rows of a run: every tenth job is dead, the others have succeeded; each ten need a shard."""
    names = [f"{number:032x}" for number in range(jobs)]
    dead = set(names[::10])
    return [
        *(job_row(name) for name in names),
        *(outcome_row(name, 1, attempt=2, reason="dns" if name in dead else "ok") for name in names),
        *(dead_letter_row(name, 2) for name in dead),
        *(shard_row(number, number, DispatchReport()) for number in range(2, jobs // 10)),
    ]


def count_instructions(connection: sqlite3.Connection, view: str) -> int:
    """Return how many hundreds of instructions SQLite executes to return all rows of a view."""
    count = itertools.count()
    connection.set_progress_handler(lambda: next(count) < 0, 100)
    query_view(connection, view)
    return next(count)


@pytest.mark.parametrize("view", sorted(views().keys() - {"renamed_reasons"}))
def test_cost_of_a_view_grows_in_proportion_to_the_run(view: str) -> None:
    """A view over ten times as many jobs needs less than twenty times as many instructions."""
    with database_with(run_of(100)) as small, database_with(run_of(1000)) as large:
        assert count_instructions(large, view) < 20 * count_instructions(small, view)


@pytest.mark.parametrize(("view", "reasons"), [("results", ("ok", "ok")), ("job_state", ("dns", "tls"))])
def test_simultaneous_rows_are_ordered_by_message_id(view: str, reasons: tuple[str, str]) -> None:
    """Rows with the same publish time are ordered by message id; one publish request can make such rows."""
    first, second = (
        replace(outcome_row("a", 1, reason=reason, items=[{"n": n}]), message_id=str(n))
        for n, reason in enumerate(reasons)
    )
    with database_with([first, second]) as one, database_with([second, first]) as other:
        assert query_view(one, view) == query_view(other, view)


@FEW_EXAMPLES
@given(histories())
def test_every_dispatched_job_is_counted_in_exactly_one_state(rows: list[Row]) -> None:
    """Each dispatched job is in one state; each job with rows but without a dispatch is missing."""
    dispatched = {row.attributes["job_id"] for row in rows if row.topic == JOBS_TOPIC}
    names = {row.attributes.get(name) for row in rows for name in ("job_id", "replaces")}
    recorded = names - {None}
    with database_with(rows) as connection:
        for run in query_view(connection, "run_accounting"):
            ended = sum(run[state] for state in STATES)
            assert run["dead_infrastructure"] <= run["dead"]
            assert (run["dispatched"], run["missing"]) == (len(dispatched), len(recorded - dispatched))
            assert run["dispatched"] == ended or run["missing"]


def test_a_page_has_one_result_through_all_its_replacements() -> None:
    """The result is that of the newest success of the job that was dispatched and of all its replacements."""
    rows = [
        job_row("first"),
        outcome_row("first", 1, items=[{"price": None}]),
        job_row("second", 2, replaces="first"),
        outcome_row("second", 3, reason="missing_field", original="first"),
    ]
    with database_with(rows) as connection:
        [result] = query_view(connection, "results")
        assert (result["job_id"], result["items"]) == ("first", '[{"price": null}]')
        insert(connection, [job_row("third", 4, replaces="second")])
        insert(connection, [outcome_row("third", 5, items=[{"price": 7}], original="first")])
        [result] = query_view(connection, "results")
        assert (result["job_id"], result["items"]) == ("third", '[{"price": 7}]')
        [run] = query_view(connection, "run_accounting")
    assert (run["dispatched"], run["succeeded"], run["replaced"], run["in_flight"]) == (3, 1, 2, 0)
