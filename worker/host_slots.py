"""Stores the time at which this instance may request each host next. Pure: callers pass the current time.

docs/decisions/waiting-costs-no-attempt.md explains how the delay also holds for several instances.
"""

import struct
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from typing import NamedTuple, Protocol

#: A request may start this much too early or too late: the clocks of two instances differ by milliseconds.
TOLERANCE_SECONDS = 0.05
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


class Lane(NamedTuple):
    """One of the ordering keys of a host.

    Pub/Sub delivers one job of a lane at a time. Each lane starts its requests only at its own times, by the
    clock of the wall, so that the delay between two requests holds for all lanes without communication
    between workers.

    Attributes:
        number: the lane's number, from 0.
        lanes: number of lanes of the host.
    """

    number: int
    lanes: int

    def times(self, host: str, delay: float, wall_time: float) -> "LaneTimes":
        """Return when the lane may start a request, relative to `wall_time`.

        Args:
            host: the host; it shifts the times, so that not all hosts are requested at the same moment.
            delay: seconds between two requests to the host, more than 0.
            wall_time: seconds since the epoch.
        """
        period = delay * self.lanes
        shift = int.from_bytes(_digest(host)) / 2**64 * period
        return LaneTimes((shift + delay * self.number - wall_time) % period, period)


class LaneTimes(NamedTuple):
    """The times at which a lane may start a request: `start`, `start + period`, and so on.

    Attributes:
        start: seconds from now to the next of these times, less than `period`.
        period: seconds from one of these times to the next.
    """

    start: float
    period: float

    def first_after(self, seconds: float) -> float:
        """Return the seconds from now to the first of these times that is at least `seconds` from now.

        A time that is less than `TOLERANCE_SECONDS` too early is also returned, since another clock measured
        `seconds`. A time that is almost now is not returned: the previous request of the lane may have used
        it on another instance, whose clock is ahead.
        """
        almost_now = min(TOLERANCE_SECONDS, self.period / 3)  # for any period, one of the times is usable
        earliest = max(seconds - TOLERANCE_SECONDS, almost_now)
        return self.start + max(0, ceil((earliest - self.start) / self.period)) * self.period


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
            self._write(record.offset, digest, record.last_request_at, until)

    def blocked_seconds(self, host: str, now: float) -> float:
        """Return for how many more seconds `host` is blocked; 0 if it is not blocked."""
        return max(0.0, self._find(_digest(host)).blocked_until - now)

    def take(
        self, host: str, delay: float, now: float, max_wait: float, lane: LaneTimes | None = None
    ) -> float:
        """Take the host's next slot.

        Args:
            host: the host to be requested.
            delay: minimum number of seconds between the previous request and this one.
            now: the current time.
            max_wait: seconds that the caller may wait; a later slot is not taken.
            lane: when the job's lane may start a request; None for a job without a lane or a delay.

        Returns:
            The seconds until the slot. If they are more than `max_wait`, the slot was not taken.
        """
        digest = _digest(host)
        with self._lock:
            record = self._find(digest)
            wait = max(0.0, record.last_request_at + delay - now)
            if lane is not None:
                wait = lane.first_after(wait)
            if wait <= max_wait:
                request_at = max(now + wait, record.last_request_at)
                self._write(record.offset, digest, request_at, record.blocked_until)
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

    def _write(self, offset: int, digest: bytes, last_request_at: float, blocked_until: float) -> None:
        _RECORD.pack_into(self._memory, offset, digest, last_request_at, blocked_until)


@lru_cache(maxsize=4096)
def _digest(host: str) -> bytes:
    return blake2b(host.encode(), digest_size=8).digest()


def parse_retry_after(header: str, date: str, now: datetime) -> float | None:
    """Return the seconds in a Retry-After header; None if the header is invalid.

    The header contains seconds or an HTTP date, in any of its three formats (RFC 9110 section 10.2.3). Two
    dates of one clock are compared, since the site's clock may be an hour off: the seconds are those from the
    response's Date header to Retry-After, as in the lifetime of a response with Expires (RFC 9111 section
    4.2.1).

    Args:
        header: the Retry-After header.
        date: the Date header of the same response; `""` if missing.
        now: the current time, with a time zone; used if the Date header is missing or invalid.

    Returns:
        The seconds, from 0 to `MAX_RETRY_AFTER_SECONDS`, also if the site asks for thousands of years.
    """
    header = header.strip()
    if header.isascii() and header.isdecimal():
        return min(float(header[:12]), MAX_RETRY_AFTER_SECONDS)
    until = _parse_http_date(header)
    if until is None:
        return None
    sent_at = _parse_http_date(date) or now
    return min(max(0.0, (until - sent_at).total_seconds()), MAX_RETRY_AFTER_SECONDS)


def _parse_http_date(text: str) -> datetime | None:
    """Return an HTTP date (RFC 9110 section 5.6.7), which is in UTC; None if it is invalid."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
