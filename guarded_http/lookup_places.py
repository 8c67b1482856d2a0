"""Limits how many name lookups are under way at the same time: in total, and for each registrable domain.

The names below one domain usually have the same DNS servers. If these are silent, lookups of such names wait
for each other, and leave the other places to names of other domains.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock, Semaphore
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

#: Maximum number of lookups under way in a process. A lookup opens two sockets, and a process may often have
#: no more than 1,024 open files.
MAX_LOOKUPS = 256
#: Maximum number of lookups under way for the names of one registrable domain. A crawl has few hosts in one
#: domain, and a lookup that is answered takes milliseconds.
MAX_DOMAIN_LOOKUPS = 8


def registrable_domain(host: str) -> str:
    """Return the domain that was registered, by the Public Suffix List: example.co.uk for a.b.example.co.uk.

    Args:
        host: a host name in lower case, without a dot at its end. If it is a public suffix, it is returned.
    """
    return _suffix_list().privatesuffix(host) or host


class _Domain:
    """The places of one domain, and the number of lookups that have one or wait for one."""

    def __init__(self, count: int) -> None:
        self.free = Semaphore(count)
        self.users = 0


class LookupPlaces:
    """The places for lookups, which lookups of one domain get in the order in which they ask for them.

    Args:
        total: number of places.
        per_domain: number of places for the names of one registrable domain.
    """

    def __init__(self, total: int = MAX_LOOKUPS, per_domain: int = MAX_DOMAIN_LOOKUPS) -> None:
        self._free = Semaphore(total)
        self._per_domain = per_domain
        self._domains: dict[str, _Domain] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        """Return the number of domains with lookups that have a place or wait for one."""
        return len(self._domains)

    @contextmanager
    def place(self, host: str) -> Iterator[None]:
        """Wait for a place for a lookup of `host`, and occupy it inside the context."""
        name = registrable_domain(host)
        with self._lock:
            domain = self._domains.setdefault(name, _Domain(self._per_domain))
            domain.users += 1
        try:
            # The domain's place comes first: a lookup that waits for it must not occupy one of all places.
            with domain.free, self._free:
                yield
        finally:
            with self._lock:
                domain.users -= 1
                if not domain.users:
                    del self._domains[name]


@cache
def _suffix_list() -> "PublicSuffixList":
    """Return the Public Suffix List, which takes 40 ms to read."""
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - only lookups need this import

    return PublicSuffixList()
