"""Tests of the lines about listings that are not whole."""

import pytest

from console.ledger.ledger import Listing
from console.report.listings import listing_lines
from contract.outcome import Reason
from contract.outcome_record import ListingEnd
from contract.reason_meanings import REASON_MEANINGS

URL = "https://shop.example/"


@pytest.mark.parametrize(
    ("listing", "line"),
    [
        (
            Listing("a", URL, 1, 9, "complete", ListingEnd.MAX_PAGES),
            f"{URL}: ended after 1 page: more pages follow, but the recipe's max_pages is reached",
        ),
        (
            Listing("a", URL, 4, 9, "complete", ListingEnd.LOOP),
            f"{URL}: ended after 4 pages: the link to the next page leads back to a page of the listing",
        ),
        (
            Listing("a", URL, 4, 9, "complete", ListingEnd.BAD_NEXT),
            f"{URL}: ended after 4 pages: the link to the next page is not a URL that can be fetched",
        ),
        (
            Listing("a", URL, 4, 9, "complete", ListingEnd.TOO_LARGE),
            f"{URL}: ended after 4 pages: the job of the next page would be too large",
        ),
        (Listing("a", URL, 4, 9, "in_progress"), f"{URL}: 4 pages so far"),
        (
            Listing("a", URL, 4, 9, "broken", "", 5, Reason.TLS),
            f"{URL}: broke off at page 5, tls ({REASON_MEANINGS[Reason.TLS].sentence})",
        ),
        (
            Listing("a", "", 0, 0, "broken", "", 2, "solar_flare"),
            "listing a: broke off at page 2, solar_flare",
        ),
        (
            Listing("a", URL, 1, 0, "broken", "", 2),
            f"{URL}: broke off at page 2, whose attempts left no outcome",
        ),
    ],
)
def test_listing_that_is_not_whole_has_a_line(listing: Listing, line: str) -> None:
    """The line has the URL of the first page, the place where the listing ended, and why."""
    assert next(listing_lines([listing])) == line


def test_listing_with_its_last_page_has_no_line() -> None:
    """Nothing is said about a listing that was followed to its last page."""
    assert list(listing_lines([Listing("a", URL, 4, 9, "complete", ListingEnd.LAST_PAGE)])) == []
    assert len(list(ListingEnd)) == 5
