"""Limits how many pages, and how many large pages, a process works on at the same time.

A process takes many more pushes than it works on, since a push that only waits costs next to nothing, and
its job is not delivered in vain.

A page that has its slot starts when the processor can serve it: one page after the other, and none while
enough pages wait for their extraction. If all started at once, each would be fetched slowly, and its budget
would be spent on the other pages instead of on its site.
"""

import time
from typing import Any

import gevent
from gevent.lock import Semaphore

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from worker.budget import PageBudget
from worker.extraction_queue import ExtractionQueue


class PageStarts:
    """Lets the pages of this process start one after the other.

    Args:
        queue: the pages that wait for their extraction.
    """

    def __init__(self, queue: ExtractionQueue) -> None:
        self._next = Semaphore(1)
        self._queue = queue

    def wait(self, seconds: float) -> None:
        """Wait until the next page may start, for at most `seconds`; it then starts in any case."""
        ends_at = time.monotonic() + seconds
        if not self._next.acquire(timeout=seconds):
            return
        try:
            gevent.sleep(0)  # whatever is ready continues before this page starts
            self._queue.wait_for_room(max(0.0, ends_at - time.monotonic()))
        finally:
            self._next.release()


class PageSlots:
    """The page slots of this process, which jobs get in the order in which they ask for them.

    Args:
        count: number of slots.
        large_count: number of the slots whose pages may be large; None for all of them.
        starts: lets the pages that have a slot start one after the other; None to start them at once.
    """

    def __init__(self, count: int, large_count: int | None = None, starts: PageStarts | None = None) -> None:
        self._starts = starts
        self._free = Semaphore(count)
        self._free_large = Semaphore(count if large_count is None else large_count)

    def activity(self) -> "PageActivity":
        """Return the activity of one attempt."""
        return PageActivity(self._free, self._free_large, self._starts)


class PageActivity:
    """The work on one page. It occupies a page slot, and ends when the page budget is spent.

    Args:
        free: the free page slots.
        free_large: how many more of the pages may be large.
        starts: lets the pages start one after the other; None to start them at once.
    """

    def __init__(self, free: Semaphore, free_large: Semaphore, starts: PageStarts | None = None) -> None:
        self._starts = starts
        self._free = free
        self._free_large = free_large
        self._has_slot = self._is_large = False
        self._needs_slot = True
        self._timer: Any = None  # of gevent's event loop, which has no types

    def begin(self, budget: PageBudget) -> None:
        """Take a page slot; from then on, the budget's exception is raised in this greenlet when it is spent.

        After `pause` the activity still has its slot.

        Raises:
            AttemptFailed: `queued_too_long`, if no slot becomes free in the time that the job may wait; or
                `page_budget_exceeded`, if no page time remains.
        """
        page_seconds = budget.remaining()  # does not shrink while the job waits
        if self._needs_slot and not self._has_slot:
            seconds = budget.remaining_wait()
            if not self._free.acquire(timeout=seconds):
                detail = f"no page slot became free within {seconds:.0f} s (PAGE_CONCURRENCY)"
                raise AttemptFailed(Reason.QUEUED_TOO_LONG, detail)
            self._has_slot = True
            if self._starts is not None and (seconds := budget.remaining_wait()):
                self._starts.wait(seconds)
        # The timer also ends what has no time limit of its own, such as a TLS handshake. A gevent.Timeout
        # would take five times as long, and need its exception now.
        self._timer = gevent.get_hub().loop.timer(page_seconds)
        self._timer.start(_end_page, gevent.getcurrent(), budget, update=True)

    def begin_large(self, budget: PageBudget) -> None:
        """Become one of the large pages, or wait for it without a slot, which `begin` takes again.

        No page waits for ever: a page that is large already needs only a slot, and no page waits in a slot.

        Raises:
            AttemptFailed: `queued_too_long`, if no large page ends in the time that the job may wait.
        """
        if self._is_large:
            return
        self._is_large = self._free_large.acquire(blocking=False)
        if self._is_large:
            return
        self._release_slot()
        seconds = budget.remaining_wait()
        if not self._free_large.acquire(timeout=seconds):
            detail = f"too many large pages were processed for {seconds:.0f} s (FETCH_MAX_BYTES)"
            raise AttemptFailed(Reason.QUEUED_TOO_LONG, detail)
        self._is_large = True

    def leave_slot(self) -> None:
        """Give the slot back for good: the body is complete, and what follows does not wait for the site."""
        self._needs_slot = False
        self._release_slot()

    def pause(self) -> None:
        """Stop the timer, and keep the slot."""
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def end(self) -> None:
        """Give back what was taken."""
        self.pause()
        if self._is_large:
            self._is_large = False
            self._free_large.release()
        self._release_slot()

    def _release_slot(self) -> None:
        if self._has_slot:
            self._has_slot = False
            self._free.release()


def _end_page(greenlet: gevent.Greenlet, budget: PageBudget) -> None:
    """Raise the budget's exception in a greenlet. The event loop calls this when the page time is over."""
    greenlet.throw(budget.exceeded())
