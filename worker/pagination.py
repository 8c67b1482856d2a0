"""Scrapes the pages of one job: the page at its URL, and further pages that the recipe's `next` selects."""

import hashlib
import time
from collections.abc import Callable
from typing import Protocol

from contract.attempt import AttemptFailed
from contract.outcome import MAX_DETAIL_CHARACTERS, Reason
from contract.recipe import Recipe
from contract.urls import canonical_url, check_url
from extraction.errors import ExtractionError
from extraction.extract import MAX_ITEMS, Extracted, extract
from worker.page import FetchedPage


class FetchPage(Protocol):
    """Fetches one of the job's pages within the job's budget."""

    def __call__(self, url: str) -> FetchedPage:
        """Return the page.

        Raises:
            AttemptFailed: if it cannot be fetched.
        """


class Paginator:
    """Fetches and extracts page after page, and measures them for the outcome record.

    Args:
        fetch: fetches a page; it checks robots.txt, the rate limit and the address.
        check_deadline: called between items; raises an exception if the budget is spent.

    Attributes:
        url: the URL of the last page requested; `""` before the first.
        last_page: the last page requested; None until it has been fetched.
        body_bytes: total size of all bodies.
        fetch_seconds: seconds spent on fetching.
    """

    def __init__(self, fetch: FetchPage, check_deadline: Callable[[], object]) -> None:
        self.url = ""
        self.last_page: FetchedPage | None = None
        self.body_bytes = 0
        self.fetch_seconds = 0.0
        self._fetch_page = fetch
        self._check_deadline = check_deadline
        self._sha256 = hashlib.sha256()
        self._number = 0

    @property
    def body_sha256(self) -> str:
        """The SHA-256 in hex of all bodies, one after the other; `""` if no page was fetched."""
        return self._sha256.hexdigest() if self.body_bytes or self.last_page is not None else ""

    def scrape(self, recipe: Recipe, url: str) -> Extracted:
        """Return the items of all pages.

        Args:
            recipe: its `next` selects the link to the next page; `max_pages` is the maximum number of pages.
            url: the first page.

        Raises:
            AttemptFailed: if any page cannot be fetched or extracted; the items of other pages are dropped.
        """
        page = self._fetch(url)
        extracted = self._extract(recipe, page)
        items, warnings = extracted.items, extracted.warnings
        seen = {canonical_url(url), canonical_url(page.url)}
        while extracted.next_url:
            if self._number >= recipe.max_pages:
                warnings.append(f"more pages follow; max_pages is {recipe.max_pages}")
                break
            url = self._check_next(extracted.next_url)
            seen_again = url if canonical_url(url) in seen else ""
            if not seen_again:
                page = self._fetch(url)
                seen_again = page.url if canonical_url(page.url) in seen else ""
            if seen_again:
                warnings.append(f"page {self._number}: next leads back to {seen_again}")
                break
            seen |= {canonical_url(url), canonical_url(page.url)}
            extracted = self._extract(recipe, page)
            items, warnings = items + extracted.items, warnings + extracted.warnings
            if len(items) > MAX_ITEMS:
                detail = f"the pages have {len(items)} items; the maximum is {MAX_ITEMS}"
                raise AttemptFailed(Reason.TOO_LARGE, detail)
        return Extracted(items, warnings)

    def _fetch(self, url: str) -> FetchedPage:
        self.url, self.last_page = url, None
        self._number += 1
        started = time.monotonic()
        try:
            page = self.last_page = self._fetch_page(url)
        except AttemptFailed as error:
            error.detail = self._with_page_number(error.detail)
            raise
        finally:
            self.fetch_seconds += time.monotonic() - started
        self.body_bytes += len(page.body)
        self._sha256.update(page.body)
        return page

    def _extract(self, recipe: Recipe, page: FetchedPage) -> Extracted:
        try:
            return extract(recipe, page, self._check_deadline, may_be_empty=self._number > 1)
        except ExtractionError as error:
            raise AttemptFailed(error.reason, self._with_page_number(error.detail)) from None

    def _check_next(self, url: str) -> str:
        try:
            return check_url(url)
        except ValueError as error:
            detail = self._with_page_number(f"next leads to {url[:200]!r}: {error}")
            raise AttemptFailed(Reason.BAD_URL, detail) from None

    def _with_page_number(self, detail: str) -> str:
        """Return the detail, with the page's number if it is not the first page."""
        return detail if self._number < 2 else f"page {self._number}: {detail}"[:MAX_DETAIL_CHARACTERS]
