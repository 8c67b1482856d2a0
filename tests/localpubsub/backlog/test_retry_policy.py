"""The retry policy: how long a nacked message waits for its next attempt."""

from localpubsub.backlog.retry_policy import RetryPolicy


def test_retry_policy_doubles_from_minimum_to_maximum_backoff() -> None:
    """The delay grows exponentially between both bounds (proto: RetryPolicy)."""
    policy = RetryPolicy(10, 600)
    assert [policy.delay(failures) for failures in (1, 2, 3, 6, 7, 5000)] == [10, 20, 40, 320, 600, 600]
    assert RetryPolicy(0, 600).delay(9) == 0
