"""Cancels runs that have reached a limit of their crawl, `limits.usd` or `limits.bytes`.

A command that watches a run or the stack calls `LimitWatch.check` again and again. What a run exceeds its
limit by is what its workers do from one check to the next, and what they have begun when it is cancelled.
`limits.until` needs no watch, because the workers know it from the jobs.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from console.errors import ConsoleError
from console.ledger.ledger import Ledger
from console.ledger.limit_rows import RunLimits, run_limits
from console.ledger.use_rows import body_bytes, run_use
from console.money.forecast import dollars
from console.money.run_bill import run_bill

if TYPE_CHECKING:
    from console.controls.operator_queue import OperatorQueue

CHECK_SECONDS = 2.0  #: minimum number of seconds between two checks
#: Minimum pause between two checks, as a multiple of the duration of the first of them, so that a check of a
#: large ledger costs little.
PAUSE_PER_CHECK = 50


@dataclass
class LimitWatch:
    """Watches the runs of a ledger.

    Attributes:
        ledger: the ledger.
        open_queue: opens the queue when a run must be cancelled.
        announce: called with a sentence if a run has been cancelled, or could not be.
        clock: returns monotonic seconds.
    """

    ledger: Ledger
    open_queue: Callable[[], AbstractContextManager["OperatorQueue"]]
    announce: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _next_at: float = 0.0
    _cancelled: set[str] = field(default_factory=set)
    _announced: set[str] = field(default_factory=set)

    def check(self) -> None:
        """Cancel the runs that have reached a limit; do nothing if the last check was just before."""
        began = self.clock()
        if began < self._next_at:
            return
        waiting = [each for each in run_limits(self.ledger) if each.run_id not in self._cancelled]
        for limits in waiting:
            if reached := reached_limit(self.ledger, limits):
                self._cancel(limits.run_id, *reached)
        ended = self.clock()
        self._next_at = ended + max(CHECK_SECONDS, PAUSE_PER_CHECK * (ended - began))

    def _cancel(self, run_id: str, name: str, sentence: str) -> None:
        from console.controls.cancel import cancel  # noqa: PLC0415 - imports Pub/Sub's slow client

        in_flight = self.ledger.accounting(run_id).in_flight
        try:
            with self.open_queue() as queue:
                if not queue.controls().is_cancelled(run_id):  # by an operator, or by another watch
                    cancel(queue, run_id, f"limit {name}", in_flight=in_flight)
        except ConsoleError as error:
            self._announce_once(f"Run {run_id} has reached limits.{name}, and is not cancelled yet: {error}")
            return
        self._cancelled.add(run_id)
        self.announce(f"Run {run_id} is cancelled, because {sentence}. Requests that have begun may finish.")

    def _announce_once(self, text: str) -> None:
        if text not in self._announced:
            self._announced.add(text)
            self.announce(text)


def reached_limit(ledger: Ledger, limits: RunLimits) -> tuple[str, str] | None:
    """Return the name of the limit that a run has reached, and a sentence about it; None if it has not."""
    if limits.bytes is not None and (count := body_bytes(ledger, limits.run_id)) >= limits.bytes:
        return "bytes", f"its pages have {count:,} bytes, and limits.bytes is {limits.bytes:,}"
    if limits.usd is not None:
        cost = run_bill(run_use(ledger, limits.run_id)).total.likely
        if cost >= limits.usd:
            return "usd", f"its bill is likely {dollars(cost)}, and limits.usd is {dollars(limits.usd)}"
    return None
