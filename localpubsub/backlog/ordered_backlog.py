"""Keeps messages in order: the messages of an ordering key are delivered to one consumer at a time.

https://cloud.google.com/pubsub/docs/ordering, and for what that page does not state, the launch article:
https://medium.com/google-cloud/google-cloud-pub-sub-ordered-delivery-1e4181f60bc8.

- **Affinity**: while messages of a key are outstanding to a streaming subscriber, further messages of the
  key go to this subscriber only. A pull gets several messages of a key in one response; further pulls get
  none until these are acknowledged. A push subscription has one outstanding message of a key.
- **Consistent redelivery**: if a message is redelivered, the later messages of its key that were delivered
  are redelivered, too, "even acknowledged ones". So an ack is final only when all earlier messages of the key
  are acknowledged; until then the lease is kept and marked as acknowledged.
- A message that is redelivered only because of an earlier one is not counted as an attempt, because attempts
  are 1 + nacks + passed deadlines of this message (proto: ReceivedMessage.delivery_attempt).

A key is *active* (see ActiveKey) while one of its messages is ready, leased, or waits for its next attempt.
To save memory, only active keys have an object. A message that was never delivered takes its id and a hash of
its key (see ``ordering_keys.key_number``) or, behind other messages of an active key, only its id.
"""

import heapq
from collections.abc import Iterable
from itertools import islice
from math import inf
from typing import Final

from localpubsub.backlog.active_key import ActiveKey
from localpubsub.backlog.backlog import Backlog, DeliveryPolicy
from localpubsub.backlog.lease import Lease, LeaseHolder
from localpubsub.backlog.message_state import NEXT, OUTSTANDING, WAITING, MessageState
from localpubsub.backlog.ordering_keys import OrderingKeys

#: Maximum number of messages made ready ahead of their delivery. It is enough for all pushes of one
#: subscription that are open at the same time, which by default are at most 3,000.
_MAX_READY: Final = 4096
#: Number of ready messages below which further messages are examined: many at a time, which is cheaper.
_MIN_READY: Final = 3072
#: Maximum number of new messages examined in one step, so that the event loop soon continues even if a
#: million messages are blocked behind one key.
_MAX_EXAMINED: Final = 2048


