"""Tests when the follower of a run ends, with rows that are recorded while it follows."""

from collections.abc import Callable

import pytest

from console.ledger.ledger import Accounting, Ledger
from console.report import follow
from console.report.follow import Follower
from tests.console.ledger.rows import Row, dead_letter_row, job_row, outcome_row, record

URL = "https://shop.example/2"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_SECONDS", 0)
    monkeypatch.setattr(follow, "PAUSE_PER_QUERY", 0)


def recording(ledger: Ledger, *steps: list[Row]) -> Callable[[], None]:
    """Return a function that records the rows of the next step each time it is called."""
    remaining = iter(steps)
    return lambda: record(ledger, next(remaining))  # the follower must end before StopIteration


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
    follower = Follower(ledger, "run-1", 1, lambda *values: shown.append(values), before_query=steps)
    assert follower.follow() == accounting
    assert [(ended, jobs) for ended, jobs, _ in shown] == [(0, 1), (0, 1), (0, 1), (1, 2), (2, 2)]


def test_run_without_a_listing_ends_when_no_job_is_in_flight(ledger: Ledger) -> None:
    """The follower ends when all published jobs are recorded and have ended."""
    steps = recording(ledger, [job_row("a"), outcome_row("a", 1)], [job_row("b")], [outcome_row("b", 2)])
    follower = Follower(ledger, "run-1", 2, lambda *_: None, before_query=steps)
    assert follower.follow() == Accounting(dispatched=2, succeeded=2)
