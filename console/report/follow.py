"""Watching a run until nothing of it is in flight."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from console.ledger.ledger import Accounting, Ledger

LOOK_SECONDS = 0.2  #: between two looks at the ledger; longer where a look takes long
QUIET_SECONDS = 60.0  #: without any change, after which a remark is due


@dataclass
class Follower:
    """Follows one run.

    Attributes:
        ledger: where it is recorded.
        run_id: which run.
        expected: jobs that the dispatcher has published; the ledger may not have them all yet.
        show: takes how many jobs have ended, and words.
        remark: takes a sentence where nothing has changed for a while.
        tend: called at each look; it may raise to end the watch.
    """

    ledger: Ledger
    run_id: str
    expected: int
    show: Callable[[int, str], None]
    remark: Callable[[str], None] = lambda _: None
    supervise: Callable[[], None] = lambda: None

    def follow(self, seconds: float | None = None) -> Accounting:
        """Return the accounting once nothing is in flight, or as it stands after `seconds`."""
        started = changed = time.monotonic()
        last = Accounting()
        while True:
            self.supervise()
            looked = time.monotonic()
            accounting = self._look()
            now = time.monotonic()
            if self._is_over(accounting) or (seconds is not None and now - started > seconds):
                return accounting
            if accounting != last:
                last, changed = accounting, now
            elif now - changed > QUIET_SECONDS:
                self.remark("Nothing has changed for a while. Is `scrapeq up` running?")
                changed = now
            time.sleep(max(LOOK_SECONDS, 5 * (now - looked)))

    def _look(self) -> Accounting:
        accounting = self.ledger.accounting(self.run_id)
        words = f"succeeded {accounting.succeeded}, retrying {accounting.retrying}, dead {accounting.dead}"
        self.show(accounting.succeeded + accounting.dead, words)
        return accounting

    def _is_over(self, accounting: Accounting) -> bool:
        return accounting.dispatched >= self.expected and accounting.in_flight == 0
