"""Remembers which messages this instance has finished. Pure: callers pass the current time.

Pub/Sub delivers a message again if its acknowledgement is lost, and sometimes without a cause
(https://cloud.google.com/pubsub/docs/subscription-overview#at-least-once-delivery). An instance that
remembers the message acknowledges it again without work. This is not needed for correctness, but without it
each duplicate of a page of a listing would duplicate all further pages of the listing.
"""

import struct
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b

from worker.host_slots import Memory

#: Seconds for which a message is remembered: longer than the longest ack deadline (600 s), after which a
#: message whose acknowledgement was lost is redelivered.
REMEMBERED_SECONDS = 1200.0
_RECORD = struct.Struct("=8sd")  # the digest of the name, and when it was finished
_PROBES = 8  # a name is stored in one of this many successive records
MEMORY_BYTES = 65_536 * _RECORD.size


class FinishedMessages:
    """The names of what was finished: message ids, and job ids of further pages of listings.

    Times are seconds of one monotonic clock.

    Args:
        memory: stores the names; None for a new bytearray.
        lock: held while the memory is written; shared by all threads and processes that share the memory.
    """

    def __init__(
        self, memory: Memory | None = None, lock: AbstractContextManager[object] | None = None
    ) -> None:
        self._lock = lock or nullcontext()
        self._memory = memoryview(bytearray(MEMORY_BYTES) if memory is None else memory)
        self._records = len(self._memory) // _RECORD.size

    def add(self, name: str, now: float) -> None:
        """Remember `name`; if the memory is full, forget the oldest of the names in its place."""
        digest = _digest(name)
        with self._lock:
            offset = min(self._offsets(digest), key=lambda offset: self._age_key(offset, digest))
            _RECORD.pack_into(self._memory, offset, digest, now)

    def contains(self, name: str, now: float) -> bool:
        """Return whether `name` was added in the last `REMEMBERED_SECONDS`, and not forgotten since."""
        digest = _digest(name)
        return any(
            found == digest and finished_at > now - REMEMBERED_SECONDS
            for found, finished_at in map(self._read, self._offsets(digest))
        )

    def _offsets(self, digest: bytes) -> list[int]:
        first = int.from_bytes(digest) % self._records
        return [number % self._records * _RECORD.size for number in range(first, first + _PROBES)]

    def _age_key(self, offset: int, digest: bytes) -> tuple[bool, float]:
        found, finished_at = self._read(offset)
        return found != digest, finished_at

    def _read(self, offset: int) -> tuple[bytes, float]:
        found, finished_at = _RECORD.unpack_from(self._memory, offset)
        return found, finished_at


def _digest(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()
