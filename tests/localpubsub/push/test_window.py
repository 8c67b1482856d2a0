"""Tests of the push window, which limits how many pushes of a subscription are open at the same time."""

from localpubsub.push.window import MIN_SIZE, PushWindow


def test_window_starts_with_a_single_digit_size() -> None:
    """A new window has a single-digit size, as in https://cloud.google.com/pubsub/docs/push."""
    assert 1 <= PushWindow(1000).size == MIN_SIZE <= 9


def test_window_doubles_each_round_trip_up_to_its_maximum() -> None:
    """When as many pushes as the window allows have been acknowledged, the window has doubled.

    It stops growing at its maximum.
    """
    window = PushWindow(1000)
    sizes = [window.size]
    for _ in range(10):
        for _ in range(window.size):
            window.record_ack(window.size)
        sizes.append(window.size)
    assert sizes == [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]


def test_window_grows_when_most_pushes_are_acknowledged() -> None:
    """The window grows although one push in five is nacked."""
    window = PushWindow(1000)
    for response in range(3000):
        if response % 5:
            window.record_ack(window.size)
        else:
            window.record_nack()
    assert window.size > 900


def test_window_shrinks_on_nacks_to_its_minimum() -> None:
    """Nacks never shrink the window to zero: at zero, no push would ever reach a recovered endpoint."""
    window = PushWindow(1000)
    for _ in range(400):
        window.record_ack(window.size)
    for _ in range(5000):
        window.record_nack()
    assert window.size == MIN_SIZE


def test_window_does_not_grow_when_it_is_not_used() -> None:
    """The window does not grow if only one push is open at a time."""
    window = PushWindow(1000)
    for _ in range(1000):
        window.record_ack(1)
    assert window.size == MIN_SIZE


def test_window_maximum_may_be_below_the_usual_minimum() -> None:
    """With --max-outstanding 1 the window always has the size 1."""
    window = PushWindow(1)
    window.record_ack(1)
    window.record_nack()
    assert window.size == 1
