"""Defines the fixtures of the publishers' tests."""

from collections.abc import Callable, Iterator

import pytest

from publishing.redis.publisher import RedisPublisher
from tests.servers.redis import RedisServer
from tests.servers.waiting import MAX_WAIT_SECONDS


@pytest.fixture
def publishing_to_redis(redis_server: RedisServer) -> Iterator[Callable[..., RedisPublisher]]:
    """Return publishers, and close them at the end of the test."""
    made = list[RedisPublisher]()

    def make(topic: str, timeout_seconds: float = MAX_WAIT_SECONDS, url: str = "") -> RedisPublisher:
        made.append(RedisPublisher(url or redis_server.url, topic, timeout_seconds=timeout_seconds))
        return made[-1]

    yield make
    for publisher in made:
        publisher.close()
