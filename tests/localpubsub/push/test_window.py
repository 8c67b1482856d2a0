"""Tests of the push window, which limits how many pushes of a subscription are open at the same time.

The rules are those of https://cloud.google.com/pubsub/docs/push#push_backoff, section "Delivery rate". The
numbers of behaviours refer to the table in localpubsub/README.md.
"""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.options import Options
from localpubsub.push.window import LOWER_LIMIT, RECENT_RESPONSES, START_SIZE, PushWindow

FAST = 0.2  #: Latency of a push, in seconds.
SLOW = 30.0


def acknowledge(window: PushWindow, count: int, seconds: float = FAST) -> None:
    """Record acks of pushes while the whole window was in use."""
    for _ in range(count):
        window.record_ack(window.size, seconds)


def nack(window: PushWindow, count: int, seconds: float = FAST) -> None:
    """Record nacks."""
    for _ in range(count):
        window.record_nack(seconds)


def grown_to(size: int, maximum: int = 10_000) -> PushWindow:
    """Return a window that has this size because of acks."""
    window = PushWindow(maximum)
    while window.size < size:
        acknowledge(window, 1)
    return window


def test_window_starts_with_a_single_digit_size() -> None:
    """Behaviour 14: a new window has a single-digit size, as in the documentation."""
    assert 1 <= PushWindow(3000).size == START_SIZE <= 9


def test_default_options_have_the_documented_lower_limit() -> None:
    """Behaviour 14: by default the floor is 3,000, and the maximum does not prevent that it is reached."""
    assert LOWER_LIMIT == Options().window_floor == 3000
    assert Options().max_outstanding >= LOWER_LIMIT


@pytest.mark.parametrize("seconds", [FAST, SLOW])
def test_window_doubles_each_round_trip_up_to_3000(seconds: float) -> None:
    """Behaviour 14: when as many pushes as the window allows have been acknowledged, it has doubled.

    The latency does not matter: slow pushes, too, have up to 3,000 outstanding messages.
    """
    window = PushWindow(3000)
    sizes = [window.size]
    for _ in range(11):
        acknowledge(window, window.size, seconds)
        sizes.append(window.size)
    assert sizes == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3000, 3000]


def test_window_grows_linearly_above_3000() -> None:
    """Behaviour 14: above 3,000, as many acks as the window allows add one to its size."""
    window = grown_to(3000)
    acknowledge(window, 3000)
    assert window.size == 3001
    acknowledge(window, 3001)
    assert window.size == 3002


def test_window_falls_to_3000_when_pushes_take_more_than_a_second() -> None:
    """Behaviour 14: if the average latency exceeds one second, the window decreases to 3,000 and stays."""
    window = grown_to(3010)
    acknowledge(window, 2 * RECENT_RESPONSES, SLOW)
    assert window.size == 3000
    acknowledge(window, 10_000, SLOW)
    assert window.size == 3000


def test_window_falls_to_3000_when_less_than_99_percent_are_acknowledged() -> None:
    """Behaviour 14: if less than 99 % of the pushes are acknowledged, the window decreases to 3,000."""
    window = grown_to(3100)
    for _ in range(30):
        acknowledge(window, 95)
        nack(window, 5)
    assert window.size == 3000


def test_window_grows_above_3000_again_when_pushes_are_fast_and_acknowledged() -> None:
    """Behaviour 14: after pushes became slow and then fast again, the window grows again."""
    window = grown_to(3010)
    acknowledge(window, RECENT_RESPONSES, SLOW)
    acknowledge(window, 20_000)
    assert window.size > 3000


def test_window_that_has_reached_3000_never_becomes_smaller() -> None:
    """Behaviour 14: 3,000 is the lower limit, even if every push fails."""
    window = grown_to(3050)
    nack(window, 10_000, SLOW)
    assert window.size == 3000


def test_window_below_3000_shrinks_on_nacks_to_its_start_size() -> None:
    """Behaviour 14: a window that has not reached 3,000 decreases on any failure, but not to zero.

    At zero, no push would ever reach a recovered endpoint.
    """
    window = grown_to(400)
    nack(window, 100)
    assert window.size == 300
    nack(window, 5000)
    assert window.size == START_SIZE


def test_window_grows_when_most_pushes_are_acknowledged() -> None:
    """The window grows to 3,000 although one push in five is nacked."""
    window = PushWindow(3000)
    for response in range(6000):
        if response % 5:
            acknowledge(window, 1)
        else:
            nack(window, 1)
    assert window.size > 2900


def test_window_with_floor_5_shrinks_on_nacks_from_any_size() -> None:
    """With --window-floor 5, nacks shrink a window that has reached its maximum back to 5."""
    window = PushWindow(1000, 5)
    acknowledge(window, 2000)
    assert window.size == 1000
    nack(window, 5000)
    assert window.size == 5


def test_window_does_not_grow_when_it_is_not_used() -> None:
    """The window does not grow if only one push is open at a time."""
    window = PushWindow(3000)
    for _ in range(1000):
        window.record_ack(1, FAST)
    assert window.size == START_SIZE


def test_window_maximum_may_be_below_the_start_size() -> None:
    """With --max-outstanding 1 the window always has the size 1."""
    window = PushWindow(1)
    acknowledge(window, 1)
    nack(window, 1)
    assert window.size == 1


def test_window_maximum_below_the_floor_is_the_floor() -> None:
    """With --max-outstanding 80 a window that has reached 80 stays there, as one of 3,000 would."""
    window = PushWindow(80)
    acknowledge(window, 200)
    nack(window, 1000)
    assert window.size == 80


@given(
    st.integers(1, 4000),
    st.integers(1, 4000),
    st.lists(st.tuples(st.booleans(), st.integers(1, 2000), st.sampled_from([FAST, SLOW])), max_size=12),
)
def test_window_stays_between_its_limits(
    maximum: int, floor: int, responses: Iterable[tuple[bool, int, float]]
) -> None:
    """The size is at least 1 and at most the maximum, and at least the floor once that was reached."""
    window = PushWindow(maximum, floor)
    lowest = 1
    for acks, count, seconds in responses:
        (acknowledge if acks else nack)(window, count, seconds)
        assert lowest <= window.size <= maximum
        if window.size >= floor:
            lowest = floor
