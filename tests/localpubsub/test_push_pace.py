"""How fast a push subscription goes: its window and its backoff."""

from localpubsub.backlog.retry_policy import RetryPolicy
from localpubsub.push.backoff import MAX_PAUSE, MIN_PAUSE, PushBackoff
from localpubsub.push.window import START, PushWindow

NOW = 1_800_000_000.0


def test_the_window_starts_in_single_digits() -> None:
    """https://cloud.google.com/pubsub/docs/push: deliveries begin slowly."""
    assert 1 <= PushWindow(1000).size == START <= 9


def test_the_window_doubles_each_round_trip_up_to_its_maximum() -> None:
    """Exponential growth on acks."""
    window = PushWindow(1000)
    sizes = [window.size]
    for _ in range(10):
        for _ in range(window.size):
            window.acknowledged(window.size)
        sizes.append(window.size)
    assert sizes == [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]


def test_the_window_grows_while_most_succeed() -> None:
    """One failing page in five must not strangle the other four."""
    window = PushWindow(1000)
    for answer in range(3000):
        if answer % 5:
            window.acknowledged(window.size)
        else:
            window.refused()
    assert window.size > 900


def test_the_window_shrinks_to_a_floor() -> None:
    """Shrinks on failures; never to nothing, or nobody would notice that the endpoint recovered."""
    window = PushWindow(1000)
    for _ in range(400):
        window.acknowledged(window.size)
    for _ in range(5000):
        window.refused()
    assert window.size == START


def test_an_idle_window_does_not_grow() -> None:
    """Acks of single messages say nothing about what many at once would do."""
    window = PushWindow(1000)
    for _ in range(1000):
        window.acknowledged(1)
    assert window.size == START


def test_the_maximum_may_be_below_the_start() -> None:
    """--max-outstanding 1 pushes one at a time."""
    window = PushWindow(1)
    window.acknowledged(1)
    window.refused()
    assert window.size == 1


def test_refusals_alone_pause_from_100_ms_to_60_s() -> None:
    """https://cloud.google.com/pubsub/docs/push#push_backoff: exponential, 100 ms to 60 s."""
    backoff = PushBackoff()
    now, pauses = NOW, []
    for _ in range(12):
        backoff.refused(now, now)
        pauses.append(round(backoff.resume_at - now, 3))
        now = backoff.resume_at
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]
    assert (pauses[0], pauses[-1]) == (MIN_PAUSE, MAX_PAUSE)


def test_one_burst_is_one_reason_to_pause() -> None:
    """A thousand refusals of deliveries that were open together begin one pause, not the thousandth."""
    backoff = PushBackoff()
    for answer in range(1000):
        backoff.refused(NOW, NOW + 1 + answer / 10_000)
    assert backoff.resume_at == NOW + 1 + MIN_PAUSE


def test_few_refusals_among_many_acks_pause_nothing() -> None:
    """Gentle: up to half of the answers may be refusals."""
    backoff = PushBackoff()
    for answer in range(10_000):
        if answer % 3 == 2:
            backoff.refused(NOW + answer, NOW + answer)
        else:
            backoff.acknowledged()
    assert backoff.resume_at == 0


def test_a_recovered_endpoint_is_soon_forgiven() -> None:
    """After a long outage a few acks suffice: the next refusal pauses shortly again."""
    backoff = PushBackoff()
    now = NOW
    for _ in range(12):
        backoff.refused(now, now)
        now = backoff.resume_at
    for _ in range(40):
        backoff.acknowledged()
    backoff.refused(now, now)
    assert backoff.resume_at <= now + MIN_PAUSE


def test_the_retry_policy_grows_from_minimum_to_maximum() -> None:
    """proto: RetryPolicy."""
    policy = RetryPolicy(10, 600)
    assert [policy.delay(failures) for failures in (1, 2, 3, 6, 7, 5000)] == [10, 20, 40, 320, 600, 600]
    assert RetryPolicy(0, 600).delay(9) == 0
