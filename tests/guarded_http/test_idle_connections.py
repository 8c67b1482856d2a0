"""Tests which idle connections are kept, and which one is closed beyond the limit."""

from guarded_http.idle_connections import IdleConnections


class FakeConnection:
    """A connection that remembers whether it was closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        """Close it."""
        self.is_closed = True


def test_connection_that_was_used_last_is_taken_first() -> None:
    """Of the connections to a site the one that was kept last is taken, once; other sites do not get it."""
    idle = IdleConnections[FakeConnection]()
    first, second = FakeConnection(), FakeConnection()
    idle.keep("a", first)
    idle.keep("a", second)
    assert idle.take("b") is None
    assert [idle.take("a"), idle.take("a"), idle.take("a")] == [second, first, None]


def test_longest_idle_connection_is_closed_beyond_the_limit() -> None:
    """Beyond the limit of all sites, the connection that has been idle for the longest time is closed."""
    idle = IdleConnections[FakeConnection](limit=3)
    connections = [FakeConnection() for _ in range(4)]
    for connection, site in zip(connections, ["a", "b", "a", "b"], strict=True):
        idle.keep(site, connection)
    assert [connection.is_closed for connection in connections] == [True, False, False, False]
    assert len(idle) == 3
    assert [idle.take("a"), idle.take("a")] == [connections[2], None]


def test_connection_that_is_used_again_is_not_the_longest_idle() -> None:
    """A connection that was taken and kept again is idle since then."""
    idle = IdleConnections[FakeConnection](limit=2)
    first, second, third = FakeConnection(), FakeConnection(), FakeConnection()
    idle.keep("a", first)
    idle.keep("b", second)
    assert idle.take("a") is first
    idle.keep("a", first)
    idle.keep("c", third)
    assert (first.is_closed, second.is_closed, third.is_closed) == (False, True, False)
