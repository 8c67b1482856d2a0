"""The messages of one subscription: a pure state machine that is told the time.

https://cloud.google.com/pubsub/docs/subscription-overview#lifecycle,
https://cloud.google.com/pubsub/docs/handling-failures.

Waiting messages are ids in a queue (never delivered) or in a heap (to be redelivered, not before a time);
only messages that were delivered at least once cost more than eight bytes.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, TypeAlias

from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.id_queue import IdQueue
from localpubsub.backlog.lease import Lease, LeaseHolder
from localpubsub.backlog.message import oldest_retained_id
from localpubsub.backlog.retry_policy import RetryPolicy

MessageState: TypeAlias = Literal["waiting", "outstanding", "acknowledged", "dead_lettered", "expired"]
MessageEvent: TypeAlias = Literal[
    "delivered",
    "acknowledged",
    "nacked",
    "deadline passed",
    "delivery cancelled",
    "attempts exhausted",
    "retention passed",
]

WAITING: Final = "waiting"
OUTSTANDING: Final = "outstanding"
ACKNOWLEDGED: Final = "acknowledged"
DEAD_LETTERED: Final = "dead_lettered"
EXPIRED: Final = "expired"

#: Everything that can happen to a message on a subscription. What is not here cannot happen.
NEXT: Final[dict[tuple[MessageState, MessageEvent], MessageState]] = {
    (WAITING, "delivered"): OUTSTANDING,
    (WAITING, "retention passed"): EXPIRED,
    (OUTSTANDING, "acknowledged"): ACKNOWLEDGED,
    (OUTSTANDING, "nacked"): WAITING,  # a nack: deadline 0, or an answer to a push that is no ack
    (OUTSTANDING, "deadline passed"): WAITING,
    (OUTSTANDING, "attempts exhausted"): DEAD_LETTERED,  # refused or deadline passed, for the last time
    (OUTSTANDING, "delivery cancelled"): WAITING,  # leased, but never sent: no attempt
}

#: Stale heap entries tolerated before a rebuild: deadlines of acknowledged messages would else pile up for
#: ten minutes.
_SLACK: Final = 1024


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """What of a subscription's configuration decides the life of its messages."""

    ack_deadline: float  #: seconds
    retention: float  #: seconds
    retry_policy: RetryPolicy | None = None
    dead_letter_policy: DeadLetterPolicy | None = None


