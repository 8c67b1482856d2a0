"""Keeps the messages of one subscription in a pure state machine, which gets the time as an argument.

https://cloud.google.com/pubsub/docs/subscription-overview#lifecycle,
https://cloud.google.com/pubsub/docs/handling-failures.

A message that was never delivered takes eight bytes: its id in a queue. The id of a message that will be
redelivered is in another queue (ready now) or in a heap (ready at a later time).
"""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import inf

from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.deadlines import Deadlines
from localpubsub.backlog.id_queue import IdQueue
from localpubsub.backlog.lease import Lease, LeaseHolder
from localpubsub.backlog.message_state import NEXT, OUTSTANDING, WAITING, MessageEvent, MessageState
from localpubsub.backlog.retry_policy import RetryPolicy


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """The part of a subscription's configuration that determines the delivery of its messages."""

    ack_deadline: float  #: Seconds until an unacknowledged delivery expires.
    retention: float  #: Seconds for which an unacknowledged message is kept.
    retry_policy: RetryPolicy | None = None  #: None: messages are redelivered immediately.
    dead_letter_policy: DeadLetterPolicy | None = None  #: None: the attempts are not limited.


class Backlog:
    """The messages of one subscription. ``policy`` may be replaced at any time."""

    def __init__(self, policy: DeliveryPolicy) -> None:
        self.policy = policy
        self.outstanding: dict[int, Lease] = {}  #: Message id → its current lease.
        self._new = IdQueue()
        #: Id of the first new message with an ordering key; infinity without such messages. It is always
        #: infinity in a plain backlog.
        self._next_keyed = inf
        self._ready: deque[int] = deque()
        self._delayed: list[tuple[float, int]] = []
        self._deadlines = Deadlines(self.outstanding)
        self._attempts: dict[int, int] = {}

    def __len__(self) -> int:
        """The number of messages that are waiting or outstanding."""
        return len(self._new) + len(self._ready) + len(self._delayed) + len(self.outstanding)

    def enqueue(self, message_ids: Iterable[int]) -> None:
        """Add newly published messages, oldest first."""
        for message_id in message_ids:
            self._new.append(message_id)

    def load(self, message_id: int, attempts: int) -> None:
        """Add a message after a restart, with the number of its deliveries before; add the oldest one first.

        A message that was delivered before gets a lease whose deadline has passed. ``expire_leases`` then
        ends this lease as a failed attempt, and dead-letters the message if that was the final attempt.
        """
        if not attempts:
            self._new.append(message_id)
            return
        self._attempts[message_id] = attempts
        self._move(WAITING, "delivered", Lease(message_id, attempts, 0.0, 0.0))

    def add_ordering_keys(self, keyed: Iterable[tuple[int, int]]) -> None:
        """Record the ordering keys of messages before they are enqueued; only an OrderedBacklog uses them."""

    def carry_attempts(self, attempts: Mapping[int, int]) -> None:
        """Copy the delivery counts of waiting messages from the backlog that this backlog replaces."""
        self._attempts.update(attempts)

    def attempts(self, message_ids: Iterable[int]) -> dict[int, int]:
        """Return the number of deliveries by message id, without the messages that were never delivered."""
        counts = self._attempts
        return {message_id: counts[message_id] for message_id in message_ids if message_id in counts}

    def restore(self, message_id: int, attempts: int, not_before: float) -> None:
        """Add a removed message again, because its removal was not written, or it could not be dead-lettered.

        Args:
            message_id: id of the message.
            attempts: number of its deliveries so far.
            not_before: earliest time of its next delivery, seconds since the epoch.
        """
        self._attempts[message_id] = attempts
        heapq.heappush(self._delayed, (not_before, message_id))

    def blocks_others(self, message_id: int) -> bool:  # noqa: ARG002 - only an OrderedBacklog needs it
        """Return whether the end of this message may make another message ready."""
        return False

    def has_unexamined(self) -> bool:
        """Return whether further messages may be found ready by calling ``ready`` again at once."""
        return False

    def ready(self, now: float) -> int:
        """Return how many messages can be delivered at ``now``."""
        delayed = self._delayed
        while delayed and delayed[0][0] <= now:
            self._end_delay(heapq.heappop(delayed)[1])
        if self._next_keyed == inf:
            return len(self._ready) + len(self._new)
        self._examine()
        return len(self._ready)

    def _end_delay(self, message_id: int) -> None:
        """Make a message ready whose time has come."""
        self._ready.append(message_id)

    def _examine(self) -> None:
        """Move new messages to the ready ones; only an OrderedBacklog has messages with keys to examine."""

    def upcoming(self, count: int) -> list[int]:
        """Return the ids of the next ``count`` messages to be delivered, so that they can be read ahead."""
        ready = list(islice(self._ready, count))
        return ready + self._new.upcoming(count - len(ready))

    def oldest_message_id(self) -> int | None:
        """Return the lowest id, or None if the backlog is empty.

        The time that this takes is linear in the number of messages that were delivered before.
        """
        first = self._new.first()
        redelivered = [*self._ready, *(message_id for _, message_id in self._delayed), *self.outstanding]
        return min(redelivered if first is None else [first, *redelivered], default=None)

    def deliver(self, now: float, deadline: float, holder: LeaseHolder | None = None) -> Lease | None:
        """Lease the next message until ``deadline``; return None if no message is ready for this holder."""
        message_id = self._take(holder) if self.ready(now) else None
        if message_id is None:
            return None
        attempt = self._attempts.get(message_id, 0) + 1
        self._attempts[message_id] = attempt
        lease = Lease(message_id, attempt, now, deadline, holder)
        self._move(WAITING, "delivered", lease)
        return lease

    def _take(self, holder: LeaseHolder | None) -> int | None:  # noqa: ARG002 - only an OrderedBacklog needs it
        """Remove the next message from the queues; return its id, or None if none is ready for the holder."""
        if self._ready:
            return self._ready.popleft()
        return self._new.take() if self._next_keyed == inf and len(self._new) else None

    def is_current(self, lease: Lease) -> bool:
        """Return whether this lease has not ended."""
        return self.outstanding.get(lease.message_id) is lease

    def find_lease(self, message_id: int, number: int) -> Lease | None:
        """Return the lease with this number, or None if it has ended or was acknowledged."""
        lease = self.outstanding.get(message_id)
        return lease if lease is not None and lease.number == number and not lease.acknowledged else None

    def acknowledge(self, lease: Lease) -> MessageState | None:
        """Remove the message. Return its new state, or None if the lease has ended or does not end yet."""
        return self._end(lease, "acknowledged")

    def nack(self, lease: Lease, now: float) -> MessageState | None:
        """End the lease and count a failed attempt.

        Returns:
            WAITING, DEAD_LETTERED after the final attempt, ACKNOWLEDGED if an earlier delivery was
            acknowledged late, or None if the lease had already ended.
        """
        return self._end(lease, "nacked", now)

    def cancel_delivery(self, lease: Lease, now: float, delay: float = 0.0) -> MessageState | None:
        """Undo a delivery, so that it is not counted as an attempt.

        The message is then the next in the queue, or ready after ``delay`` seconds.

        Returns:
            The new state, or None if the lease had already ended.
        """
        return self._end(lease, "delivery cancelled", now, delay)

    def further_ended(self) -> list[tuple[Lease, MessageState]]:
        """Return the leases that ended because another one has ended, since the last call of this method.

        Only an OrderedBacklog ends several leases at once. The state of a message is ACKNOWLEDGED, or WAITING
        if its delivery was cancelled.
        """
        return []

    def must_wait_for_earlier_acks(self, lease: Lease) -> bool:  # noqa: ARG002 - only an OrderedBacklog needs it
        """Return whether an earlier message of its ordering key must be acknowledged before this one."""
        return False

    def close_holder(self, holder: LeaseHolder) -> None:
        """Deliver no further messages to this holder; its leases do not end."""

    def modify_deadline(self, lease: Lease, deadline: float) -> None:
        """Move the deadline of a lease to a later or earlier time; do nothing if the lease has ended."""
        if self.is_current(lease) and not lease.acknowledged:
            lease.received = True
            lease.deadline = deadline
            self._deadlines.add(lease)

    def expire_leases(self, now: float, limit: float = inf) -> list[tuple[Lease, MessageState]]:
        """End up to ``limit`` leases whose deadline has passed; return each with its message's new state."""
        ended: list[tuple[Lease, MessageState]] = []
        while len(ended) < limit and (when := self._deadlines.earliest()) is not None and when <= now:
            lease = self._deadlines.pop()
            # The backoff begins at the deadline, although the clock may have jumped beyond it; 0: a restart.
            if state := self._end(lease, "deadline passed", lease.deadline or now):
                ended.append((lease, state))
        return ended

    def drop_expired(self, oldest: int) -> list[int]:
        """Remove waiting messages whose ids are lower than ``oldest``, and return their ids.

        Outstanding messages stay: they can still be acknowledged.
        """
        dropped = [message_id for message_id in self._ready if message_id < oldest]
        dropped += [message_id for _, message_id in self._delayed if message_id < oldest]
        if dropped:
            self._ready = deque(message_id for message_id in self._ready if message_id >= oldest)
            self._delayed = [entry for entry in self._delayed if entry[1] >= oldest]
            heapq.heapify(self._delayed)
            for message_id in dropped:
                self._attempts.pop(message_id, None)
        return dropped + self._new.take_below(oldest)

    def next_event(self) -> float | None:
        """Return the earliest time at which a lease expires or a delayed message becomes ready, or None."""
        deadline = self._deadlines.earliest()
        if not self._delayed:
            return deadline
        redelivery = self._delayed[0][0]
        return redelivery if deadline is None else min(redelivery, deadline)

    def _end(
        self, lease: Lease, event: MessageEvent, now: float = 0.0, delay: float = 0.0
    ) -> MessageState | None:
        if not self.is_current(lease):
            return None
        if event in {"nacked", "deadline passed"}:
            if lease.acknowledged_late:
                event = "acknowledged"
            elif self._is_final_attempt(lease):
                event = "attempts exhausted"
            elif self.policy.retry_policy is not None:
                delay = self.policy.retry_policy.delay(lease.attempt)
        return self._move(OUTSTANDING, event, lease, now + delay if delay else None)

    def _is_final_attempt(self, lease: Lease) -> bool:
        policy = self.policy.dead_letter_policy
        return policy is not None and (lease.final_attempt or lease.attempt >= policy.max_delivery_attempts)

    def _move(
        self, state: MessageState, event: MessageEvent, lease: Lease, not_before: float | None = None
    ) -> MessageState:
        """Move the message to its next state according to ``NEXT``, and return that state.

        ``not_before`` is the earliest time of its redelivery if it waits; None: immediately.
        """
        next_state = NEXT[state, event]
        message_id = lease.message_id
        if next_state is OUTSTANDING:
            self.outstanding[message_id] = lease
            self._deadlines.add(lease)
            return next_state
        del self.outstanding[message_id]
        if next_state is WAITING:
            if event == "delivery cancelled":
                self._attempts[message_id] = lease.attempt - 1
            self._wait_again(message_id, not_before, first=event == "delivery cancelled")
        else:
            del self._attempts[message_id]
            self._release_key(message_id)
        return next_state

    def _release_key(self, message_id: int) -> None:
        """React when a message has ended: an OrderedBacklog makes the next one of its key ready."""

    def _wait_again(self, message_id: int, not_before: float | None, *, first: bool) -> None:
        if not_before is not None:
            heapq.heappush(self._delayed, (not_before, message_id))
        elif first:
            self._ready.appendleft(message_id)
        else:
            self._ready.append(message_id)
