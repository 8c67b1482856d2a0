"""Keeps the ordering keys of new messages in 16 bytes per message."""

from collections.abc import Iterable
from hashlib import blake2b
from math import inf

from localpubsub.backlog.id_queue import IdQueue


def key_number(key: str) -> int:
    """Return a 63-bit hash of an ordering key, or 0 for the empty key, which means no ordering.

    Messages of two keys with the same hash are ordered as if they had the same key.
    """
    if not key:
        return 0
    digest = blake2b(key.encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 1) or 1


class OrderingKeys:
    """The key numbers of messages by message id, which are added and taken in ascending order of the ids."""

    __slots__ = ("_ids", "_numbers", "next_id")

    def __init__(self) -> None:
        self._ids = IdQueue()
        self._numbers = IdQueue()
        self.next_id = inf  #: The lowest message id; infinity without messages.

    def add(self, keyed: Iterable[tuple[int, int]]) -> None:
        """Add (message id, key number) pairs."""
        for message_id, number in keyed:
            self._ids.append(message_id)
            self._numbers.append(number)
            self.next_id = min(self.next_id, message_id)

    def contains(self, message_id: int) -> bool:
        """Return whether this message has a key."""
        return self._ids.contains(message_id)

    def take(self, message_id: int) -> int:
        """Return the key number of a message, or 0 without a key; forget the keys of earlier messages."""
        found = 0
        while self.next_id <= message_id:
            taken, number = self._ids.take(), self._numbers.take()
            if taken == message_id:
                found = number
            following = self._ids.first()
            self.next_id = inf if following is None else following
        return found
