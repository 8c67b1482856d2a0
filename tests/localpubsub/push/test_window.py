"""The window of a push subscription: how many of its pushes may be open at a time."""

from localpubsub.push.window import MIN_SIZE, PushWindow


def test_window_starts_with_a_single_digit_size() -> None:
    """Deliveries begin slowly (https://cloud.google.com/pubsub/docs/push)."""
    assert 1 <= PushWindow(1000).size == MIN_SIZE <= 9


def test_window_doubles_each_round_trip_up_to_its_maximum() -> None:
    """The window grows exponentially while every push is acknowledged."""
    window = PushWindow(1000)
    sizes = [window.size]
    for _ in range(10):
        for _ in range(window.size):
            window.record_ack(window.size)
        sizes.append(window.size)
    assert sizes == [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]


def test_window_grows_when_most_pushes_are_acknowledged() -> None:
    """One failing message in five does not throttle the other four."""
    window = PushWindow(1000)
    for response in range(3000):
        if response % 5:
            window.record_ack(window.size)
        else:
            window.record_nack()
    assert window.size > 900


def test_window_shrinks_on_nacks_to_its_minimum() -> None:
    """The window never shrinks to zero, because then a recovered endpoint would never be noticed."""
    window = PushWindow(1000)
    for _ in range(400):
        window.record_ack(window.size)
    for _ in range(5000):
        window.record_nack()
    assert window.size == MIN_SIZE


def test_window_does_not_grow_when_it_is_not_used() -> None:
    """Acks of single messages do not prove that the endpoint can take many at once."""
    window = PushWindow(1000)
    for _ in range(1000):
        window.record_ack(1)
    assert window.size == MIN_SIZE


def test_window_maximum_may_be_below_the_usual_minimum() -> None:
    """With --max-outstanding 1 the server pushes one message at a time."""
    window = PushWindow(1)
    window.record_ack(1)
    window.record_nack()
    assert window.size == 1
