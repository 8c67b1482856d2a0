"""Tests the page slots with real greenlets: how many pages a process works on at the same time."""

from collections.abc import Callable

import gevent
import pytest
from gevent import GreenletExit
from gevent.event import Event

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from tests.servers.waiting import MAX_WAIT_SECONDS
from worker.budget import PageBudget
from worker.extraction_queue import ExtractionQueue
from worker.page_slots import PageActivity, PageSlots, PageStarts

LONG_SECONDS = MAX_WAIT_SECONDS  #: a budget that is not spent while a test runs


def make_budget(seconds: float = LONG_SECONDS, wait_seconds: float = LONG_SECONDS) -> PageBudget:
    """Return a budget; by default it is not spent while a test runs."""
    return PageBudget(seconds, wait_seconds=wait_seconds)


def assert_all_free(slots: PageSlots, count: int) -> None:
    """Fail unless exactly `count` slots are free, also for large pages, and give them back."""
    taken = [slots.activity() for _ in range(count)]
    for activity in taken:
        activity.begin(make_budget(wait_seconds=0))
        activity.begin_large(make_budget(wait_seconds=0))
    with pytest.raises(AttemptFailed, match="queued_too_long"):
        slots.activity().begin(make_budget(wait_seconds=0))
    for activity in taken:
        activity.end()


def finish(greenlets: list[gevent.Greenlet]) -> None:
    """Wait for the greenlets, and raise their first error."""
    gevent.joinall(greenlets, timeout=MAX_WAIT_SECONDS, raise_error=True)
    assert all(greenlet.ready() for greenlet in greenlets)


def test_at_most_as_many_pages_as_slots_are_active() -> None:
    """Of 20 jobs that wait and work, never more than 3 work at the same time, and all of them finish."""
    slots, active, most = PageSlots(3), 0, 0

    def work() -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        gevent.sleep(0)
        active -= 1

    def attempt() -> None:
        budget = make_budget()
        with budget.active(slots.activity()):
            work()
            with budget.waiting():
                gevent.sleep(0)
            work()

    finish([gevent.spawn(attempt) for _ in range(20)])
    assert most == 3
    assert_all_free(slots, 3)


def test_a_waiting_job_gives_its_slot_to_another() -> None:
    """While one job waits for its host, another job uses its page slot, the only one."""
    slots = PageSlots(1)
    is_waiting, other_has_worked = Event(), Event()

    def wait_for_the_other() -> None:
        budget = make_budget()
        with budget.active(slots.activity()), budget.waiting():
            is_waiting.set()
            assert other_has_worked.wait(MAX_WAIT_SECONDS)

    def other() -> None:
        assert is_waiting.wait(MAX_WAIT_SECONDS)
        with make_budget().active(slots.activity()):
            other_has_worked.set()

    finish([gevent.spawn(wait_for_the_other), gevent.spawn(other)])
    assert_all_free(slots, 1)


def test_a_short_wait_can_keep_the_slot() -> None:
    """While a job waits and keeps its page slot, no other job gets it, and the page time stands still."""
    slots = PageSlots(1)
    budget = PageBudget(0.05, wait_seconds=LONG_SECONDS, clock=lambda: 0.0)
    with budget.active(slots.activity()):
        with budget.waiting(keeps_activity=True):
            gevent.sleep(0.1)
            with pytest.raises(AttemptFailed, match="queued_too_long"):
                slots.activity().begin(make_budget(wait_seconds=0))
        with pytest.raises(AttemptFailed, match="page_budget_exceeded"):
            gevent.sleep(MAX_WAIT_SECONDS)
    assert_all_free(slots, 1)


def test_slots_are_given_in_the_order_of_the_jobs() -> None:
    """A job does not overtake another that has asked for a page slot before."""
    slots, order = PageSlots(1), list[int]()
    activity = slots.activity()
    activity.begin(make_budget())

    def attempt(number: int) -> None:
        with make_budget().active(slots.activity()):
            order.append(number)
            gevent.sleep(0)

    waiting = [gevent.spawn(attempt, number) for number in range(5)]
    gevent.sleep(0)
    activity.end()
    finish(waiting)
    assert order == [0, 1, 2, 3, 4]


