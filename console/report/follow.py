"""Follows a run until its dispatch is complete, and none of its jobs is in flight."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from console.dispatch_response import DispatchResponse
from console.ledger.ledger import Accounting, Ledger

POLL_SECONDS = 0.2  #: minimum pause between two queries of the ledger, in seconds
#: Minimum pause between two queries, as a multiple of the duration of the first of them, so that large
#: ledgers are queried less often.
PAUSE_PER_QUERY = 5
STALL_SECONDS = 60.0  #: number of seconds without a change after which `warn` is called


@dataclass
class Follower:
    """Follows one run.

    Attributes:
        ledger: the ledger that records the run.
        dispatched: the dispatcher's responses for the run. One that continues is replaced by the report in
            the ledger. The ledger may not have all jobs yet, and a listing adds a job for each further page.
        show: called with the number of ended jobs, the number of jobs, and a text, after each query.
        warn: called with a sentence if nothing has changed for `STALL_SECONDS`.
        before_query: called before each query; an exception ends `follow`.
        has_all_jobs: whether the dispatch is complete, and the ledger has all its jobs.
    """

    ledger: Ledger
    dispatched: Sequence[DispatchResponse]
    show: Callable[[int, int, str], None]
    warn: Callable[[str], None] = lambda _: None
    before_query: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._run_id = self.dispatched[0].run_id
        self.has_all_jobs = False
        self._published = sum(each.published for each in self.dispatched)

    def follow(self, seconds: float | None = None) -> Accounting:
        """Return the accounting when all jobs of the run are recorded and have ended, or at the time limit.

        The time limit is `seconds`; None means no limit.
        """
        started = changed = time.monotonic()
        last = (0, Accounting())
        while True:
            self.before_query()
            queried = time.monotonic()
            accounting = self._query()
            now = time.monotonic()
            is_over = self.has_all_jobs and accounting.in_flight == 0
            if is_over or (seconds is not None and now - started > seconds):
                return accounting
            if (self._published, accounting) != last:
                last, changed = (self._published, accounting), now
            elif now - changed > STALL_SECONDS:
                self.warn(self._stalled())
                changed = now
            time.sleep(max(POLL_SECONDS, PAUSE_PER_QUERY * (now - queried)))

    def _query(self) -> Accounting:
        # The accounting comes last: jobs that are recorded between two queries must be in it.
        if not self.has_all_jobs:
            self.has_all_jobs = self._is_recorded()
        accounting = self.ledger.accounting(self._run_id)
        counts = f"succeeded {accounting.succeeded}, retrying {accounting.retrying}, dead {accounting.dead}"
        jobs = accounting.dispatched if self.has_all_jobs else max(self._published, accounting.dispatched)
        self.show(accounting.ended, jobs, counts)
        return accounting

    def _is_recorded(self) -> bool:
        """Return whether each dispatch is complete, and all jobs that its requests published are recorded."""
        self.dispatched = current_responses(self.ledger, self.dispatched)
        self._published = sum(each.published for each in self.dispatched)
        if any(each.continues for each in self.dispatched):
            return False
        return self.ledger.recorded_jobs(self._run_id) >= self._published

    def _stalled(self) -> str:
        waiting = "jobs wait for their host or their next attempt"
        if not self.has_all_jobs:
            waiting = "the dispatch does not continue, or its jobs are not recorded yet"
        return f"Nothing has changed for {STALL_SECONDS:g} s: {waiting}, or `scrapeq up` does not run."


def current_responses(ledger: Ledger, dispatched: Sequence[DispatchResponse]) -> list[DispatchResponse]:
    """Return the responses, with the ledger's report on all requests so far for each that continues."""
    if not any(each.continues for each in dispatched):
        return list(dispatched)
    reports = {each.report.dispatch_id: each.report for each in ledger.dispatches(dispatched[0].run_id)}
    return [reports.get(each.dispatch_id, each) if each.continues else each for each in dispatched]
