"""Defines a first-in, first-out queue of message ids that takes eight bytes per id."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

#: Taken ids are deleted from the front of the array only when there are more than this number, because every
#: deletion moves all ids behind them.
_MIN_COMPACTED: Final = 4096


class IdQueue:
    """A queue of message ids, which takes a fifth of the memory of a deque of integers."""

    __slots__ = ("_head", "_ids")

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._ids = array("Q", ids)
        self._head = 0

    def __len__(self) -> int:
        return len(self._ids) - self._head

    def contains(self, message_id: int) -> bool:
        """Return whether this id is in the queue, whose ids must be in ascending order."""
        index = bisect_left(self._ids, message_id, self._head)
        return index < len(self._ids) and self._ids[index] == message_id

    def append(self, message_id: int) -> None:
        """Add one id at the end."""
        self._ids.append(message_id)

    def take(self) -> int:
        """Remove and return the first id; IndexError if the queue is empty."""
        message_id = self._ids[self._head]
        self._head += 1
        if self._head > _MIN_COMPACTED and self._head * 2 > len(self._ids):
            del self._ids[: self._head]
            self._head = 0
        return message_id

    def take_below(self, message_id: int) -> list[int]:
        """Remove and return the ids below this one; the ids in the queue must be in ascending order."""
        end = bisect_left(self._ids, message_id, self._head)
        taken = self._ids[self._head : end].tolist()
        del self._ids[:end]
        self._head = 0
        return taken

    def first(self) -> int | None:
        """Return the first id without removing it, or None if the queue is empty."""
        return self._ids[self._head] if len(self) else None

    def upcoming(self, count: int) -> list[int]:
        """Return the first ``count`` ids without removing them."""
        return self._ids[self._head : self._head + count].tolist()
