"""Limits the open pushes of all subscriptions together, in number and in bytes.

Each open push needs an open file and holds its request in memory, so without a limit many subscriptions, or
large messages, would exhaust both.

A subscription whose endpoint does not respond must not stop the pushes of the others. So the last quarter of
each limit is only for subscriptions that have little of it. And when others wait, a subscription with more
than an equal share returns a place with each response, instead of starting its next push.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

#: Maximum number of open pushes of all subscriptions, unless one subscription alone may have more.
MAX_PUSHES: Final = 10_000
#: Maximum bytes of all requests that are being sent or wait for their response.
MAX_BYTES: Final = 100_000_000

#: A subscription with at most this many open pushes may use the last quarter of the places. It is the size
#: with which a push window starts.
RESERVED_PUSHES: Final = 5
#: A subscription with at most this many bytes of open pushes may use the last quarter of the bytes.
RESERVED_BYTES: Final = 1_000_000

#: Identifies a subscription: the function that starts its pushes when places or bytes are free.
Wake: TypeAlias = Callable[[], None]


def max_open_pushes(window: int, files: int) -> int:
    """Return how many pushes of all subscriptions may be open.

    Args:
        window: maximum number of open pushes of one subscription.
        files: number of open files that pushes may use.
    """
    return min(max(MAX_PUSHES, window * 4 // 3 + 1), files)


class PushCapacity:
    """The places and bytes of open pushes. A subscription is identified by its ``Wake``."""

    def __init__(self, max_pushes: int = MAX_PUSHES, max_bytes: int = MAX_BYTES) -> None:
        self._places = _Amount(max_pushes, RESERVED_PUSHES)
        self._bytes = _Amount(max_bytes, RESERVED_BYTES)
        #: The subscriptions that wait, the longest-waiting first, and the bytes that each needs.
        self._waiting: dict[Wake, int] = {}

    def take_place(self, wake: Wake) -> bool:
        """Take the place of one push; if none is free, return False and call ``wake`` when that changes."""
        if self._can_use_place(wake) and self._places.take(wake, 1):
            self._waiting.pop(wake, None)
            return True
        self._waiting.setdefault(wake, 0)
        return False

    def return_place(self, wake: Wake) -> None:
        """Return the place of a push, and wake the subscriptions that can use it."""
        self._places.give(wake, 1)
        self._wake_waiting()

    def take_bytes(self, wake: Wake, count: int) -> bool:
        """Take the bytes of a request; if they are not free, return False and call ``wake`` once they are."""
        if self._bytes.take(wake, count):
            return True
        self._waiting[wake] = count
        return False

    def return_bytes(self, wake: Wake, count: int) -> None:
        """Return the bytes of a request, and wake the subscriptions that can use them."""
        self._bytes.give(wake, count)
        self._wake_waiting()

    def admits(self, wake: Wake) -> bool:
        """Return whether the subscription may start its next push in a place that it already has.

        It may not if its next message waits for bytes, or if others wait for a place and it has more than an
        equal share of them.
        """
        if not self._waiting:
            return True
        if not self._can_use_place(wake):
            return False
        others = {each for each in self._waiting if each is not wake and self._can_use_place(each)}
        sharing = len(self._places.used_by.keys() | others)
        return not others or self._places.used_by.get(wake, 0) * sharing <= self._places.unreserved

    def forget(self, wake: Wake) -> None:
        """Do not call ``wake`` any more, because the subscription sends no further pushes."""
        self._waiting.pop(wake, None)

    def _can_use_place(self, wake: Wake) -> bool:
        return self._bytes.allows(wake, self._waiting.get(wake, 0))

    def _wake_waiting(self) -> None:
        if not self._waiting:
            return
        for wake in list(self._waiting):
            if wake in self._waiting and self._can_use_place(wake) and self._places.allows(wake, 1):
                del self._waiting[wake]
                wake()


class _Amount:
    """A limited amount of places or bytes, and how much of it each subscription uses."""

    def __init__(self, total: int, reserved: int) -> None:
        self.unreserved = total - total // 4
        self.used_by: dict[Wake, int] = {}
        self._total = total
        self._used = 0
        self._reserved = reserved

    def allows(self, wake: Wake, count: int) -> bool:
        """Return whether ``count`` can be taken. A count above the total is allowed if nothing is used."""
        used = self._used + count
        if used <= self.unreserved or not self._used:
            return True
        return used <= self._total and self.used_by.get(wake, 0) + count <= self._reserved

    def take(self, wake: Wake, count: int) -> bool:
        if not self.allows(wake, count):
            return False
        self._used += count
        self.used_by[wake] = self.used_by.get(wake, 0) + count
        return True

    def give(self, wake: Wake, count: int) -> None:
        self._used -= count
        left = self.used_by[wake] - count
        if left:
            self.used_by[wake] = left
        else:
            del self.used_by[wake]
