"""Tests the page budget: a page is not requested if too little of its time remains."""

import pytest

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from worker.budget import MIN_REMAINING_FRACTION, PageBudget


@pytest.mark.parametrize(("waited", "is_late"), [(0, False), (29, False), (31, True), (41, True)])
def test_page_budget_starts_a_page_only_with_a_quarter_of_it_remaining(waited: float, is_late: bool) -> None:
    """A page is requested only if at least a quarter of the budget remains.

    The time of the budget begins when the push arrives.
    """
    budget = PageBudget(40, received_at=100, clock=lambda: 100 + waited)
    assert MIN_REMAINING_FRACTION == 0.25
    if is_late:
        with pytest.raises(AttemptFailed) as caught:
            budget.start()
        assert caught.value.reason is Reason.QUEUED_TOO_LONG
    else:
        budget.start()
        assert budget.remaining() == 40 - waited
