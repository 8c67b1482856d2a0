"""When each host may be asked next, as far as this instance knows. Pure: it is told the time."""

import struct
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import NamedTuple, Protocol

MAX_RETRY_AFTER_SECONDS = 24 * 3600.0  #: of a Retry-After, however long it is
_PLACE = struct.Struct("=8sdd")  # a host's digest, when its last request begins, until when it is held
_NOBODY = bytes(8)
_NEAR = 16  # places in which a host may stand
SIZE = 16_384 * _PLACE.size  #: bytes of memory for that many hosts; the longest not asked are forgotten


class Memory(Protocol):
    """A block of bytes, zeros at first: a bytearray, or an mmap that processes share."""

    def __len__(self) -> int: ...

    def __buffer__(self, flags: int, /) -> memoryview: ...


class _Host(NamedTuple):
    at: int  #: where it stands
    asked: float = float("-inf")  #: when the last request begins, which may be in the future
    held_until: float = float("-inf")


class Hosts:
    """The hosts' calendars. Times are seconds of one clock that only goes forward.

    Args:
        memory: what holds them.
        lock: held while they are written to; of the threads and processes that share the memory.
    """

    def __init__(
        self, memory: Memory | None = None, lock: AbstractContextManager[object] | None = None
    ) -> None:
        self._lock = lock or nullcontext()
        self._memory = memoryview(bytearray(SIZE) if memory is None else memory)
        self._places = len(self._memory) // _PLACE.size

    def hold(self, host: str, seconds: float, now: float) -> None:
        """Ask nothing of `host` for `seconds` (Retry-After, RFC 9110 section 10.2.3)."""
        digest = _digest(host)
        with self._lock:
            known = self._find(digest)
            until = max(known.held_until, now + min(seconds, MAX_RETRY_AFTER_SECONDS))
            self._write(digest, known._replace(held_until=until))

    def held(self, host: str, now: float) -> float:
        """Return for how many seconds `host` must not be asked; 0 where it may."""
        return max(0.0, self._find(_digest(host)).held_until - now)

    def reserve(self, host: str, delay: float, now: float, patience: float) -> float:
        """Take the host's next turn, and return the seconds until then.

        Args:
            host: whose turn.
            delay: seconds that must lie between this request and the one before.
            now: the time.
            patience: seconds that may be waited; a turn that is further away is not taken.
        """
        digest = _digest(host)
        with self._lock:
            known = self._find(digest)
            wait = max(0.0, known.asked + delay - now)
            if wait <= patience:
                self._write(digest, known._replace(asked=max(now + wait, known.asked)))
        return wait

    def _find(self, digest: bytes) -> _Host:
        """Return what is known of a host; of one that is new, where it may stand."""
        first = int.from_bytes(digest) % self._places
        oldest, since = 0, float("inf")
        for number in range(first, first + _NEAR):
            at = number % self._places * _PLACE.size
            found, asked, held_until = _PLACE.unpack_from(self._memory, at)
            if found == digest:
                return _Host(at, asked, held_until)
            last = float("-inf") if found == _NOBODY else max(asked, held_until)
            if last < since:
                oldest, since = at, last
        return _Host(oldest)

    def _write(self, digest: bytes, known: _Host) -> None:
        _PLACE.pack_into(self._memory, known.at, digest, known.asked, known.held_until)


def _digest(host: str) -> bytes:
    return blake2b(host.encode(), digest_size=8).digest()


def retry_after_seconds(field: str, now: datetime) -> float | None:
    """Return what a Retry-After header asks for, in seconds from `now`; None where it is none.

    Both forms are read: seconds, and an HTTP date in any of its three spellings (RFC 9110 section 10.2.3).
    """
    field = field.strip()
    if field.isascii() and field.isdecimal():
        return float(field[:12])
    try:
        date = parsedate_to_datetime(field)
    except (ValueError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
