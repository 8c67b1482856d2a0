"""Makes a line for each listing that is not whole: it broke off, goes on, or has more pages. Pure."""

from collections.abc import Iterable, Iterator

from console.ledger.ledger import Listing
from console.report.tables import meaning_of
from console.terminal import printable
from contract.outcome_record import ListingEnd

#: Why a listing may have further pages that were not scraped.
ENDS = {
    ListingEnd.MAX_PAGES: "more pages follow, but the recipe's max_pages is reached",
    ListingEnd.LOOP: "the link to the next page leads back to a page of the listing",
    ListingEnd.BAD_NEXT: "the link to the next page is not a URL that can be fetched",
    ListingEnd.TOO_LARGE: "the job of the next page would be too large",
}


def listing_lines(listings: Iterable[Listing]) -> Iterator[str]:
    """Yield a line for each listing, except for those that were followed to their last page."""
    for listing in listings:
        name = printable(listing.url) or f"listing {listing.listing}"
        pages = f"{listing.pages} page{'' if listing.pages == 1 else 's'}"
        if listing.state == "broken":
            yield f"{name}: broke off at page {listing.broken_at}, {_why_broken(listing)}"
            yield "  `scrapeq dead list` shows what to do; a replay of the dead letter continues the listing"
        elif listing.state == "in_progress":
            yield f"{name}: {pages} so far"
        elif listing.ended_by in ENDS:
            yield f"{name}: ended after {pages}: {ENDS[ListingEnd(listing.ended_by)]}"


def _why_broken(listing: Listing) -> str:
    meaning = meaning_of(listing.broken_reason)
    if not listing.broken_reason:
        return "whose attempts left no outcome"
    return listing.broken_reason + (f" ({meaning.sentence})" if meaning else "")
