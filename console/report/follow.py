"""Follows a run until none of its jobs is in flight."""

import time
from collections.abc import Callable
from dataclasses import dataclass

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
        run_id: id of the run.
        expected: number of jobs that the dispatcher published; the ledger may not have all of them yet, and
            a listing adds a job for each further page.
        show: called with the number of ended jobs, the number of jobs, and a text, after each query.
        warn: called with a sentence if nothing has changed for `STALL_SECONDS`.
        before_query: called before each query; an exception ends `follow`.
    """

    ledger: Ledger
    run_id: str
    expected: int
    show: Callable[[int, int, str], None]
    warn: Callable[[str], None] = lambda _: None
    before_query: Callable[[], None] = lambda: None

    def follow(self, seconds: float | None = None) -> Accounting:
        """Return the accounting when all expected jobs are recorded and have ended, or at the time limit.

        The time limit is `seconds`; None means no limit.
        """
        started = changed = time.monotonic()
        last = Accounting()
        while True:
            self.before_query()
            queried = time.monotonic()
            accounting = self._query()
            now = time.monotonic()
            if self._is_over(accounting) or (seconds is not None and now - started > seconds):
                return accounting
            if accounting != last:
                last, changed = accounting, now
            elif now - changed > STALL_SECONDS:
                self.warn(
                    f"Nothing has changed for {STALL_SECONDS:g} s: jobs wait for their host or their next "
                    "attempt, or `scrapeq up` does not run."
                )
                changed = now
            time.sleep(max(POLL_SECONDS, PAUSE_PER_QUERY * (now - queried)))

    def _query(self) -> Accounting:
        accounting = self.ledger.accounting(self.run_id)
        counts = f"succeeded {accounting.succeeded}, retrying {accounting.retrying}, dead {accounting.dead}"
        jobs = max(self.expected, accounting.dispatched)
        self.show(accounting.succeeded + accounting.dead, jobs, counts)
        return accounting

    def _is_over(self, accounting: Accounting) -> bool:
        return accounting.dispatched >= self.expected and accounting.in_flight == 0
