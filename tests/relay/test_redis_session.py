"""The relay's connection to Redis never takes one reply for another, and none for a success."""

import asyncio

import pytest
from redis import exceptions

from relay.redis.session import Session
from tests.servers.redis import RedisServer


def test_a_reply_that_does_not_come_is_an_error(redis_server: RedisServer) -> None:
    """A command that Redis has not answered in time has failed, and its late reply is no other one's."""
    topic = redis_server.new_topic()

    async def run() -> list[object]:
        session = Session(redis_server.url)
        await session.open()
        session._connection.socket_timeout = 0.2  # noqa: SLF001 - it is 10 s otherwise
        redis_server.run("CLIENT", "PAUSE", 600_000, "WRITE")
        try:
            with pytest.raises(exceptions.RedisError):
                await session.execute(("XADD", topic, "*", "a", "b"))
        finally:
            redis_server.run("CLIENT", "UNPAUSE")
        replies = await session.execute(("PING",), ("ECHO", "mine"))
        await session.close()
        return replies

    assert asyncio.run(run()) == [b"PONG", b"mine"]
