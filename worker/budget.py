"""Limits the time of one delivery: seconds for waiting, and apart from them seconds for the page itself."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        self._received_at = clock() if received_at is None else received_at
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
            with self._counted_as_waiting():
                activity.begin(self)
            yield
        finally:
            self._activity = None
            activity.end()

    @contextmanager
    def waiting(self, *, keeps_activity: bool = False) -> Iterator[None]:
        """Count the time inside the context as waiting, and interrupt the activity for as long.

        Args:
            keeps_activity: whether to keep what the activity occupies, for a short wait.

        Raises:
            AttemptFailed: if the activity cannot begin again in time.
        """
        activity = self._activity
        with self._counted_as_waiting():
            if activity is not None and keeps_activity:
                activity.pause()
            elif activity is not None:
                activity.end()
            yield
            if activity is not None:
                activity.begin(self)

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
        seconds = self._received_at + self.waited + self.seconds - self._clock()
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

    @contextmanager
    def _counted_as_waiting(self) -> Iterator[None]:
        self._waiting_since = self._clock()
        try:
            yield
        finally:
            self._finished_waits, self._waiting_since = self.waited, None
