"""Messages kept in memory because they will probably be delivered soon."""

from collections import OrderedDict
from typing import Final

from localpubsub.backlog.message import MICROSECONDS

#: Bytes of records kept; what does not fit is read from the store when its turn comes.
CAPACITY: Final = 32_000_000
#: Bytes that keeping a record costs beside its own, about: what bounds the cache when messages are small.
_OVERHEAD: Final = 200
#: Seconds after which a record makes room for new ones: whoever was to take it does not come soon.
STUCK: Final = 30


class MessageCache:
    """Encoded messages by id, bounded in bytes."""

    __slots__ = ("_bytes", "_capacity", "_records")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._records: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._capacity = capacity

    def add(self, message_id: int, record: bytes) -> None:
        """Keep the record of a message just published, if there is room or room can be made."""
        size = len(record) + _OVERHEAD
        while self._bytes + size > self._capacity and self._records:
            oldest = next(iter(self._records))
            if message_id - oldest < STUCK * MICROSECONDS:
                return  # the older ones are delivered first: this one would push out what is wanted sooner
            self.drop(oldest)
        self._records[message_id] = record
        self._bytes += size

    def get(self, message_id: int) -> bytes | None:
        """The record, if it is here."""
        return self._records.get(message_id)

    def drop(self, message_id: int) -> None:
        """Nobody will ask for this message again."""
        record = self._records.pop(message_id, None)
        if record is not None:
            self._bytes -= len(record) + _OVERHEAD