def test_a_job_that_gets_no_slot_ends_with_queued_too_long() -> None:
    """If no page slot becomes free in the time for waiting, the job ends without work."""
    slots = PageSlots(1)
    with make_budget().active(slots.activity()):
        with (
            pytest.raises(AttemptFailed, match="no page slot became free within") as failure,
            make_budget(wait_seconds=0.01).active(slots.activity()),
        ):
            pytest.fail("the job worked without a page slot")
        assert failure.value.reason is Reason.QUEUED_TOO_LONG
    assert_all_free(slots, 1)


def test_waiting_for_a_slot_costs_no_page_time() -> None:
    """A job whose wait for a page slot is longer than its page budget still has all of its page time."""
    slots, has_waited = PageSlots(1), Event()
    first = slots.activity()
    first.begin(make_budget())
    seconds = 0.0

    def clock() -> float:
        return seconds

    def attempt() -> None:
        budget = PageBudget(40, wait_seconds=520, clock=clock)
        with budget.active(slots.activity()):
            assert budget.remaining() == 40
            assert budget.remaining_wait() == 420
            has_waited.set()

    waiting = gevent.spawn(attempt)
    gevent.sleep(0)
    seconds = 100.0
    first.end()
    finish([waiting])
    assert has_waited.is_set()
    assert_all_free(slots, 1)


def test_work_ends_when_the_page_budget_is_spent() -> None:
    """Work that never ends by itself is ended by the budget's exception, even in a blocking call."""
    slots = PageSlots(1)
    with pytest.raises(AttemptFailed) as failure, make_budget(0.02).active(slots.activity()):
        gevent.sleep(MAX_WAIT_SECONDS)
    assert failure.value.reason is Reason.PAGE_BUDGET_EXCEEDED
    assert_all_free(slots, 1)


def test_the_page_budget_does_not_end_a_wait() -> None:
    """While a job waits, its page time does not run, so a wait longer than it is not ended by it."""
    slots = PageSlots(1)
    budget = PageBudget(0.05, wait_seconds=LONG_SECONDS, clock=lambda: 0.0)
    with budget.active(slots.activity()), budget.waiting():
        gevent.sleep(0.1)
    assert_all_free(slots, 1)


def kill(greenlet: gevent.Greenlet) -> None:
    """End a greenlet with GreenletExit."""
    gevent.kill(greenlet)


def shut_down(greenlet: gevent.Greenlet) -> None:
    """End a greenlet as a shutdown does."""
    gevent.kill(greenlet, AttemptFailed(Reason.SHUTDOWN))


@pytest.mark.parametrize("end", [kill, shut_down])
@pytest.mark.parametrize(
    "step", ["queued", "working", "pausing", "waiting", "queued again", "large", "queued as large"]
)
def test_no_slot_leaks_when_a_job_is_ended(end: Callable[[gevent.Greenlet], None], step: str) -> None:
    """Wherever an attempt is ended from outside, its page slot is free afterwards, and only once."""
    slots, others = PageSlots(1), list[PageActivity]()
    other = slots.activity()
    if step == "queued":
        other.begin(make_budget())
        others.append(other)

    def attempt() -> None:
        budget = make_budget()
        with budget.active(slots.activity()):
            if step == "queued as large":
                large = slots.activity()
                large.begin_large(make_budget())
                others.append(large)
            if step in {"large", "queued as large"}:
                budget.begin_large()
            if step in {"working", "large"}:
                gevent.sleep(MAX_WAIT_SECONDS)
            with budget.waiting(keeps_activity=step == "pausing"):
                if step == "queued again":
                    other.begin(make_budget())
                    others.append(other)
                else:
                    gevent.sleep(MAX_WAIT_SECONDS)

    greenlet = gevent.spawn(attempt)
    gevent.sleep(0)
    assert not greenlet.ready()
    end(greenlet)
    greenlet.join(MAX_WAIT_SECONDS)
    assert greenlet.ready()
    for activity in others:
        activity.end()
    assert_all_free(slots, 1)


