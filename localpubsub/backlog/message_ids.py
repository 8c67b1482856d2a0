"""Allocates message ids, from which the publish time of a message follows.

Ids rise in the order of publishing. They usually are the publish time in microseconds since 1970. So the age
of a message follows from its id, and of a waiting message only the id must be in memory.

An id must be larger than all earlier ones even if the clock is behind them, because it was set back, or
because the file was last used with a time scale. Then the ids continue after the last one, and the publish
times continue at the clock: from there on, an id is the publish time plus a constant. An ``IdRange`` records
where such a range of ids begins; the store keeps the few ranges. With them, ``publish_time`` and
``first_id_at`` convert ids to times and back, for retention, seek and the age of messages, without a column
or an index of times in the store. A message whose time is later than the begin of the next range was
published before that, and counts so. So times never fall while ids rise, and a seek to now acknowledges
every message.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Final

MICROSECONDS: Final = 1_000_000  #: Microseconds in a second.


@dataclass(frozen=True, slots=True)
class IdRange:
    """From ``first_id`` on, ids and publish times rise together, until the next range begins."""

    first_id: int
    publish_time: int  #: Publish time of ``first_id``, microseconds since 1970.


class MessageIds:
    """Allocates rising ids, for messages and for resources; converts them to publish times and back.

    Args:
        last: the highest id allocated before, which is not allocated again.
        ranges: the ranges that ``begin`` returned in earlier runs, oldest first.
    """

    __slots__ = ("_latest", "_ranges", "last")

    def __init__(self, last: int = 0, ranges: Iterable[IdRange] = ()) -> None:
        self.last = last
        self._ranges = [IdRange(0, 0)]
        self._latest: list[float] = []
        self._set([*self._ranges, *ranges])

    def begin(self, now: float) -> IdRange | None:
        """Continue at the time ``now``, after a start (seconds since the epoch).

        Returns:
            A new range to be stored, or None if the ids can continue without one.
        """
        micros = int(now * MICROSECONDS)
        current = self._ranges[-1]
        is_behind = micros < self.publish_time(self.last)
        is_shifted = current.first_id != current.publish_time
        if not is_behind and not (is_shifted and micros > self.last):
            return None
        new = IdRange(max(self.last + 1, micros), micros)
        self._set([*self._ranges, new])
        return new

    def allocate(self, count: int, now: float) -> range:
        """Return the next ``count`` ids, for messages published at ``now`` (seconds since the epoch)."""
        current = self._ranges[-1]
        by_time = current.first_id + int(now * MICROSECONDS) - current.publish_time
        first = max(self.last + 1, by_time)
        self.last = first + count - 1
        return range(first, first + count)

    def publish_time(self, message_id: int) -> int:
        """Return the publish time of a message, in microseconds since 1970."""
        index = bisect_right(self._ranges, message_id, key=lambda each: each.first_id) - 1
        found = self._ranges[index]
        return int(min(found.publish_time + message_id - found.first_id, self._latest[index]))

    def publish_times(self, message_ids: range) -> range:
        """Return the publish times of messages whose ids ``allocate`` has returned together."""
        first = self.publish_time(message_ids[0])
        return range(first, first + len(message_ids))

    def first_id_at(self, micros: int) -> int:
        """Return the lowest id of messages published at a time or later, in microseconds since 1970."""
        for index, (found, latest) in enumerate(zip(self._ranges, self._latest, strict=True)):
            if micros <= latest:
                first = found.first_id + max(0, micros - found.publish_time)
                following = self._ranges[index + 1 : index + 2]
                return min([first, *(each.first_id for each in following)])
        raise AssertionError("the last range has no latest time")

    def oldest_retained_id(self, now: float, retention: float) -> int:
        """Return the lowest id of messages that are not older than ``retention`` seconds at ``now``."""
        return self.first_id_at(int((now - retention) * MICROSECONDS))

    def age(self, message_id: int, now: float) -> float:
        """Return the age of a message in seconds at ``now``, at least 0."""
        return max(0.0, now - self.publish_time(message_id) / MICROSECONDS)

    def _set(self, ranges: list[IdRange]) -> None:
        """Set the ranges, and for each its latest publish time: that before all later ranges."""
        self._ranges = ranges
        self._latest = [inf] * len(ranges)
        for index in range(len(ranges) - 2, -1, -1):
            self._latest[index] = min(self._latest[index + 1], ranges[index + 1].publish_time - 1)
