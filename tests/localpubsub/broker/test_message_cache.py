"""The cache of new messages: its bound and its eviction."""

from localpubsub.broker.message_cache import EVICTION_AGE, MessageCache


def test_message_cache_is_bounded_in_bytes() -> None:
    """A full cache keeps the oldest messages, because they are delivered first."""
    cache = MessageCache(capacity=10_000)
    for message_id in range(100):
        cache.add(message_id, b"x" * 800)
    assert [message_id for message_id in range(100) if cache.get(message_id)] == list(range(10))
    cache.drop(3)
    cache.add(100, b"x" * 800)
    assert cache.get(100)


def test_message_cache_evicts_messages_that_are_not_delivered() -> None:
    """A subscription that is not read must not keep the cache from the other subscriptions."""
    cache = MessageCache(capacity=10_000)
    for message_id in range(100):
        cache.add(message_id, b"x" * 800)
    later = (EVICTION_AGE + 1) * 1_000_000
    cache.add(later, b"x" * 800)
    assert cache.get(later)
    assert not cache.get(0)
