"""Tests with which reason an attempt ends whose page could not be extracted in a child process."""

from collections.abc import Callable

import pytest

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from contract.recipe import Recipe
from extraction.extract_items import run
from extraction.selectors import CHECKS
from guarded_http.response import LARGE_BODY_BYTES
from process_pool.limits import Limits
from process_pool.pool import (
    CallFailed,
    CallTime,
    ChildDied,
    CpuLimitExceeded,
    DeadlineExceeded,
    FunctionRaised,
    MemoryLimitExceeded,
    NoFreeProcess,
)
from worker.budget import PageBudget
from worker.child_extraction import MIB, ChildExtraction
from worker.extraction_queue import ExtractionQueue
from worker.page import FetchedPage

RECIPE = Recipe.from_document({"name": "r", "fields": {"price": {"css": "b", "required": True}}}, CHECKS)
LARGEST = Limits(cpu_seconds=10, memory_bytes=256 * MIB)


class PoolThat:
    """A pool whose calls do what a function says.

    Attributes:
        first_level: the number of the first level of the last call.
    """

    def __init__(self, call: Callable[[bytes, bytes], bytes]) -> None:
        self._call = call
        self.first_level = -1

    def call(self, request: bytes, body: bytes, time: CallTime, *, first_level: int) -> bytes:
        """See `ProcessPool.call`."""
        assert time.remaining() > 0
        self.first_level = first_level
        return self._call(request, body)


def raising(error: Exception) -> PoolThat:
    """Return a pool whose calls raise `error`."""

    def call(_request: bytes, _body: bytes) -> bytes:
        raise error

    return PoolThat(call)


def extract(pool: PoolThat, body: str = "<b>7</b>", replaced: list[str] | None = None) -> str:
    """Return the items that a pool extracts."""
    page = FetchedPage("https://shop.example/1", 200, "text/html", body.encode())
    on_dead_server = lambda: (replaced or []).append("replaced")  # noqa: E731 - one short function
    extraction = ChildExtraction(pool, LARGEST, on_dead_server)  # type: ignore[arg-type] # it has the method that is used
    return extraction(RECIPE, page, PageBudget(40), may_be_empty=False).items


def test_items_and_errors_are_those_of_the_child() -> None:
    """A page's items are returned, and an error of the extraction has its reason."""
    pool = PoolThat(lambda request, body: run(request, body, lambda _: None))
    assert extract(pool) == '[{"price":"7"}]'
    with pytest.raises(AttemptFailed) as raised:
        extract(pool, "<i>7</i>")
    assert raised.value.reason is Reason.MISSING_FIELD


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (
            CpuLimitExceeded("price"),
            Reason.TOO_LARGE,
            (
                "the extraction needs more than 10 s of CPU time (EXTRACTION_CPU_SECONDS)"
                "; it was extracting price"
            ),
        ),
        (
            MemoryLimitExceeded("the page"),
            Reason.TOO_LARGE,
            (
                "the extraction needs more than 256 MiB of memory (EXTRACTION_MEMORY_MIB)"
                "; it was extracting the page"
            ),
        ),
        (
            DeadlineExceeded("price"),
            Reason.PAGE_BUDGET_EXCEEDED,
            "the page budget (PAGE_BUDGET_SECONDS) ended during the extraction; it was extracting price",
        ),
        (
            DeadlineExceeded(),
            Reason.PAGE_BUDGET_EXCEEDED,
            "the page budget (PAGE_BUDGET_SECONDS) ended during the extraction, which waited for a process",
        ),
        (
            NoFreeProcess(),
            Reason.QUEUED_TOO_LONG,
            "too many other pages were extracted, or too many large or slow ones (EXTRACTION_PROCESSES)",
        ),
        (
            ChildDied("items", -11),
            Reason.INTERNAL_ERROR,
            "the process that extracted the page died with the exit code -11; it was extracting items",
        ),
    ],
)
def test_a_limit_has_its_reason_and_names_the_field(error: CallFailed, reason: Reason, detail: str) -> None:
    """The detail names the limit, its setting, and what was being extracted."""
    with pytest.raises(AttemptFailed) as raised:
        extract(raising(error))
    assert (raised.value.reason, raised.value.detail) == (reason, detail)


def test_a_large_page_begins_on_the_second_level() -> None:
    """It would probably need more than the first level permits, and pages that need little need not wait."""
    pool = PoolThat(lambda request, body: run(request, body, lambda _: None))
    extract(pool)
    assert pool.first_level == 0
    extract(pool, "<b>7</b>" + " " * LARGE_BODY_BYTES)
    assert pool.first_level == 1


def test_a_wait_for_a_process_costs_no_page_time_and_counts_as_queued() -> None:
    """While a page waits for a process, its page time stands still, and it is in the queue."""
    now, queue, seen = 100.0, ExtractionQueue(1), list[float]()
    budget = PageBudget(40, wait_seconds=500, clock=lambda: now)

    class BusyPool:
        def call(self, _request: bytes, _body: bytes, time: CallTime, *, first_level: int) -> bytes:
            nonlocal now
            assert first_level == 0
            with time.queueing():
                now += 300
                seen.append(queue.has_room)
            seen.append(queue.has_room)
            seen.extend([time.remaining(), time.remaining_wait()])
            raise NoFreeProcess

    page = FetchedPage("https://shop.example/1", 200, "text/html", b"<b>7</b>")
    extraction = ChildExtraction(BusyPool(), LARGEST, queue=queue)  # type: ignore[arg-type] # it has the method that is used
    with pytest.raises(AttemptFailed) as raised:
        extraction(RECIPE, page, budget, may_be_empty=False)
    assert seen == [False, True, 40, 200]
    assert raised.value.reason is Reason.QUEUED_TOO_LONG


def test_without_a_fork_server_the_worker_is_replaced() -> None:
    """The attempt ends like at a shutdown, which costs the job no attempt, and this process ends."""
    replaced = ["first"]
    with pytest.raises(AttemptFailed) as raised:
        extract(raising(BrokenPipeError("no server")), replaced=replaced)
    assert raised.value.reason is Reason.SHUTDOWN
    assert replaced == ["first", "replaced"]


def test_a_bug_in_a_child_is_an_unexpected_exception() -> None:
    """The exception has the stack trace of the child; the attempt is reported as `internal_error`."""
    with pytest.raises(FunctionRaised, match="Traceback"):
        extract(raising(FunctionRaised("Traceback (most recent call last): …")))