class OrderedBacklog(Backlog):
    """A Backlog that delivers the messages of one ordering key in order.

    ``add_ordering_keys`` must be called with the keys of messages before they are enqueued or loaded.
    """

    def __init__(self, policy: DeliveryPolicy) -> None:
        super().__init__(policy)
        self._new_keys = OrderingKeys()
        self._delivered_before: set[int] = (
            set()
        )  #: Ids of loaded messages that had been delivered, unexamined.
        self._keys: dict[int, ActiveKey] = {}  #: Key number → active key.
        self._key_of: dict[int, ActiveKey] = {}  #: Id of a leading or leased message → its key.
        #: Consumer that has keys → those of its keys that have waiting messages, in the order of their turns.
        self._reserved: dict[LeaseHolder, dict[ActiveKey, None]] = {}
        self._waiting_behind = 0  #: Number of returned and blocked messages of all keys.
        self._further_ended: list[tuple[Lease, MessageState]] = []

    def __len__(self) -> int:
        """The number of messages that are waiting, blocked or outstanding."""
        return super().__len__() + self._waiting_behind

    def add_ordering_keys(self, keyed: Iterable[tuple[int, int]]) -> None:
        """Record (message id, key number) of messages that will be enqueued or loaded, oldest first."""
        self._new_keys.add(keyed)
        self._next_keyed = self._new_keys.next_id

    def load(self, message_id: int, attempts: int) -> None:
        """Add a message after a restart (see Backlog.load); of a key, only the first message gets a lease."""
        if not attempts or not self._new_keys.contains(message_id):
            super().load(message_id, attempts)
            return
        self._attempts[message_id] = attempts
        self._delivered_before.add(message_id)
        self._new.append(message_id)

    def ready(self, now: float) -> int:
        """Return how many messages or keys can be delivered at ``now``, some only to their holders."""
        ready = super().ready(now)
        return ready + sum(map(len, self._reserved.values())) if self._reserved else ready

    def deliver(self, now: float, deadline: float, holder: LeaseHolder | None = None) -> Lease | None:
        """Lease the next message until ``deadline``; return None if no message is ready for this holder."""
        lease = super().deliver(now, deadline, holder)
        if lease is not None and (key := self._key_of.get(lease.message_id)) is not None:
            self._lease(key, lease)
        return lease

    def acknowledge(self, lease: Lease) -> MessageState | None:
        """Remove the message, or mark its lease if an earlier message of its key is outstanding."""
        if lease.message_id not in self._key_of or not self.must_wait_for_earlier_acks(lease):
            return self._end(lease, "acknowledged")
        lease.acknowledged = True
        lease.deadline = inf
        return None

    def must_wait_for_earlier_acks(self, lease: Lease) -> bool:
        """Return whether an earlier message of its ordering key must be acknowledged before this one."""
        key = self._key_of.get(lease.message_id)
        return key is not None and self.is_current(lease) and key.first_leased() is not lease

    def further_ended(self) -> list[tuple[Lease, MessageState]]:
        """See Backlog.further_ended."""
        ended, self._further_ended = self._further_ended, []
        return ended

    def close_holder(self, holder: LeaseHolder) -> None:
        """Deliver no further messages to this holder; another one may take its keys when its leases end."""
        for key in self._reserved.pop(holder, ()):
            key.holder = None

    def expire_leases(self, now: float, limit: float = inf) -> list[tuple[Lease, MessageState]]:
        """See Backlog.expire_leases."""
        while self._delivered_before and len(self._new):
            self._examine_next()
        return super().expire_leases(now, limit)

    def has_unexamined(self) -> bool:
        """Return whether some new messages were not examined yet."""
        return self._next_keyed != inf and len(self._new) > 0

    def next_event(self) -> float | None:
        """Return when the next event is due; 0 (now) if no message is ready and some are not examined yet."""
        return 0.0 if self.has_unexamined() and not self._ready else super().next_event()

    def upcoming(self, count: int) -> list[int]:
        """Return the ids of the next ``count`` messages to be delivered, so that they can be read ahead."""
        ready = list(islice(self._ready, count))
        keys = [key for keys in self._reserved.values() for key in keys]
        for key in keys:
            ready += key.upcoming(max(1, count // len(keys)))
        return (ready + self._new.upcoming(count - len(ready)))[:count]

    def drop_expired(self, oldest: int) -> list[int]:
        """Remove waiting and blocked messages whose ids are lower than ``oldest``, and return their ids."""
        dropped = []
        for key in self._keys.values():
            dropped += key.drop_before(oldest)
            if key.next_waiting() is None:
                self._unreserve(key)
        self._waiting_behind -= len(dropped)
        for message_id in dropped:
            self._attempts.pop(message_id, None)
        leading = super().drop_expired(oldest)
        for message_id in leading:
            self._release_key(message_id)
        return dropped + leading

    def blocks_others(self, message_id: int) -> bool:
        """Return whether later messages of its ordering key may wait for this message."""
        return message_id in self._key_of

    def _take(self, holder: LeaseHolder | None) -> int | None:
        """Take the next message of the holder's keys, or the next one for all consumers if it is older."""
        reserved = self._reserved and holder is not None and self._reserved.get(holder)
        if not reserved:
            return super()._take(holder)
        key = next(iter(reserved))
        if self._ready:
            common: float | None = self._ready[0]
        else:
            common = self._new.first() if self._next_keyed == inf else None
        waiting = key.next_waiting()
        if common is not None and (waiting is None or common < waiting):
            return super()._take(holder)
        del reserved[key]  # _lease appends the key again, so that the holder's keys take turns
        return self._take_from(key)

    def _take_from(self, key: ActiveKey) -> int:
        """Remove and return the key's next waiting message."""
        message_id = key.take()
        self._waiting_behind -= 1
        self._key_of[message_id] = key
        return message_id

    def _put_back(self, key: ActiveKey, message_id: int) -> None:
        """Make a message the next waiting one of its key."""
        del self._key_of[message_id]
        self._waiting_behind += 1
        key.returned.append(message_id)

    def _lease(self, key: ActiveKey, lease: Lease) -> None:
        key.leading = None
        key.leased[lease.message_id] = lease
        key.holder = lease.holder
        self._offer(key)

    def _examine(self) -> None:
        """Move some new messages to the ready ones, and others behind the earlier messages of their key."""
        if len(self._ready) >= _MIN_READY:
            return
        for _ in range(min(_MAX_EXAMINED, len(self._new))):
            if len(self._ready) >= _MAX_READY:
                break
            self._examine_next()

    def _examine_next(self) -> None:
        message_id = self._new.take()
        number = self._new_keys.take(message_id)
        self._next_keyed = self._new_keys.next_id
        if not number:
            self._ready.append(message_id)
        elif (key := self._keys.get(number)) is not None:
            self._delivered_before.discard(message_id)
            key.block(message_id)
            self._waiting_behind += 1
            self._offer(key)
        else:
            self._activate(number, message_id)

    def _activate(self, number: int, message_id: int) -> None:
        key = self._keys[number] = self._key_of[message_id] = ActiveKey(number)
        if message_id not in self._delivered_before:
            key.leading = message_id
            self._ready.append(message_id)
            return
        self._delivered_before.remove(message_id)
        lease = Lease(message_id, self._attempts[message_id], 0.0, 0.0)
        self._move(WAITING, "delivered", lease)
        self._lease(key, lease)

    def _offer(self, key: ActiveKey, *, first: bool = False) -> None:
        """Offer the key's next message to the consumer that has the key or, if none has it, to all."""
        if key.leading is not None:
            self._unreserve(key)
            return
        if key.leased:
            if key.holder is not None and key.holder.takes_further and key.next_waiting() is not None:
                self._reserved.setdefault(key.holder, {})[key] = None
            return
        self._unreserve(key)
        key.holder = None
        if key.next_waiting() is None:
            del self._keys[key.number]
            return
        key.leading = self._take_from(key)
        if first:
            self._ready.appendleft(key.leading)
        else:
            self._ready.append(key.leading)

    def _unreserve(self, key: ActiveKey) -> None:
        if key.holder is not None and (reserved := self._reserved.get(key.holder)) is not None:
            reserved.pop(key, None)

    def _end_delay(self, message_id: int) -> None:
        """Make a message ready whose time has come, for its key's holder if the key still has one."""
        key = self._key_of.get(message_id)
        if key is None or not key.leased:
            super()._end_delay(message_id)
            return
        key.leading = None
        self._put_back(key, message_id)
        self._offer(key)

    def _wait_again(self, message_id: int, not_before: float | None, *, first: bool) -> None:
        """Redeliver a message, and after it the later messages of its key that were delivered."""
        key = self._key_of.get(message_id)
        if key is None:
            super()._wait_again(message_id, not_before, first=first)
            return
        if key.leading is not None:  # it is later than all leased messages, and waits for its next attempt
            self._delayed = [entry for entry in self._delayed if entry[1] != key.leading]
            heapq.heapify(self._delayed)
            self._put_back(key, key.leading)
            key.leading = None
        for later in key.leased_after(message_id):
            del key.leased[later.message_id]
            del self.outstanding[later.message_id]
            self._attempts[later.message_id] = later.attempt - 1
            self._put_back(key, later.message_id)
            self._further_ended.append((later, NEXT[OUTSTANDING, "delivery cancelled"]))
        del key.leased[message_id]
        if not_before is None:
            self._put_back(key, message_id)
        else:
            key.leading = message_id
            heapq.heappush(self._delayed, (not_before, message_id))
        self._offer(key, first=first)

    def _release_key(self, message_id: int) -> None:
        """Forget a message that has ended, and offer the next message of its key."""
        key = self._key_of.pop(message_id, None)
        if key is None:
            return
        if key.leading == message_id:
            key.leading = None
        key.leased.pop(message_id, None)
        while (lease := key.first_leased()) is not None and lease.acknowledged:
            del key.leased[lease.message_id]
            del self._key_of[lease.message_id]
            self._further_ended.append((lease, self._move(OUTSTANDING, "acknowledged", lease)))
        self._offer(key)
