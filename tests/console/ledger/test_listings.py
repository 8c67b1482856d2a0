"""Tests of the view listings: one row per listing, with its pages, its items and where it ended."""

from typing import Any

import pytest

from tests.console.ledger.rows import (
    Row,
    database_with,
    dead_letter_row,
    job_row,
    outcome_row,
    query_view,
    worker_dead_letter_row,
)

FIRST = "page-1"  #: job id of the first page, which is the listing's id


def page(number: int, *, end: str = "", reason: str = "ok", items: int = 2, attempt: int = 1) -> Row:
    """Return the outcome of a page of the listing; without `end`, another page follows."""
    follows = reason == "ok" and not end
    return outcome_row(
        f"page-{number}",
        10 * number + attempt,
        attempt=attempt,
        reason=reason,
        items=[{"n": n} for n in range(items)] if reason == "ok" else [],
        page=number,
        listing=FIRST,
        listing_end=end,
        next_url=f"https://shop.example/page-{number + 1}" if follows else "",
    )


def jobs(count: int) -> list[Row]:
    """Return the dispatched first page, and the published jobs of the other pages."""
    first = job_row(FIRST, 10)
    return [first, *(job_row(f"page-{n}", 10 * n, listing=FIRST, page=n) for n in range(2, count + 1))]


def dead(number: int, second: float) -> Row:
    """Return the dead letter of a page of the listing."""
    listing = FIRST if number > 1 else ""
    return dead_letter_row(f"page-{number}", second, published=10 * number, listing=listing, page=number)


def listing_of(*rows: Row) -> dict[str, Any]:
    """Return the only row of the view, without its run and listing."""
    with database_with(rows) as connection:
        [row] = query_view(connection, "listings")
    assert (row.pop("run_id"), row.pop("listing")) == ("run-1", FIRST)
    assert row.pop("url") == f"https://shop.example/{FIRST}"
    return row


def summary(**expected: object) -> dict[str, object]:
    """Return an expected row of the view; columns that are not given are NULL."""
    return {"ended_by": None, "broken_at": None, "broken_reason": None} | expected


@pytest.mark.parametrize("end", ["last_page", "max_pages", "loop", "bad_next", "too_large"])
def test_listing_is_complete_with_its_last_page(end: str) -> None:
    """A listing whose last page is scraped is complete, has all items, and shows why no page follows."""
    rows = [*jobs(3), page(1), page(2), page(3, end=end, items=1)]
    assert listing_of(*rows) == summary(pages=3, items=5, state="complete", ended_by=end)


def test_listing_is_in_progress_until_its_next_page_has_an_outcome() -> None:
    """A listing whose newest page has a next page is in progress, also before this page's job is recorded."""
    assert listing_of(*jobs(2), page(1)) == summary(pages=1, items=2, state="in_progress")
    assert listing_of(*jobs(1), page(1)) == summary(pages=1, items=2, state="in_progress")
    failed = [*jobs(2), page(1), page(2, reason="dns")]
    assert listing_of(*failed) == summary(pages=1, items=2, state="in_progress")


def test_listing_is_broken_at_its_dead_page_until_a_replay() -> None:
    """A dead page breaks the listing: the row has its number and last reason. A replay continues it."""
    rows = [
        *jobs(2),
        page(1),
        page(2, reason="tls", attempt=1),
        page(2, reason="no_slot", attempt=2),
        dead(2, 30),
    ]
    broken = summary(pages=1, items=2, state="broken", broken_at=2, broken_reason="rate_limited")
    assert listing_of(*rows) == broken
    replayed = [*rows, job_row("page-2", 40)]
    assert listing_of(*replayed) == summary(pages=1, items=2, state="in_progress")
    scraped = outcome_row("page-2", 50, page=2, listing=FIRST, listing_end="last_page")
    assert listing_of(*replayed, scraped) == summary(pages=2, items=2, state="complete", ended_by="last_page")


def test_listing_is_broken_by_a_dead_page_without_an_outcome() -> None:
    """A dead page that has no outcome is known from its dead letter, and has no reason."""
    assert listing_of(*jobs(2), page(1), dead(2, 30)) == summary(
        pages=1, items=2, state="broken", broken_at=2
    )


def test_listing_is_broken_after_a_page_whose_next_page_was_not_published() -> None:
    """If the next page could not be published, the listing is broken at that page."""
    expected = summary(pages=1, items=2, state="broken", broken_at=2, broken_reason="publish_unconfirmed")
    assert listing_of(*jobs(1), page(1, attempt=5), dead(1, 30)) == expected


def test_listing_is_broken_at_its_first_page() -> None:
    """A listing whose first page is dead has no pages."""
    letter = worker_dead_letter_row(FIRST, 12, "http_404")
    expected = summary(pages=0, items=0, state="broken", broken_at=1, broken_reason="http_404")
    assert listing_of(*jobs(1), page(1, reason="http_404"), letter) == expected


def test_page_that_was_scraped_twice_counts_once() -> None:
    """A page with two successes counts once, with the items of the newest one."""
    rows = [*jobs(2), page(1, items=1), page(1, items=4, attempt=2), page(2, end="last_page", items=1)]
    assert listing_of(*rows) == summary(pages=2, items=5, state="complete", ended_by="last_page")


def test_results_have_the_page_and_the_listing() -> None:
    """Each row of the view results has the URL and the number of its page, and its listing."""
    rows = [
        *jobs(2),
        page(1),
        page(2, end="last_page"),
        job_row("single"),
        outcome_row("single", 3, page=1, listing=""),
    ]
    with database_with(rows) as connection:
        found = [(row["url"], row["page"], row["listing"]) for row in query_view(connection, "results")]
    assert sorted(found) == [
        ("https://shop.example/page-1", 1, FIRST),
        ("https://shop.example/page-2", 2, FIRST),
        ("https://shop.example/single", 1, ""),
    ]
