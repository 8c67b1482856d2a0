"""Tests the maximum size of the cache of new messages, and the eviction of messages."""

from localpubsub.broker.message_cache import EVICTION_AGE, MessageCache


def test_message_cache_has_a_maximum_size_in_bytes() -> None:
    """A full cache keeps its messages and adds a new message only after one was dropped."""
    cache = MessageCache(capacity=10_000)
    for message_id in range(100):
        cache.add(message_id, b"x" * 800)
    assert [message_id for message_id in range(100) if cache.get(message_id)] == list(range(10))
    cache.drop(3)
    cache.add(100, b"x" * 800)
    assert cache.get(100)


def test_message_cache_evicts_messages_that_are_not_delivered() -> None:
    """Messages that were not delivered for longer than EVICTION_AGE are evicted for a new message."""
    cache = MessageCache(capacity=10_000)
    for message_id in range(100):
        cache.add(message_id, b"x" * 800)
    later = (EVICTION_AGE + 1) * 1_000_000
    cache.add(later, b"x" * 800)
    assert cache.get(later)
    assert not cache.get(0)
