"""Finds the lease whose deadline is the earliest."""

import heapq
from typing import Final

from localpubsub.backlog.lease import Lease

#: To save memory, the heap of deadlines is rebuilt without its stale entries if they outnumber the current
#: leases by more than this number. A stale entry is the deadline of a lease that has ended or was given
#: another deadline; without a rebuild the entry would stay until its time has come, for up to ten minutes.
_MAX_STALE: Final = 1024


class Deadlines:
    """The deadlines of ``leases``, which maps message ids to current leases and may change at any time."""

    __slots__ = ("_heap", "_leases")

    def __init__(self, leases: dict[int, Lease]) -> None:
        self._leases = leases
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        """The number of entries, including stale ones."""
        return len(self._heap)

    def add(self, lease: Lease) -> None:
        """Add the deadline of a new lease, or the new deadline of a lease."""
        heapq.heappush(self._heap, (lease.deadline, lease.message_id))

    def earliest(self) -> float | None:
        """Return the earliest deadline of the current leases, or None if there are no leases."""
        heap = self._heap
        if len(heap) > 2 * len(self._leases) + _MAX_STALE:
            heap[:] = [(lease.deadline, lease.message_id) for lease in self._leases.values()]
            heapq.heapify(heap)
        while heap:
            when, message_id = heap[0]
            lease = self._leases.get(message_id)
            if lease is not None and lease.deadline == when:
                return when
            heapq.heappop(heap)
        return None

    def pop(self) -> Lease:
        """Remove the entry whose deadline ``earliest`` has returned; return its lease."""
        return self._leases[heapq.heappop(self._heap)[1]]
