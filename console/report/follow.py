"""Follows a run until its dispatch is complete, and none of its jobs is in flight."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from console.dispatch_response import DispatchResponse
from console.ledger.ledger import Accounting, Ledger
from console.ledger.run_overview import queue_summary
from console.stack.stack_file import is_running

POLL_SECONDS = 0.2  #: minimum pause between two queries of the ledger, in seconds
#: Minimum pause between two queries, as a multiple of the processor time of the first of them and of
#: `before_query`, so that waiting takes less than 1 % of a core, with its other work.
PAUSE_PER_QUERY = 250
MAX_PAUSE_SECONDS = 10.0  #: maximum pause
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
        describe_stack: returns a sentence on whether the services run, which is added to the warning.
        has_all_jobs: whether the dispatch is complete, and the ledger has all its jobs.
    """

    ledger: Ledger
    dispatched: Sequence[DispatchResponse]
    show: Callable[[int, int, str], None]
    warn: Callable[[str], None] = lambda _: None
    before_query: Callable[[], None] = lambda: None
    describe_stack: Callable[[], str] = lambda: ""

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
            used = time.process_time()
            self.before_query()
            accounting = self._query()
            now = time.monotonic()
            is_over = self.has_all_jobs and accounting.in_flight == 0
            if is_over or (seconds is not None and now - started > seconds):
                return accounting
            if (self._published, accounting) != last:
                last, changed = (self._published, accounting), now
            elif now - changed > STALL_SECONDS:
                self.warn(self.describe_stall(accounting))
                changed = now
            pause = PAUSE_PER_QUERY * (time.process_time() - used)
            time.sleep(min(MAX_PAUSE_SECONDS, max(POLL_SECONDS, pause)))

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

    def describe_stall(self, accounting: Accounting) -> str:
        """Say what the ledger knows about the jobs that are waited for, and whether the stack runs."""
        if not self.has_all_jobs:
            known = "the dispatch has not ended, or the ledger does not have all its jobs yet"
        else:
            known = (
                f"{accounting.in_flight} jobs are in flight, {accounting.retrying} of them after an attempt"
            )
            blocked = queue_summary(self.ledger).blocked
            if blocked:
                known += f"; {blocked[0].host} is not requested before {blocked[0].until[:19]} UTC"
        return f"Nothing has changed for {STALL_SECONDS:g} s: {known}. {self.describe_stack()}".rstrip()


def current_responses(ledger: Ledger, dispatched: Sequence[DispatchResponse]) -> list[DispatchResponse]:
    """Return the responses, with the ledger's report on all requests so far for each that continues."""
    if not any(each.continues for each in dispatched):
        return list(dispatched)
    reports = {each.report.dispatch_id: each.report for each in ledger.dispatches(dispatched[0].run_id)}
    return [reports.get(each.dispatch_id, each) if each.continues else each for each in dispatched]


def describe_stack(ledger: Ledger) -> str:
    """Return a sentence on whether a stack runs in the data directory; `""` if the ledger is not its file."""
    if not ledger.is_file:
        return ""
    if is_running(ledger.data):
        return f"`scrapeq up` runs in {ledger.data}."
    return f"No `scrapeq up` runs in {ledger.data}, so the jobs wait until one is started there."
