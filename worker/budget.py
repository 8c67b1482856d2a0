"""Limits the time of one delivery: seconds for waiting, and apart from them seconds for the page itself."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Protocol

from contract.attempt import AttemptFailed
from contract.outcome import Reason


class Activity(Protocol):
    """What an attempt occupies while it works on its page, and gives back while it waits."""

    def begin(self, budget: "PageBudget") -> None:
        """Occupy it, or wait for it.

        Raises:
            AttemptFailed: if it does not become free within `budget.remaining_wait()` seconds.
        """

    def begin_large(self, budget: "PageBudget") -> None:
        """Occupy what a large page needs in addition, or wait for it.

        Raises:
            AttemptFailed: if it does not become free within `budget.remaining_wait()` seconds.
        """

    def leave_slot(self) -> None:
        """Give back what a page occupies while it is fetched, for good: its body is complete."""

    def pause(self) -> None:
        """Stop the page time, but keep what is occupied; `begin` continues."""

    def end(self) -> None:
        """Give it back."""


class NoActivity:
    """An activity that occupies nothing."""

    def begin(self, budget: "PageBudget") -> None:
        """Do nothing."""

    def begin_large(self, budget: "PageBudget") -> None:
        """Do nothing."""

    def leave_slot(self) -> None:
        """Do nothing."""

    def pause(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class PageBudget:
    """The remaining seconds of one delivery.

    Args:
        seconds: seconds for the page: robots.txt, connections, redirects, body and extraction.
        wait_seconds: seconds that the delivery may wait, for example for the lookup of its host's
            name, or for the host's next slot.
        hold_seconds: seconds that the delivery may wait for one host, or for its `not_before`; at most
            `wait_seconds`. None if there is no such limit.
        received_at: when the worker received the job, by `clock`; None for now.
        clock: returns monotonic seconds.

    Attributes:
        seconds: seconds for the page.
        wait_seconds: seconds for waiting.
        hold_seconds: seconds for waiting for one host, or for `not_before`.
    """

    def __init__(
        self,
        seconds: float,
        *,
        wait_seconds: float = 0.0,
        hold_seconds: float | None = None,
        received_at: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds = seconds
        self.wait_seconds = wait_seconds
        self.hold_seconds = wait_seconds if hold_seconds is None else min(hold_seconds, wait_seconds)
        self._clock = clock
        self._finished_waits = 0.0
        self._waiting_since: float | None = None
        # Each wait puts the end of the page time off by its length.
        self._ends_at = (clock() if received_at is None else received_at) + seconds
        self._activity: Activity | None = None

    @property
    def waited(self) -> float:
        """Seconds that the delivery has waited so far, including a wait that still lasts."""
        since = self._waiting_since
        return self._finished_waits + (0.0 if since is None else self._clock() - since)

    @property
    def is_waiting(self) -> bool:
        """Whether the delivery waits."""
        return self._waiting_since is not None

    @contextmanager
    def active(self, activity: Activity) -> Iterator[None]:
        """Work on the page inside the context; `waiting` interrupts the activity.

        Raises:
            AttemptFailed: if the activity cannot begin in time.
        """
        self._activity = activity
        try:
            self.start_wait()
            try:
                activity.begin(self)
            finally:
                self.end_wait()
            yield
        finally:
            self._activity = None
            activity.end()

    def waiting(self, *, keeps_activity: bool = False) -> AbstractContextManager[None]:
        """Count the time inside the context as waiting, and interrupt the activity for as long.

        Args:
            keeps_activity: whether to keep what the activity occupies, for a short wait.

        Raises:
            AttemptFailed: if the activity cannot begin again in time.
        """
        return _Waiting(self, self._activity, keeps_activity=keeps_activity)

    def start_wait(self) -> None:
        """Count the time from now on as waiting; `waiting` also interrupts the activity."""
        self._waiting_since = self._clock()

    def end_wait(self) -> None:
        """End the wait that `start_wait` began."""
        if self._waiting_since is not None:
            seconds = self._clock() - self._waiting_since
            self._finished_waits += seconds
            self._ends_at += seconds
            self._waiting_since = None

    def begin_large(self) -> None:
        """Occupy what a large page needs, until the activity ends; a wait for it costs no page time.

        Raises:
            AttemptFailed: if it does not become free in time.
        """
        if self._activity is not None:
            with self.waiting(keeps_activity=True):
                self._activity.begin_large(self)

    def leave_slot(self) -> None:
        """Give back what the page needs only while it is fetched; the page time goes on."""
        if self._activity is not None:
            self._activity.leave_slot()

    def remaining(self) -> float:
        """Return the remaining seconds for the page, more than 0.

        Raises:
            AttemptFailed: `page_budget_exceeded`, if no time remains.
        """
        since = self._waiting_since
        seconds = self._ends_at - (self._clock() if since is None else since)
        if seconds <= 0:
            raise self.exceeded()
        return seconds

    def remaining_wait(self) -> float:
        """Return for how many more seconds the delivery may wait, at least 0."""
        return max(0.0, self.wait_seconds - self.waited)

    def remaining_hold(self) -> float:
        """Return for how many more seconds the delivery may wait for its host or its `not_before`."""
        return max(0.0, self.hold_seconds - self.waited)

    def exceeded(self) -> AttemptFailed:
        """Return the exception that ends a page that took too long."""
        detail = f"the page took longer than {self.seconds:g} s (PAGE_BUDGET_SECONDS)"
        return AttemptFailed(Reason.PAGE_BUDGET_EXCEEDED, detail)


class _Waiting:
    """The context of `PageBudget.waiting`.

    It is not a generator, since each job waits several times, and a generator takes twice as long.

    Args:
        budget: the budget.
        activity: the activity to interrupt; None if the delivery has none.
        keeps_activity: whether to keep what the activity occupies.
    """

    def __init__(self, budget: PageBudget, activity: Activity | None, *, keeps_activity: bool) -> None:
        self._budget = budget
        self._activity = activity
        self._keeps_activity = keeps_activity

    def __enter__(self) -> None:
        self._budget.start_wait()
        if self._activity is None:
            return
        if self._keeps_activity:
            self._activity.pause()
        else:
            self._activity.end()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._activity is not None:
                self._activity.begin(self._budget)
        finally:
            self._budget.end_wait()
