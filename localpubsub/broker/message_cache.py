"""Caches the records of new messages, which will probably be delivered soon."""

from collections import OrderedDict
from typing import Final

from localpubsub.backlog.message_ids import MICROSECONDS

#: Maximum bytes of the cache. Records that do not fit are read from the store when they are delivered.
CAPACITY: Final = 32_000_000
#: Bytes counted for each record in addition to its length: about the memory of a cache entry without its
#: record.
_OVERHEAD: Final = 200
#: Seconds after which an undelivered record may be evicted, because its subscriber seems not to be running.
EVICTION_AGE: Final = 30


class MessageCache:
    """The records of messages by id, with a maximum size in bytes."""

    __slots__ = ("_bytes", "_capacity", "_records")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._records: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._capacity = capacity

    def add(self, message_id: int, record: bytes) -> None:
        """Keep a new message's record if it fits; evict records older than ``EVICTION_AGE`` to make room."""
        size = len(record) + _OVERHEAD
        while self._bytes + size > self._capacity and self._records:
            oldest = next(iter(self._records))
            if message_id - oldest < EVICTION_AGE * MICROSECONDS:
                return  # the older message will probably be delivered before this one
            self.drop(oldest)
        self._records[message_id] = record
        self._bytes += size

    def get(self, message_id: int) -> bytes | None:
        """Return the record, or None if it is not in the cache."""
        return self._records.get(message_id)

    def drop(self, message_id: int) -> None:
        """Remove the record of a message, if the cache contains it."""
        record = self._records.pop(message_id, None)
        if record is not None:
            self._bytes -= len(record) + _OVERHEAD
