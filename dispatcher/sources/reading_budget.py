"""Limits the time for reading the sources of one crawl."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from dispatcher.sources.source import SourceUnavailable

Each = TypeVar("Each")


class ReadingBudget:
    """The remaining time for reading: downloading, parsing, and pauses between requests.

    Only the time within `counting` is counted, and not the time in which the caller uses what was read, for
    example to publish jobs.

    Args:
        seconds: seconds for reading.
        setting: the name of the setting that has these seconds.
        clock: returns monotonic seconds.
    """

    def __init__(
        self,
        seconds: float,
        setting: str = "SITEMAP_BUDGET_SECONDS",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._left = seconds
        self._setting = setting
        self._clock = clock
        self._counting_since: float | None = None

    @property
    def is_spent(self) -> bool:
        """Whether no time remains."""
        return self._seconds() <= 0

    def remaining(self) -> float:
        """Return the remaining seconds, more than 0.

        Raises:
            SourceUnavailable: if no time remains.
        """
        seconds = self._seconds()
        if seconds <= 0:
            raise SourceUnavailable(f"reading the sources took longer than the budget ({self._setting})")
        return seconds

    def counting(self, found: Iterator[Each]) -> Iterator[Each]:
        """Yield what `found` yields, and count the time that it takes; one iterator after the other."""
        self._counting_since = self._clock()
        try:
            for each in found:
                self._pause()
                yield each
                self._counting_since = self._clock()
        finally:
            self._pause()

    def _seconds(self) -> float:
        since = self._counting_since
        return self._left if since is None else self._left - (self._clock() - since)

    def _pause(self) -> None:
        self._left, self._counting_since = self._seconds(), None
