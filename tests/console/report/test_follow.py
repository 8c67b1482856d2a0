"""Tests when the follower of a run ends, with rows that are recorded while it follows."""

from collections.abc import Callable

import pytest

from console.dispatch_response import DispatchResponse
from console.ledger.ledger import Accounting, Ledger
from console.report import follow
from console.report.follow import Follower
from contract.dispatch_report import DispatchCounts, DispatchReport
from tests.console.ledger.rows import (
    Row,
    dead_letter_row,
    end_row,
    job_row,
    outcome_row,
    record,
    shard_row,
)

URL = "https://shop.example/2"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_SECONDS", 0)
    monkeypatch.setattr(follow, "PAUSE_PER_QUERY", 0)


def recording(ledger: Ledger, *steps: list[Row]) -> Callable[[], None]:
    """Return a function that records the rows of the next step each time it is called."""
    remaining = iter(steps)
    return lambda: record(ledger, next(remaining))  # the follower must end before StopIteration


def published(jobs: int, dispatch: str = "", *, continues: bool = False) -> DispatchResponse:
    """Return the response to a request that has published some jobs."""
    return DispatchResponse(run_id="run-1", published=jobs, dispatch_id=dispatch, continues=continues)


def report(jobs: int) -> DispatchReport:
    """Return the report of a dispatch that has published some jobs so far."""
    return DispatchReport(counts=DispatchCounts(published=jobs))


def first_page() -> Row:
    """Return the success of a listing's first page, which another page follows."""
    return outcome_row("a", 1, page=1, listing="a", next_url=URL)


def second_page(reason: str = "ok") -> Row:
    """Return the outcome of the listing's second page, which is the last one."""
    return outcome_row("b", 3, reason=reason, page=2, listing="a", listing_end="last_page")


@pytest.mark.parametrize(
    ("last_step", "accounting"),
    [
        ([second_page()], Accounting(dispatched=2, succeeded=2)),
        (
            [second_page("dns"), dead_letter_row("b", 4, deliveries=1)],
            Accounting(dispatched=2, succeeded=1, dead=1),
        ),
    ],
)
def test_run_with_a_listing_ends_after_its_last_page(
    ledger: Ledger, last_step: list[Row], accounting: Accounting
) -> None:
    """The follower waits while the next page of a listing is not recorded, and no job is in flight."""
    steps = recording(
        ledger, [job_row("a")], [first_page()], [], [job_row("b", 2, listing="a", page=2)], last_step
    )
    shown = list[tuple[int, int, str]]()
    follower = Follower(ledger, [published(1)], lambda *values: shown.append(values), before_query=steps)
    assert follower.follow() == accounting
    assert [(ended, jobs) for ended, jobs, _ in shown] == [(0, 1), (0, 1), (0, 1), (1, 2), (2, 2)]


def test_run_without_a_listing_ends_when_no_job_is_in_flight(ledger: Ledger) -> None:
    """The follower ends when all published jobs are recorded and have ended."""
    steps = recording(ledger, [job_row("a"), outcome_row("a", 1)], [job_row("b")], [outcome_row("b", 2)])
    follower = Follower(ledger, [published(2)], lambda *_: None, before_query=steps)
    assert follower.follow() == Accounting(dispatched=2, succeeded=2)


def test_run_whose_dispatch_continues_ends_with_its_last_job(ledger: Ledger) -> None:
    """The follower waits for the end record, and for all messages that it counts; two of them are one job."""
    steps = recording(
        ledger,
        [job_row("a"), outcome_row("a", 1)],  # all jobs of the first request have ended
        [shard_row(2, 1, report(1), dispatch="d")],
        [shard_row(3, 2, report(2), dispatch="d")],
        [end_row(3, 3, report(3), dispatch="d")],
        [job_row("b", 4, request="d-2"), outcome_row("b", 4)],
        [job_row("b", 5, request="d-2"), job_row("a", 5)],  # published again, for example by a replay
        [job_row("b", 6, request="d-3")],
    )
    shown = list[tuple[int, int]]()
    follower = Follower(
        ledger,
        [published(1, "d", continues=True)],
        lambda ended, jobs, _: shown.append((ended, jobs)),
        before_query=steps,
    )
    assert follower.follow() == Accounting(dispatched=2, succeeded=2)
    assert shown == [(1, 1), (1, 1), (1, 2), (1, 3), (2, 3), (2, 3), (2, 2)]
    assert [(each.published, each.continues) for each in follower.dispatched] == [(3, False)]


def test_end_record_of_another_dispatch_does_not_end_the_run(ledger: Ledger) -> None:
    """An end record of the same run counts only for the dispatch that it belongs to."""
    steps = recording(
        ledger,
        [job_row("a"), outcome_row("a", 1), end_row(1, 1, report(1), dispatch="earlier")],
        [shard_row(2, 2, report(1), dispatch="d")],
        [end_row(2, 3, report(1), dispatch="d")],
    )
    shown = list[int]()
    follower = Follower(
        ledger,
        [published(1, "d", continues=True)],
        lambda *_: shown.append(1),
        before_query=steps,
    )
    follower.follow()
    assert len(shown) == 3


def test_page_of_two_requests_of_a_run_is_waited_for_once(ledger: Ledger) -> None:
    """Two requests may publish the same job, for example of a page that is in a local file and a sitemap."""
    steps = recording(ledger, [job_row("a"), outcome_row("a", 1)], [job_row("a", 2, request="d-1")])
    follower = Follower(ledger, [published(1), published(1)], lambda *_: None, before_query=steps)
    assert follower.follow() == Accounting(dispatched=1, succeeded=1)
