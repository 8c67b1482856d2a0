"""The pages of one job: its URL's, and those that its recipe's `next` leads to."""

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
from worker.page import Page


class FetchWithin(Protocol):
    """Whatever fetches the job's pages within its budget."""

    def __call__(self, url: str) -> Page:
        """Return the page, or raise `AttemptFailed`."""


class Pages:
    """Fetches and extracts, page after page, and keeps what the outcome says of them.

    Args:
        fetch: gives a page; robots, delays and refused addresses are its affair.
        check_deadline: called between items; raises where the budget is spent.

    Attributes:
        url: the page that is, or was last, asked for.
        last: what came; None where nothing did.
        body_bytes: of all pages together.
        fetch_seconds: spent fetching them.
    """

    def __init__(self, fetch: FetchWithin, check_deadline: Callable[[], object]) -> None:
        self.url = ""
        self.last: Page | None = None
        self.body_bytes = 0
        self.fetch_seconds = 0.0
        self._fetch = fetch
        self._check_deadline = check_deadline
        self._bodies = hashlib.sha256()
        self._number = 0

    @property
    def body_sha256(self) -> str:
        """Hex, of all bodies one after the other; `""` where there was none."""
        return self._bodies.hexdigest() if self.body_bytes or self.last is not None else ""

    def scrape(self, recipe: Recipe, url: str) -> Extracted:
        """Return the items of all pages.

        Raises:
            AttemptFailed: for whatever keeps any of them from being read; half a job is no success.
        """
        page = self._turn_to(url)
        extracted = self._extracted(recipe, page)
        items, warnings = extracted.items, extracted.warnings
        seen = {canonical_url(url), canonical_url(page.url)}
        while extracted.next_url:
            if self._number >= recipe.max_pages:
                warnings.append(f"there is a page after the {recipe.max_pages} that max_pages takes")
                break
            url = self._checked(extracted.next_url)
            back = url if canonical_url(url) in seen else ""
            if not back:
                page = self._turn_to(url)
                back = page.url if canonical_url(page.url) in seen else ""
            if back:
                warnings.append(f"page {self._number}: next leads back to {back}")
                break
            seen |= {canonical_url(url), canonical_url(page.url)}
            extracted = self._extracted(recipe, page)
            items, warnings = items + extracted.items, warnings + extracted.warnings
            if len(items) > MAX_ITEMS:
                told = f"{len(items)} items on the pages; at most {MAX_ITEMS} are taken"
                raise AttemptFailed(Reason.TOO_LARGE, told)
        return Extracted(items, warnings)

    def _turn_to(self, url: str) -> Page:
        self.url, self.last = url, None
        self._number += 1
        try:
            return self._fetched(url)
        except AttemptFailed as ended:
            ended.detail = self._told(ended.detail)
            raise

    def _extracted(self, recipe: Recipe, page: Page) -> Extracted:
        try:
            return extract(recipe, page, self._check_deadline, may_be_empty=self._number > 1)
        except ExtractionError as wrong:
            raise AttemptFailed(wrong.reason, self._told(wrong.detail)) from None

    def _fetched(self, url: str) -> Page:
        started = time.monotonic()
        try:
            page = self.last = self._fetch(url)
        finally:
            self.fetch_seconds += time.monotonic() - started
        self.body_bytes += len(page.body)
        self._bodies.update(page.body)
        return page

    def _checked(self, url: str) -> str:
        try:
            return check_url(url)
        except ValueError as wrong:
            raise AttemptFailed(Reason.BAD_URL, self._told(f"next leads to {url[:200]!r}: {wrong}")) from None

    def _told(self, detail: str) -> str:
        """Return a detail that says on which page it was, if there is more than one."""
        return detail if self._number < 2 else f"page {self._number}: {detail}"[:MAX_DETAIL_CHARACTERS]
