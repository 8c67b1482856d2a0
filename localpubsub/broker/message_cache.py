"""A cache of the records of new messages, which will probably be delivered soon."""

from collections import OrderedDict
from typing import Final

from localpubsub.backlog.message import MICROSECONDS

#: Bytes that the cache may hold. Records beyond it are read from the store when they are delivered.
CAPACITY: Final = 32_000_000
#: Bytes counted per record besides its own, about the size of an entry, so that small messages count too.
_OVERHEAD: Final = 200
#: Seconds after which an undelivered record may be evicted for new ones: its subscriber is not reading.
EVICTION_AGE: Final = 30


class MessageCache:
    """Encoded messages by id, bounded in bytes."""

    __slots__ = ("_bytes", "_capacity", "_records")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._records: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._capacity = capacity

    def add(self, message_id: int, record: bytes) -> None:
        """Keep the record of a new message if it fits, evicting records older than ``EVICTION_AGE``."""
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
        """Remove the record of a message that will not be delivered again."""
        record = self._records.pop(message_id, None)
        if record is not None:
            self._bytes -= len(record) + _OVERHEAD
