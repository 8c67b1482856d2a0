"""Limits the time for reading the sitemaps of one crawl."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from dispatcher.sitemap_entry import SitemapUnavailable

Each = TypeVar("Each")


class ReadingBudget:
    """The remaining time for reading sitemaps: downloading, parsing, and pauses between requests.

    The time in which the caller uses what was read, for example to publish jobs, is not counted.

    Args:
        seconds: seconds for reading.
        clock: returns monotonic seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + seconds

    @property
    def is_spent(self) -> bool:
        """Whether no time remains."""
        return self._clock() >= self._until

    def remaining(self) -> float:
        """Return the remaining seconds, more than 0.

        Raises:
            SitemapUnavailable: if no time remains.
        """
        seconds = self._until - self._clock()
        if seconds <= 0:
            raise SitemapUnavailable("reading sitemaps took longer than the budget (SITEMAP_BUDGET_SECONDS)")
        return seconds

    def counting(self, found: Iterator[Each]) -> Iterator[Each]:
        """Yield what `found` yields, and do not count the time until the caller asks for the next."""
        for each in found:
            yielded_at = self._clock()
            yield each
            self._until += self._clock() - yielded_at
