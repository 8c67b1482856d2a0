"""Keeps idle connections for the next requests to their sites, up to a number for all sites together."""

from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterable
from threading import Lock
from typing import Generic, Protocol, TypeVar
from weakref import finalize

#: Maximum number of idle connections of a client. A process may often have no more than 1,024 open files.
MAX_IDLE_CONNECTIONS = 256


class Closable(Protocol):
    """A connection."""

    def close(self) -> None:
        """Close it."""


_Connection = TypeVar("_Connection", bound=Closable)


class IdleConnections(Generic[_Connection]):
    """The idle connections to all sites.

    A crawl of one site needs as many connections as it has requests under way, and a crawl of many sites
    needs few for each, so all sites have one limit. Beyond it, the connection that has been idle for the
    longest time is closed.

    Args:
        limit: maximum number of idle connections.
    """

    def __init__(self, limit: int = MAX_IDLE_CONNECTIONS) -> None:
        self._limit = limit
        self._sites: OrderedDict[_Connection, Hashable] = OrderedDict()  # the longest idle one is the first
        self._stacks: defaultdict[Hashable, list[_Connection]] = defaultdict(list)
        self._lock = Lock()
        finalize(self, _close_all, self._sites)  # when the client is no longer used

    def __len__(self) -> int:
        """Return the number of idle connections."""
        return len(self._sites)

    def take(self, site: Hashable) -> _Connection | None:
        """Return the connection to a site that was used last, which is the most likely to be open still."""
        with self._lock:
            if site not in self._stacks:
                return None
            connection = self._stacks[site][-1]
            self._remove(connection)
            return connection

    def keep(self, site: Hashable, connection: _Connection) -> None:
        """Keep a connection to a site until it is taken, or until too many others are kept."""
        with self._lock:
            self._sites[connection] = site
            self._stacks[site].append(connection)
            if len(self._sites) <= self._limit:
                return
            oldest = next(iter(self._sites))
            self._remove(oldest)
        oldest.close()

    def _remove(self, connection: _Connection) -> None:
        site = self._sites.pop(connection)
        stack = self._stacks[site]
        stack.remove(connection)
        if not stack:
            del self._stacks[site]


def _close_all(connections: Iterable[Closable]) -> None:
    for connection in connections:
        connection.close()
