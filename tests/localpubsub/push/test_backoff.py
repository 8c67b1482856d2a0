"""Tests of the push backoff, which computes how long a subscription pauses after nacks."""

from localpubsub.push.backoff import MAX_PAUSE, MIN_PAUSE, PushBackoff

NOW = 1_800_000_000.0


def test_push_backoff_doubles_from_100_ms_to_60_s_on_nacks_alone() -> None:
    """The pauses double from 100 ms to 60 s: https://cloud.google.com/pubsub/docs/push#push_backoff."""
    backoff = PushBackoff()
    now, pauses = NOW, []
    for _ in range(12):
        backoff.record_nack(now, now)
        pauses.append(round(backoff.resume_at - now, 3))
        now = backoff.resume_at
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]
    assert (pauses[0], pauses[-1]) == (MIN_PAUSE, MAX_PAUSE)


def test_push_backoff_counts_a_burst_of_nacks_once() -> None:
    """A thousand nacks of pushes that were open at the same time cause one pause, of the shortest length."""
    backoff = PushBackoff()
    for nack in range(1000):
        backoff.record_nack(NOW, NOW + 1 + nack / 10_000)
    assert backoff.resume_at == NOW + 1 + MIN_PAUSE


def test_push_backoff_does_not_pause_on_few_nacks_among_many_acks() -> None:
    """An endpoint that nacks every third push is never paused."""
    backoff = PushBackoff()
    for response in range(10_000):
        if response % 3 == 2:
            backoff.record_nack(NOW + response, NOW + response)
        else:
            backoff.record_ack()
    assert backoff.resume_at == 0


def test_push_backoff_is_reset_by_acks_after_an_outage() -> None:
    """After twelve nacks and forty acks, the next nack causes at most the shortest pause."""
    backoff = PushBackoff()
    now = NOW
    for _ in range(12):
        backoff.record_nack(now, now)
        now = backoff.resume_at
    for _ in range(40):
        backoff.record_ack()
    backoff.record_nack(now, now)
    assert backoff.resume_at <= now + MIN_PAUSE
