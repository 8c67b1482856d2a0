"""Limits how many pages a process works on at the same time.

A process takes many more pushes than it works on, since a push that only waits costs next to nothing, and
its job is not delivered in vain.
"""

import gevent
from gevent.lock import Semaphore

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from worker.budget import PageBudget


class PageSlots:
    """The page slots of this process, which jobs get in the order in which they ask for them.

    Args:
        count: number of slots.
    """

    def __init__(self, count: int) -> None:
        self._free = Semaphore(count)

    def activity(self) -> "PageActivity":
        """Return the activity of one attempt."""
        return PageActivity(self._free)


class PageActivity:
    """The work on one page. It occupies a page slot, and ends when the page budget is spent.

    Args:
        free: the free page slots.
    """

    def __init__(self, free: Semaphore) -> None:
        self._free = free
        self._has_slot = False
        self._timer: gevent.Timeout | None = None

    def begin(self, budget: PageBudget) -> None:
        """Take a page slot; from then on, the budget's exception is raised in this greenlet when it is spent.

        After `pause` the activity still has its slot.

        Raises:
            AttemptFailed: `queued_too_long`, if no slot becomes free in the time that the job may wait; or
                `page_budget_exceeded`, if no page time remains.
        """
        page_seconds = budget.remaining()  # does not shrink while the job waits
        seconds = budget.remaining_wait()
        if not self._has_slot and not self._free.acquire(timeout=seconds):
            detail = f"no page slot became free within {seconds:.0f} s (PAGE_CONCURRENCY)"
            raise AttemptFailed(Reason.QUEUED_TOO_LONG, detail)
        self._has_slot = True
        # The timer also ends what has no time limit of its own, such as a DNS lookup.
        self._timer = gevent.Timeout.start_new(page_seconds, budget.exceeded())

    def pause(self) -> None:
        """Stop the timer, and keep the slot."""
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def end(self) -> None:
        """Give the slot back, if it was taken."""
        self.pause()
        if self._has_slot:
            self._has_slot = False
            self._free.release()
