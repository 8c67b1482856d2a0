"""Stores the time at which this instance may request each host next. Pure: callers pass the current time."""

import struct
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import NamedTuple, Protocol

MAX_RETRY_AFTER_SECONDS = 24 * 3600.0  #: maximum number of seconds for which Retry-After blocks a host
_RECORD = struct.Struct("=8sdd")  # the host's digest, last_request_at, blocked_until
_EMPTY = bytes(8)  # the digest of an unused record
# The records are a hash table with linear probing: a host is stored in one of this many successive records.
_PROBES = 16
MEMORY_BYTES = 16_384 * _RECORD.size  #: memory for 16,384 hosts; the least recently used are evicted


class Memory(Protocol):
    """A block of bytes that are zero at first: a bytearray, or an mmap that processes share."""

    def __len__(self) -> int: ...

    def __buffer__(self, flags: int, /) -> memoryview: ...


class _HostRecord(NamedTuple):
    """The stored times of one host, in seconds of the caller's clock."""

    offset: int  # bytes from the start of the memory
    last_request_at: float = float("-inf")  # the latest slot that was taken, possibly in the future
    blocked_until: float = float("-inf")  # by Retry-After


class HostSlots:
    """The next slot of each host: the time at which it may be requested again.

    Times are seconds of one monotonic clock.

    Args:
        memory: stores the slots; None for a new bytearray.
        lock: held while the memory is written; shared by all threads and processes that share the memory.
    """

    def __init__(
        self, memory: Memory | None = None, lock: AbstractContextManager[object] | None = None
    ) -> None:
        self._lock = lock or nullcontext()
        self._memory = memoryview(bytearray(MEMORY_BYTES) if memory is None else memory)
        self._records = len(self._memory) // _RECORD.size

    def block(self, host: str, seconds: float, now: float) -> None:
        """Block requests to `host` for `seconds` (Retry-After, RFC 9110 section 10.2.3)."""
        digest = _digest(host)
        with self._lock:
            record = self._find(digest)
            until = max(record.blocked_until, now + min(seconds, MAX_RETRY_AFTER_SECONDS))
            self._write(digest, record._replace(blocked_until=until))

    def blocked_seconds(self, host: str, now: float) -> float:
        """Return for how many more seconds `host` is blocked; 0 if it is not blocked."""
        return max(0.0, self._find(_digest(host)).blocked_until - now)

    def take(self, host: str, delay: float, now: float, max_wait: float) -> float:
        """Take the host's next slot.

        Args:
            host: the host to be requested.
            delay: minimum number of seconds between the previous request and this one.
            now: the current time.
            max_wait: seconds that the caller may wait; a later slot is not taken.

        Returns:
            The seconds until the slot. If they are more than `max_wait`, the slot was not taken.
        """
        digest = _digest(host)
        with self._lock:
            record = self._find(digest)
            wait = max(0.0, record.last_request_at + delay - now)
            if wait <= max_wait:
                request_at = max(now + wait, record.last_request_at)
                self._write(digest, record._replace(last_request_at=request_at))
        return wait

    def _find(self, digest: bytes) -> _HostRecord:
        """Return the host's record; for a new host, an empty place, or else the least recently used one."""
        first = int.from_bytes(digest) % self._records
        oldest_offset, oldest_time = 0, float("inf")
        for number in range(first, first + _PROBES):
            offset = number % self._records * _RECORD.size
            found, last_request_at, blocked_until = _RECORD.unpack_from(self._memory, offset)
            if found == digest:
                return _HostRecord(offset, last_request_at, blocked_until)
            last_used = float("-inf") if found == _EMPTY else max(last_request_at, blocked_until)
            if last_used < oldest_time:
                oldest_offset, oldest_time = offset, last_used
        return _HostRecord(oldest_offset)

    def _write(self, digest: bytes, record: _HostRecord) -> None:
        _RECORD.pack_into(self._memory, record.offset, digest, record.last_request_at, record.blocked_until)


def _digest(host: str) -> bytes:
    return blake2b(host.encode(), digest_size=8).digest()


def parse_retry_after(header: str, now: datetime) -> float | None:
    """Return the seconds from `now` to the end of a Retry-After header; None if the header is invalid.

    The header contains seconds or an HTTP date, in any of its three formats (RFC 9110 section 10.2.3).
    """
    header = header.strip()
    if header.isascii() and header.isdecimal():
        return float(header[:12])
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
