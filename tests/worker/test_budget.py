"""Tests the budget of a delivery with a fake clock: waiting and working do not use each other's time."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from tests.worker.fetching import FakeClock
from worker.budget import PageBudget

PAGE_SECONDS, WAIT_SECONDS = 40.0, 520.0


class SlowActivity:
    """An activity that takes some seconds to begin.

    Args:
        clock: advances while the activity begins.
        seconds: how long it takes to begin.

    Attributes:
        is_active: whether it has begun and not ended.
        error: raised instead of beginning; None to begin.
    """

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self.is_active = False
        self.error: Exception | None = None
        self._clock = clock
        self._seconds = seconds

    def begin(self, budget: PageBudget) -> None:
        """Begin after some seconds, or raise `error`."""
        assert not self.is_active
        page, wait = budget.remaining(), budget.remaining_wait()
        self._clock.sleep(self._seconds)
        assert budget.remaining() == pytest.approx(page)
        assert budget.remaining_wait() == pytest.approx(max(0.0, wait - self._seconds))
        if self.error is not None:
            raise self.error
        self.is_active = True

    def begin_large(self, budget: PageBudget) -> None:
        """Begin to work on a large page after some seconds, or raise `error`."""
        assert not self.is_active
        assert budget.remaining_wait() >= 0
        self._clock.sleep(self._seconds)
        if self.error is not None:
            raise self.error

    def leave_slot(self) -> None:
        """Do nothing."""

    def pause(self) -> None:
        """Pause."""
        self.is_active = False

    def end(self) -> None:
        """End."""
        self.is_active = False


def make_budget(clock: FakeClock) -> PageBudget:
    """Return a budget whose delivery was received just now."""
    return PageBudget(PAGE_SECONDS, wait_seconds=WAIT_SECONDS, received_at=clock(), clock=clock)


seconds = st.floats(min_value=0, max_value=60)
steps = st.lists(st.tuples(st.sampled_from(["work", "wait"]), seconds), max_size=30)


@given(steps=steps, to_begin=seconds)
def test_page_time_and_wait_time_do_not_use_each_other(
    steps: Sequence[tuple[str, float]], to_begin: float
) -> None:
    """Whatever a delivery does: working costs only page time, and waiting costs only wait time.

    The time until an activity begins is waiting, also when it begins again after a wait.
    """
    clock = FakeClock(1000.0)
    budget = make_budget(clock)
    activity = SlowActivity(clock, to_begin)
    worked, waited = 0.0, to_begin
    with budget.active(activity):
        for kind, duration in steps:
            if kind == "work":
                assert activity.is_active
                clock.sleep(duration)
                worked += duration
            elif worked < PAGE_SECONDS:
                with budget.waiting():
                    assert not activity.is_active
                    clock.sleep(duration)
                waited += duration + to_begin
            assert budget.waited == pytest.approx(waited)
            assert budget.remaining_wait() == pytest.approx(max(0.0, WAIT_SECONDS - waited))
            if worked < PAGE_SECONDS - 0.001:
                assert budget.remaining() == pytest.approx(PAGE_SECONDS - worked)
            elif worked > PAGE_SECONDS + 0.001:
                with pytest.raises(AttemptFailed, match="page_budget_exceeded"):
                    budget.remaining()
    assert not activity.is_active


def test_time_before_the_attempt_is_page_time() -> None:
    """The page budget begins when the push arrives, not when its attempt begins."""
    clock = FakeClock(100.0)
    budget = PageBudget(PAGE_SECONDS, received_at=70.0, clock=clock)
    assert budget.remaining() == 10.0
    clock.sleep(10)
    with pytest.raises(AttemptFailed) as failure:
        budget.remaining()
    assert failure.value.reason is Reason.PAGE_BUDGET_EXCEEDED
    assert "40 s (PAGE_BUDGET_SECONDS)" in failure.value.detail


@pytest.mark.parametrize(("hold", "limit"), [(None, 520), (30, 30), (600, 520)])
def test_wait_for_a_host_has_its_own_limit(hold: float | None, limit: float) -> None:
    """The time for one host is at most that for waiting, and a wait costs both."""
    clock = FakeClock()
    budget = PageBudget(PAGE_SECONDS, wait_seconds=WAIT_SECONDS, hold_seconds=hold, clock=clock)
    assert (budget.remaining_hold(), budget.remaining_wait()) == (limit, WAIT_SECONDS)
    with budget.waiting():
        clock.sleep(20)
        assert budget.remaining_hold() == limit - 20
    with budget.waiting():
        clock.sleep(500)
    assert (budget.remaining_hold(), budget.remaining_wait()) == (0, 0)


def test_a_budget_without_wait_time_allows_no_wait() -> None:
    """By default a delivery may not wait at all."""
    assert PageBudget(PAGE_SECONDS).remaining_wait() == 0


@pytest.mark.parametrize("error", [AttemptFailed(Reason.QUEUED_TOO_LONG), RuntimeError("bug")])
def test_an_activity_that_cannot_begin_ends_the_work(error: Exception) -> None:
    """If the activity cannot begin, or not again after a wait, its error is raised and nothing is active."""
    clock = FakeClock()
    budget = make_budget(clock)
    activity = SlowActivity(clock, 3)
    with pytest.raises(type(error)), budget.active(activity):  # noqa: PT012 - the work that is interrupted
        activity.error = error
        with budget.waiting():
            clock.sleep(5)
        pytest.fail("the work went on without its activity")
    assert (activity.is_active, budget.waited) == (False, 11)
    with pytest.raises(type(error)), budget.active(activity):
        pytest.fail("the work began without its activity")
    assert budget.waited == 14


def test_an_error_while_waiting_ends_the_activity() -> None:
    """If a wait ends with an error, the activity does not begin again, and the wait is counted."""
    clock = FakeClock()
    budget = make_budget(clock)
    activity = SlowActivity(clock, 0)
    with (  # noqa: PT012 - the wait takes time before it fails
        pytest.raises(AttemptFailed),
        budget.active(activity),
        budget.waiting(),
    ):
        clock.sleep(5)
        raise AttemptFailed(Reason.RATE_LIMITED)
    assert (activity.is_active, budget.waited) == (False, 5)


def test_a_large_page_waits_without_page_time() -> None:
    """The wait of a large page is waiting, and an error of it ends the work."""
    clock = FakeClock()
    budget = make_budget(clock)
    activity = SlowActivity(clock, 3)
    with budget.active(activity):
        page = budget.remaining()
        budget.begin_large()
        assert (budget.remaining(), activity.is_active) == (page, True)
        assert budget.waited == 9  # 3 s for each of: begin, begin_large, begin again
        activity.error = AttemptFailed(Reason.QUEUED_TOO_LONG)
        with pytest.raises(AttemptFailed, match="queued_too_long"):
            budget.begin_large()
    assert not activity.is_active
