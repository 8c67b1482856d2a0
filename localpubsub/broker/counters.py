"""Counts what happens to the messages of each subscription since the start of the server."""

from bisect import bisect_left
from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Final

from localpubsub.backlog.backlog import Backlog
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.message_state import EXPIRED, WAITING, MessageEvent, MessageState
from localpubsub.backlog.ordered_backlog import OrderedBacklog

if TYPE_CHECKING:
    from collections.abc import Callable

#: Upper bounds of the histogram of push latencies, in seconds.
LATENCY_BOUNDS: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0, 300.0, 600.0)


class SubscriptionCounters:
    """What happened on one subscription since the start of the server.

    Attributes:
        events: event of a message → how often it happened.
        nacks: number of nacks, including those of the final attempt.
        expired_leases: number of leases whose deadline passed, including those of the final attempt.
        push_statuses: HTTP status → number of pushes with this response; 0 stands for no response.
        push_latencies: number of pushes whose latency is at most the bound in LATENCY_BOUNDS at the same
            index, and above the bound before; the last number counts those above all bounds.
        push_seconds: sum of all latencies, in seconds.
        on_event: called with each event of a message, the id of the message, the number of its attempts, and
            its next state; None to call nothing.
    """

    def __init__(self) -> None:
        self.on_event: Callable[[MessageEvent, int, int, MessageState], None] | None = None
        self.events: Counter[MessageEvent] = Counter()
        self.nacks = 0
        self.expired_leases = 0
        self.push_statuses: Counter[int] = Counter()
        self.push_latencies = [0] * (len(LATENCY_BOUNDS) + 1)
        self.push_seconds = 0.0

    def record_push(self, status: int, seconds: float) -> None:
        """Count a push that got this status after this time; a status of 0 means no response."""
        self.push_statuses[status] += 1
        self.push_latencies[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self.push_seconds += seconds


class CountedBacklog(Backlog):
    """A backlog that counts its events.

    Attributes:
        counters: the counters of the subscription, which outlive this backlog.
    """

    counters: SubscriptionCounters

    def nack(self, lease: Lease, now: float) -> MessageState | None:
        """See Backlog."""
        state = super().nack(lease, now)
        self.counters.nacks += state is not None
        return state

    def expire_leases(self, now: float, limit: float = inf) -> list[tuple[Lease, MessageState]]:
        """See Backlog."""
        ended = super().expire_leases(now, limit)
        self.counters.expired_leases += len(ended)
        return ended

    def drop_expired(self, oldest: int) -> list[int]:
        """See Backlog."""
        dropped = super().drop_expired(oldest)
        if self.counters.on_event is not None:
            for message_id in dropped:
                self.counters.on_event("retention passed", message_id, 0, EXPIRED)
        return dropped

    def _move(
        self, state: MessageState, event: MessageEvent, lease: Lease, not_before: float | None = None
    ) -> MessageState:
        if lease.delivered_at:  # Backlog.load makes leases without this time, for deliveries of earlier runs.
            self.counters.events[event] += 1
        next_state = super()._move(state, event, lease, not_before)
        if self.counters.on_event is not None:
            self.counters.on_event(event, lease.message_id, lease.attempt, next_state)
        return next_state


class CountedOrderedBacklog(CountedBacklog, OrderedBacklog):
    """The same for a subscription with message ordering."""

    def further_ended(self) -> list[tuple[Lease, MessageState]]:
        """See Backlog; the deliveries that the redelivery of an earlier message has cancelled count, too."""
        ended = super().further_ended()
        self.counters.events["delivery cancelled"] += sum(state == WAITING for _, state in ended)
        return ended