@pytest.mark.parametrize("error", [AttemptFailed(Reason.DNS), RuntimeError("bug"), GreenletExit()])
def test_no_slot_leaks_after_an_error(error: BaseException) -> None:
    """An error of the page, and one in a wait, give the slot back."""
    slots = PageSlots(1)
    with pytest.raises(type(error)), make_budget().active(slots.activity()):
        raise error
    budget = make_budget()
    with pytest.raises(type(error)), budget.active(slots.activity()), budget.waiting():
        raise error
    assert_all_free(slots, 1)


def test_no_slot_leaks_if_no_page_time_remains() -> None:
    """A job that has no page time left takes no slot."""
    slots = PageSlots(1)
    budget = PageBudget(1, wait_seconds=1, received_at=0.0, clock=lambda: 2.0)
    with pytest.raises(AttemptFailed, match="page_budget_exceeded"), budget.active(slots.activity()):
        pytest.fail("the work began without time")
    assert_all_free(slots, 1)


def test_at_most_as_many_pages_as_permitted_are_large() -> None:
    """Of 20 large pages, never more than 2 are processed at the same time, and all of them finish."""
    slots, large, most = PageSlots(10, 2), 0, 0

    def attempt() -> None:
        nonlocal large, most
        budget = make_budget()
        with budget.active(slots.activity()):
            budget.begin_large()
            budget.begin_large()  # the page is large already
            large += 1
            most = max(most, large)
            gevent.sleep(0)
            large -= 1

    finish([gevent.spawn(attempt) for _ in range(20)])
    assert most == 2


def test_a_large_page_that_waits_too_long_fails_with_queued_too_long() -> None:
    """A page that may not become large in time is tried again later, and other pages are not affected."""
    slots = PageSlots(3, 1)
    first, second = slots.activity(), make_budget(wait_seconds=0.01)
    first.begin_large(make_budget())
    with pytest.raises(AttemptFailed) as failure, second.active(slots.activity()):
        second.begin_large()
    assert failure.value.reason is Reason.QUEUED_TOO_LONG
    assert "large pages" in failure.value.detail
    with make_budget(wait_seconds=0).active(slots.activity()):
        pass


def test_no_page_starts_while_enough_pages_wait_for_their_extraction() -> None:
    """While the queue is full no page starts; then they start in their order, and none is refused."""
    queue, started = ExtractionQueue(limit=1), list[int]()
    slots = PageSlots(3, starts=PageStarts(queue))

    def attempt(number: int) -> None:
        with make_budget().active(slots.activity()):
            started.append(number)

    with queue.waiting():
        greenlets = [gevent.spawn(attempt, number) for number in range(6)]
        gevent.sleep(0.02)
        assert started == []
    finish(greenlets)
    assert started == list(range(6))
    assert_all_free(slots, 3)


def test_page_that_waited_for_as_long_as_it_may_starts_nevertheless() -> None:
    """A page that has its slot is not refused because others wait for their extraction."""
    queue = ExtractionQueue(limit=1)
    slots, budget = PageSlots(2, starts=PageStarts(queue)), make_budget(wait_seconds=0.05)
    with queue.waiting():
        finish(
            [
                gevent.spawn(_work_on_page, slots, make_budget(wait_seconds=0.02)),
                gevent.spawn(_work_on_page, slots, budget),
            ]
        )
    assert budget.waited > 0
    assert_all_free(slots, 2)


def test_other_work_continues_between_the_starts_of_two_pages() -> None:
    """Between the starts of two pages, whatever is ready continues, such as a page with its response."""
    slots, events = PageSlots(3, starts=PageStarts(ExtractionQueue(1))), list[str]()

    def attempt() -> None:
        with make_budget().active(slots.activity()):
            events.append("page")

    def serve() -> None:
        while events.count("page") < 3:
            events.append("other")
            gevent.sleep(0)

    finish([gevent.spawn(serve), *(gevent.spawn(attempt) for _ in range(3))])
    assert "page page" not in " ".join(events)


def _work_on_page(slots: PageSlots, budget: PageBudget) -> None:
    with budget.active(slots.activity()):
        gevent.sleep(0)
