"""Keeps the operator's controls of this process current, and ends or holds the attempts that they concern.

The controls are labels of the jobs topic (contract/controls.py). One greenlet reads them every
`READ_SECONDS` while attempts run. A process that was idle reads them before its first request. If they cannot
be read, those that were read last stay in force.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from math import inf

import gevent
from gevent.event import Event

from contract.attempt import AttemptFailed
from contract.controls import Controls
from contract.job import Job
from contract.outcome import Reason
from contract.urls import host_of
from runtime import log
from worker.budget import PageBudget

#: Seconds from the beginning of one reading to that of the next. With `CALL_SECONDS` this is the bound of
#: `scrapeq cancel` and `scrapeq pause`: a label that was set is in force 4 s later, if Pub/Sub answers.
READ_SECONDS = 2.0
CALL_SECONDS = 2.0  #: time limit of one reading
LOG_SECONDS = 60.0  #: readings that fail are logged at most once in this time
HOLD_STEP_SECONDS = 1.0  #: an attempt that is paused looks this often whether it may go on

#: Reads the labels of the jobs topic within a number of seconds, or raises an exception.
ReadLabels = Callable[[float], Mapping[str, str]]


class OperatorControls:
    """The operator's controls, as this process has read them last.

    Args:
        read_labels: reads the labels of the jobs topic.
        sleep: waits for a number of seconds, or until the process shuts down.
        clock: returns monotonic seconds.
        now: returns seconds since the epoch.
        read_seconds: seconds from one reading to the next.
        max_hold_seconds: longest time for which a paused job is held, if it is published again
            afterwards; until then it keeps an open push, which the jobs of other runs may need.

    Attributes:
        controls: the controls.
        max_hold_seconds: the argument.
    """

    def __init__(  # noqa: PLR0913 - four of the arguments have defaults
        self,
        read_labels: ReadLabels,
        *,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        read_seconds: float = READ_SECONDS,
        max_hold_seconds: float = inf,
    ) -> None:
        self.controls = Controls()
        self._read_labels = read_labels
        self._sleep = sleep
        self._clock = clock
        self._now = now
        self._read_seconds = read_seconds
        self.max_hold_seconds = max_hold_seconds
        self._attempts: dict[_Attempt, gevent.Greenlet] = {}
        self._tried_at = self._logged_at = -inf
        self._next_try = Event()
        self._reader: gevent.Greenlet | None = None

    @property
    def is_reading(self) -> bool:
        """Whether the controls are read regularly, because attempts run."""
        return self._reader is not None

    @contextmanager
    def attempt(self, job: Job, budget: PageBudget) -> Iterator["_Attempt"]:
        """Control the attempt of the calling greenlet inside the context.

        Raises:
            AttemptFailed: `cancelled`, if the run is cancelled, also inside the context while the attempt
                waits; or `paused`, after the time for which the job may wait.
        """
        attempt = _Attempt(self, job, budget)
        self._attempts[attempt] = gevent.getcurrent()
        try:
            self._ensure_current(budget)
            attempt.wait(job.url, budget)
            yield attempt
        finally:
            del self._attempts[attempt]

    def paused_until(self, job: Job, url: str) -> float | None:
        """Return when a job may request `url`, in seconds since the epoch; None if it may now."""
        return self.controls.paused_until(job.run_id, host_of(url), self._now())

    def has_passed(self, until: datetime) -> bool:
        """Return whether a time has passed."""
        return self._now() > until.timestamp()

    def hold(self, seconds: float) -> None:
        """Let a paused attempt wait for at most `seconds`; it must then look again."""
        self._sleep(min(seconds, HOLD_STEP_SECONDS))

    def _ensure_current(self, budget: PageBudget) -> None:
        """Let the reader run; if the controls are old, since this process was idle, wait for it."""
        if self._reader is None:
            self._reader = gevent.spawn(self._read_while_attempts_run)
        # While Cloud Run takes the processor from an idle instance, its reader stands still.
        if self._clock() - self._tried_at > self._read_seconds + CALL_SECONDS:
            may_wait = budget.remaining_wait() >= CALL_SECONDS
            with budget.waiting() if may_wait else nullcontext():
                self._next_try.wait(CALL_SECONDS)

    def _read_while_attempts_run(self) -> None:
        try:
            while self._attempts:
                began = self._clock()
                self._read()
                self._tried_at = self._clock()
                self._next_try.set()
                self._next_try = Event()
                self._end_cancelled_waits()
                gevent.sleep(max(0.0, began + self._read_seconds - self._tried_at))
        finally:
            self._reader = None

    def _read(self) -> None:
        try:
            controls = Controls.from_labels(self._read_labels(CALL_SECONDS))
        except Exception as error:  # noqa: BLE001 - whatever fails, the controls that were read last stay in force
            if self._clock() - self._logged_at >= LOG_SECONDS:
                self._logged_at = self._clock()
                detail = f"{type(error).__name__}: {error}; those that were read last stay in force"
                log.event(log.WARNING, "controls_not_read", {"detail": detail})
        else:
            if controls != self.controls:
                self.controls = controls
                log.event(log.INFO, "controls_changed", _counts(controls))

    def _end_cancelled_waits(self) -> None:
        for attempt in self._attempts:
            if attempt.is_cancelled:
                gevent.get_hub().loop.run_callback(self._end, attempt)

    def _end(self, attempt: "_Attempt") -> None:
        """End an attempt if it still waits. The event loop calls this, so nothing else runs in between."""
        greenlet = self._attempts.get(attempt)
        if greenlet is not None and attempt.is_waiting:
            greenlet.throw(attempt.cancelled())


class _Attempt:
    """An attempt of this process; it is its own permit (worker/permit.py).

    Args:
        operator: the operator's controls.
        job: the job.
        budget: the time of the delivery.
    """

    def __init__(self, operator: OperatorControls, job: Job, budget: PageBudget) -> None:
        self._operator = operator
        self._job = job
        self._budget = budget

    @property
    def is_cancelled(self) -> bool:
        """Whether the run is cancelled, or the time limit of its crawl has passed."""
        return self._is_late or self._operator.controls.is_cancelled(self._job.run_id)

    @property
    def _is_late(self) -> bool:
        return self._job.until is not None and self._operator.has_passed(self._job.until)

    @property
    def is_waiting(self) -> bool:
        """Whether the attempt waits, so that no request is under way."""
        return self._budget.is_waiting

    def wait(self, url: str, budget: PageBudget) -> None:
        """Wait while the job is paused; see `Permit.wait`."""
        if not self.is_paused(url):
            return
        most = self._operator.max_hold_seconds
        with budget.waiting():
            before = budget.waited
            while self.is_paused(url):
                seconds = min(budget.remaining_hold(), before + most - budget.waited)
                if seconds <= 0:
                    raise self._paused(url)
                self._operator.hold(seconds)

    def check(self, url: str) -> None:
        """Check that `url` may be requested now; see `Permit.check`."""
        if self.is_paused(url):
            raise self._paused(url)

    def is_paused(self, url: str) -> bool:
        """Return whether the job must wait; see `Permit.is_paused`."""
        if self._operator.controls.is_empty and self._job.until is None:
            return False
        if self.is_cancelled:
            raise self.cancelled()
        return self._operator.paused_until(self._job, url) is not None

    def cancelled(self) -> AttemptFailed:
        """Return the exception that ends an attempt of a cancelled run, or of one whose time is over."""
        if self._is_late:
            return AttemptFailed(Reason.RUN_LIMIT, f"limits.until of the crawl was {self._job.until}")
        return AttemptFailed(Reason.CANCELLED, f"the operator has cancelled run {self._job.run_id}")

    def _paused(self, url: str) -> AttemptFailed:
        until = self._operator.paused_until(self._job, url) or inf
        end = "until it is resumed" if until == inf else f"until {_utc(until)}"
        return AttemptFailed(Reason.PAUSED, f"the operator has paused the run, {host_of(url)} or all, {end}")


def _counts(controls: Controls) -> dict[str, object]:
    return {
        "cancelled_runs": len(controls.cancelled_runs),
        "paused_runs": len(controls.paused_runs),
        "paused_hosts": len(controls.paused_hosts),
        "all_paused": controls.all_paused_until is not None,
    }


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
