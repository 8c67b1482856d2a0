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
_BUCKET_RECORDS = 16  # a name is stored in one of the records of its bucket
_BUCKET = struct.Struct("=" + "8sd" * _BUCKET_RECORDS)
MEMORY_BYTES = 4_096 * _BUCKET.size


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
        self._buckets = len(self._memory) // _BUCKET.size

    def add(self, name: str, now: float) -> None:
        """Remember `name`; if its bucket is full, forget the oldest of the names there."""
        digest = _digest(name)
        offset = self._offset(digest)
        with self._lock:
            digests, times = self._read(offset)
            record = digests.index(digest) if digest in digests else times.index(min(times))
            _RECORD.pack_into(self._memory, offset + record * _RECORD.size, digest, now)

    def contains(self, name: str, now: float) -> bool:
        """Return whether `name` was added in the last `REMEMBERED_SECONDS`, and not forgotten since."""
        digest = _digest(name)
        digests, times = self._read(self._offset(digest))
        return digest in digests and times[digests.index(digest)] > now - REMEMBERED_SECONDS

    def _offset(self, digest: bytes) -> int:
        return int.from_bytes(digest) % self._buckets * _BUCKET.size

    def _read(self, offset: int) -> tuple[tuple[bytes, ...], tuple[float, ...]]:
        """Return the digests of a bucket, and when each of its names was finished."""
        fields = _BUCKET.unpack_from(self._memory, offset)
        return fields[::2], fields[1::2]


def _digest(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()
