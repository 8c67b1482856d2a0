"""A first-in first-out queue of message ids at eight bytes each."""

from array import array
from collections.abc import Iterable

#: Entries already taken that may lie at the front before the array is moved up: moving is then rare and
#: cheap.
_SLACK = 4096


class IdQueue:
    """Ids in the order in which they came. A deque of ints would take five times the memory."""

    __slots__ = ("_head", "_ids")

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._ids = array("Q", ids)
        self._head = 0

    def __len__(self) -> int:
        return len(self._ids) - self._head

    def append(self, message_id: int) -> None:
        """Add one id at the end."""
        self._ids.append(message_id)

    def take(self) -> int:
        """Remove and return the oldest id; IndexError when there is none."""
        message_id = self._ids[self._head]
        self._head += 1
        if self._head > _SLACK and self._head * 2 > len(self._ids):
            del self._ids[: self._head]
            self._head = 0
        return message_id

    def first(self) -> int | None:
        """The oldest id, left where it is."""
        return self._ids[self._head] if len(self) else None

    def upcoming(self, count: int) -> list[int]:
        """The oldest ``count`` ids, left where they are."""
        return self._ids[self._head : self._head + count].tolist()
