"""Tests how long a failed message waits for its next attempt under a retry policy."""

from localpubsub.backlog.retry_policy import RetryPolicy


def test_retry_policy_doubles_from_minimum_to_maximum_backoff() -> None:
    """The backoff doubles with each failure from the minimum up to the maximum (proto: RetryPolicy)."""
    policy = RetryPolicy(10, 600)
    assert [policy.delay(failures) for failures in (1, 2, 3, 6, 7, 5000)] == [10, 20, 40, 320, 600, 600]
    assert RetryPolicy(0, 600).delay(9) == 0
