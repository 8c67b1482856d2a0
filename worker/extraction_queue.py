"""Counts the pages that wait for their extraction, so that no more are fetched than can be extracted."""

from collections.abc import Iterator
from contextlib import contextmanager

from gevent.event import Event


class ExtractionQueue:
    """The pages of this process that wait for a process of the first level (worker/child_extraction.py).

    Args:
        limit: number of waiting pages from which no further page is requested.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._length = 0
        self._room = Event()
        self._room.set()

    @property
    def has_room(self) -> bool:
        """Whether fewer pages wait than the limit."""
        return self._length < self._limit

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a page as waiting inside the context."""
        self._length += 1
        if not self.has_room:
            self._room.clear()
        try:
            yield
        finally:
            self._length -= 1
            if self.has_room:
                self._room.set()

    def wait_for_room(self, seconds: float) -> None:
        """Wait until fewer pages wait than the limit, for at most `seconds`."""
        self._room.wait(seconds)
