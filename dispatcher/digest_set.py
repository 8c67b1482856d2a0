"""Remembers very many digests in little memory. Pure."""

_SIZE = 16
_EMPTY = bytes(_SIZE)


class DigestSet:
    """A set of digests of 16 bytes, in a hash table with open addressing.

    A million digests take 32 MiB; a `set` of them would take 130 MiB. Their bytes are random, so the first
    eight of them are the hash.
    """

    def __init__(self) -> None:
        self._mask = 1023
        self._slots = bytearray(_SIZE * (self._mask + 1))
        self._count = 0
        self._has_empty = False  # whether the digest of 16 zero bytes is in the set

    def __len__(self) -> int:
        """The number of digests."""
        return self._count + self._has_empty

    def __contains__(self, digest: bytes) -> bool:
        """Return whether a digest is in the set."""
        if digest == _EMPTY:
            return self._has_empty
        start = self._find(digest)
        return self._slots[start : start + _SIZE] == digest

    def add(self, digest: bytes) -> None:
        """Add a digest; nothing changes if it is in the set."""
        if digest == _EMPTY:
            self._has_empty = True
            return
        start = self._find(digest)
        if self._slots[start : start + _SIZE] == digest:
            return
        self._slots[start : start + _SIZE] = digest
        self._count += 1
        if 3 * self._count > 2 * self._mask:
            self._grow()

    def _find(self, digest: bytes) -> int:
        """Return where a digest is in the table, or where it belongs."""
        slots, mask = self._slots, self._mask
        index = int.from_bytes(digest[:8]) & mask
        while True:
            start = index * _SIZE
            found = slots[start : start + _SIZE]
            if found in (digest, _EMPTY):
                return start
            index = (index + 1) & mask

    def _grow(self) -> None:
        old = self._slots
        self._mask = 2 * self._mask + 1
        self._slots = bytearray(_SIZE * (self._mask + 1))
        for start in range(0, len(old), _SIZE):
            digest = bytes(old[start : start + _SIZE])
            if digest != _EMPTY:
                place = self._find(digest)
                self._slots[place : place + _SIZE] = digest
