"""Extracts pages in child processes, so that no page holds the worker or fills its memory."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from contract.recipe import Recipe
from extraction.extract_items import ExtractedItems, decode_result, encode_request
from guarded_http.response import LARGE_BODY_BYTES
from process_pool.limits import Limits
from process_pool.pool import (
    CallFailed,
    ChildDied,
    CpuLimitExceeded,
    DeadlineExceeded,
    Level,
    MemoryLimitExceeded,
    NoFreeProcess,
    ProcessPool,
    ResultTooLarge,
)
from worker.budget import PageBudget
from worker.extraction_queue import ExtractionQueue
from worker.page import FetchedPage

MIB = 1024 * 1024
#: Nearly all pages need less. A page that needs more, and a page of more than `LARGE_BODY_BYTES`, waits only
#: for other such pages.
FIRST_LIMITS = Limits(cpu_seconds=0.1, memory_bytes=64 * MIB)
SECOND_LIMITS = Limits(cpu_seconds=1.0, memory_bytes=128 * MIB, niceness=2)  #: most large pages need less
LAST_NICENESS = 5


def levels(processes: int, cpu_seconds: float, memory_bytes: int) -> list[Level]:
    """Return the levels of the pool.

    Args:
        processes: number of processes of the first level, and of the second.
        cpu_seconds: the largest CPU time of one page.
        memory_bytes: the largest memory of one page, in bytes.
    """
    last = Limits(cpu_seconds, memory_bytes, niceness=LAST_NICENESS)
    earlier = [
        replace(
            limits,
            cpu_seconds=min(limits.cpu_seconds, cpu_seconds),
            memory_bytes=min(limits.memory_bytes, memory_bytes),
        )
        for limits in (FIRST_LIMITS, SECOND_LIMITS)
    ]
    return [*(Level(processes, limits) for limits in earlier), Level(1, last)]


def end_this_process() -> None:
    """Shut this process down; gunicorn starts another one, and before it the fork server."""
    os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True)
class _ExtractionTime:
    """The time of an extraction: that of the page, but a wait for a process costs no page time.

    Attributes:
        budget: the budget of the delivery.
        queue: the pages that wait for a process of the first level.
    """

    budget: PageBudget
    queue: ExtractionQueue

    def remaining(self) -> float:
        """See `CallTime`."""
        return self.budget.remaining()

    def remaining_wait(self) -> float:
        """See `CallTime`."""
        return self.budget.remaining_wait()

    @contextmanager
    def queueing(self) -> Iterator[None]:
        """See `CallTime`. The page keeps its slot, since the wait is short."""
        with self.queue.waiting(), self.budget.waiting(keeps_activity=True):
            yield

    def waiting(self) -> AbstractContextManager[object]:
        """See `CallTime`. The page has its body, so it leaves its slot to a page that has none yet."""
        self.budget.leave_slot()
        return self.budget.waiting(keeps_activity=True)


class ChildExtraction:
    """Extracts the items of pages in the processes of a pool.

    Args:
        pool: the pool, whose function is `extraction.extract_items.run`.
        largest: the limits of its last level.
        on_dead_server: called if the fork server has died.
        queue: counts the pages that wait for a process of the first level; None if nobody asks for them.
    """

    def __init__(
        self,
        pool: ProcessPool,
        largest: Limits,
        on_dead_server: Callable[[], None] = end_this_process,
        queue: ExtractionQueue | None = None,
    ) -> None:
        self._pool = pool
        self._queue = queue or ExtractionQueue(1)
        self._largest = largest
        self._on_dead_server = on_dead_server

    def __call__(
        self, recipe: Recipe, page: FetchedPage, budget: PageBudget, *, may_be_empty: bool
    ) -> ExtractedItems:
        """Return the items of a page.

        Raises:
            AttemptFailed: `too_large` at a limit of CPU time or memory, `page_budget_exceeded` at the end of
                the budget, `queued_too_long` if too many slow pages are waiting, `shutdown` if no children
                can be started; or if the items cannot be extracted.
        """
        request = encode_request(recipe, page, may_be_empty=may_be_empty)
        try:
            first_level = int(len(page.body) > LARGE_BODY_BYTES)
            result = self._pool.call(
                request, page.body, _ExtractionTime(budget, self._queue), first_level=first_level
            )
        except CallFailed as error:
            raise self._attempt_failed(error) from None
        except OSError as error:
            self._on_dead_server()
            detail = f"the worker is replaced, because it cannot start processes: {error}"
            raise AttemptFailed(Reason.SHUTDOWN, detail) from None
        return decode_result(result)

    def _attempt_failed(self, error: CallFailed) -> AttemptFailed:
        where = f"; it was extracting {error.note}" if error.note else ""
        if isinstance(error, CpuLimitExceeded):
            limit = f"{self._largest.cpu_seconds:g} s of CPU time (EXTRACTION_CPU_SECONDS)"
            return AttemptFailed(Reason.TOO_LARGE, f"the extraction needs more than {limit}{where}")
        if isinstance(error, MemoryLimitExceeded):
            limit = f"{self._largest.memory_bytes // MIB} MiB of memory (EXTRACTION_MEMORY_MIB)"
            return AttemptFailed(Reason.TOO_LARGE, f"the extraction needs more than {limit}{where}")
        if isinstance(error, ResultTooLarge):
            return AttemptFailed(Reason.TOO_LARGE, "the items are larger than a process may return")
        if isinstance(error, NoFreeProcess):
            detail = (
                "too many other pages were extracted, or too many large or slow ones (EXTRACTION_PROCESSES)"
            )
            return AttemptFailed(Reason.QUEUED_TOO_LONG, detail)
        if isinstance(error, DeadlineExceeded):
            detail = "the page budget (PAGE_BUDGET_SECONDS) ended during the extraction"
            where = where or ", which waited for a process"
            return AttemptFailed(Reason.PAGE_BUDGET_EXCEEDED, detail + where)
        how = f" with the exit code {error.code}" if isinstance(error, ChildDied) else ""
        return AttemptFailed(Reason.INTERNAL_ERROR, f"the process that extracted the page died{how}{where}")