class Backlog:
    """The messages of one subscription. ``policy`` may be replaced at any time."""

    ordered = False  #: whether the end of one message can make another ready (see ordered_backlog.py)

    def __init__(self, policy: DeliveryPolicy) -> None:
        self.policy = policy
        self.outstanding: dict[int, Lease] = {}
        self._fresh = IdQueue()
        self._due: deque[int] = deque()
        self._delayed: list[tuple[float, int]] = []
        self._deadlines: list[tuple[float, int]] = []
        self._attempts: dict[int, int] = {}

    def __len__(self) -> int:
        """Messages not yet acknowledged, buried or forgotten."""
        return len(self._fresh) + len(self._due) + len(self._delayed) + len(self.outstanding)

    def enqueue(self, message_ids: Iterable[int]) -> None:
        """Newly published messages begin to wait."""
        for message_id in message_ids:
            self._fresh.append(message_id)

    def load(self, message_id: int, attempts: int) -> None:
        """A message found after a restart, oldest first, with ``attempts`` deliveries counted before it.

        One that had been delivered takes up its lease again, already run out: so ``expire`` decides, with the
        same table, whether its last delivery was one too many.
        """
        if not attempts:
            self._fresh.append(message_id)
            return
        self._attempts[message_id] = attempts
        self._move(WAITING, "delivered", Lease(message_id, attempts, 0.0, 0.0))

    def add_ordering_keys(self, keyed: Iterable[tuple[int, int, int]]) -> None:
        """Ordering keys of messages to come, which matter only to an OrderedBacklog."""

    def carry_attempts(self, attempts: Mapping[int, int]) -> None:
        """Deliveries of waiting messages that were counted by the backlog which this one replaces."""
        self._attempts.update(attempts)

    def attempts(self, message_ids: Iterable[int]) -> dict[int, int]:
        """Deliveries so far of those of these messages that had any."""
        found = self._attempts
        return {message_id: found[message_id] for message_id in message_ids if message_id in found}

    def restore(self, message_id: int, attempts: int, not_before: float) -> None:
        """A message that had left begins to wait again, with ``attempts`` deliveries behind it.

        For acks and burials which the disk refused.
        """
        self._attempts[message_id] = attempts
        heapq.heappush(self._delayed, (not_before, message_id))

    def ready(self, now: float) -> int:
        """How many messages could be delivered at ``now``."""
        delayed = self._delayed
        while delayed and delayed[0][0] <= now:
            self._due.append(heapq.heappop(delayed)[1])
        return len(self._due) + len(self._fresh)

    def upcoming(self, count: int) -> list[int]:
        """Ids of messages to be delivered next, for reading them ahead."""
        due = list(islice(self._due, count))
        return due + self._fresh.upcoming(count - len(due))

    def oldest_message_id(self) -> int | None:
        """The lowest id of all, or None; takes as long as there are messages delivered before."""
        fresh = self._fresh.first()
        found = [*self._due, *(message_id for _, message_id in self._delayed), *self.outstanding]
        return min(found if fresh is None else [fresh, *found], default=None)

    def deliver(self, now: float, deadline: float, holder: LeaseHolder | None = None) -> Lease | None:
        """Lease the next message until ``deadline``; None when none is ready."""
        if not self.ready(now):
            return None
        message_id = self._due.popleft() if self._due else self._fresh.take()
        attempt = self._attempts.get(message_id, 0) + 1
        self._attempts[message_id] = attempt
        lease = Lease(message_id, attempt, now, deadline, holder)
        self._move(WAITING, "delivered", lease)
        return lease

    def find_lease(self, message_id: int, attempt: int) -> Lease | None:
        """The lease of this delivery, while it lasts."""
        lease = self.outstanding.get(message_id)
        return lease if lease is not None and lease.attempt == attempt else None

    def acknowledge(self, lease: Lease) -> MessageState | None:
        """The message is done with. None when the lease had ended: a late ack undoes no redelivery."""
        return self._end(lease, "acknowledged", lease.delivered_at)

    def nack(self, lease: Lease, now: float) -> MessageState | None:
        """A nack. Returns BURIED when it was the last attempt, None when the lease had ended."""
        return self._end(lease, "nacked", now)

    def cancel_delivery(self, lease: Lease, now: float, pause: float = 0.0) -> MessageState | None:
        """The lease was never sent: as if it had not been delivered, first in line or after ``pause``."""
        state = self._end(lease, "delivery cancelled", now)
        if state and pause:
            heapq.heappush(self._delayed, (now + pause, self._due.popleft()))
        return state

    def extend_deadline(self, lease: Lease, deadline: float) -> None:
        """Move the deadline of a lease, also to an earlier time."""
        if self.outstanding.get(lease.message_id) is lease:
            lease.deadline = deadline
            heapq.heappush(self._deadlines, (deadline, lease.message_id))

    def expire_leases(self, now: float) -> list[tuple[Lease, MessageState]]:
        """End every lease whose deadline has passed; what became of each message."""
        ended: list[tuple[Lease, MessageState]] = []
        while (when := self._next_deadline()) is not None and when <= now:
            lease = self.outstanding[heapq.heappop(self._deadlines)[1]]
            if state := self._end(lease, "deadline passed", now):
                ended.append((lease, state))
        return ended

    def drop_expired(self, now: float) -> list[int]:
        """Drop waiting messages older than the retention; their ids. Outstanding ones may still be acked."""
        oldest = oldest_retained_id(now, self.policy.retention)
        forgotten = [message_id for message_id in self._due if message_id < oldest]
        forgotten += [message_id for _, message_id in self._delayed if message_id < oldest]
        if forgotten:
            self._due = deque(message_id for message_id in self._due if message_id >= oldest)
            self._delayed = [entry for entry in self._delayed if entry[1] >= oldest]
            heapq.heapify(self._delayed)
            for message_id in forgotten:
                self._attempts.pop(message_id, None)
        while (first := self._fresh.first()) is not None and first < oldest:
            forgotten.append(self._fresh.take())
        return forgotten

    def next_event(self) -> float | None:
        """When ``expire`` or ``ready`` will next have something to say, if nothing else happens."""
        deadline = self._next_deadline()
        if not self._delayed:
            return deadline
        redelivery = self._delayed[0][0]
        return redelivery if deadline is None else min(redelivery, deadline)

    def _end(self, lease: Lease, event: MessageEvent, now: float) -> MessageState | None:
        if self.outstanding.get(lease.message_id) is not lease:
            return None
        if event in {"nacked", "deadline passed"} and self._exhausted(lease):
            event = "attempts exhausted"
        return self._move(OUTSTANDING, event, lease, now)

    def _exhausted(self, lease: Lease) -> bool:
        policy = self.policy.dead_letter_policy
        return policy is not None and (lease.final_attempt or lease.attempt >= policy.max_delivery_attempts)

    def _move(self, state: MessageState, event: MessageEvent, lease: Lease, now: float = 0.0) -> MessageState:
        """Take the message where the table says."""
        following = NEXT[state, event]
        message_id = lease.message_id
        if following is OUTSTANDING:
            self.outstanding[message_id] = lease
            heapq.heappush(self._deadlines, (lease.deadline, message_id))
            return following
        del self.outstanding[message_id]
        if following is WAITING:
            self._wait_again(lease, event, now)
        else:
            del self._attempts[message_id]
        return following

    def _wait_again(self, lease: Lease, event: MessageEvent, now: float) -> None:
        if event == "delivery cancelled":
            self._attempts[lease.message_id] = lease.attempt - 1
            self._due.appendleft(lease.message_id)
        elif self.policy.retry_policy is None:
            self._due.append(lease.message_id)
        else:
            not_before = now + self.policy.retry_policy.delay(lease.attempt)
            heapq.heappush(self._delayed, (not_before, lease.message_id))

    def _next_deadline(self) -> float | None:
        """The earliest deadline of a lease that still lasts."""
        deadlines = self._deadlines
        if len(deadlines) > 2 * len(self.outstanding) + _SLACK:
            deadlines[:] = [(lease.deadline, lease.message_id) for lease in self.outstanding.values()]
            heapq.heapify(deadlines)
        while deadlines:
            when, message_id = deadlines[0]
            lease = self.outstanding.get(message_id)
            if lease is not None and lease.deadline == when:
                return when
            heapq.heappop(deadlines)
        return None
