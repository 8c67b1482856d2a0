"""Keeps messages in order: at most one message of each ordering key is outstanding at a time.

https://cloud.google.com/pubsub/docs/ordering. A key is *active* while one of its messages is ready,
outstanding, or waits for its next attempt; that message is called *leading*. Later messages of an active key
are blocked until the leading message is acknowledged, dead-lettered or dropped after its retention. To save
memory, only active keys have an entry in a dict. A message that was never delivered takes only its id and a
hash of its key (see ``key_number``).
"""

from collections.abc import Iterable
from hashlib import blake2b
from math import inf
from typing import Final

from localpubsub.backlog.backlog import Backlog, DeliveryPolicy
from localpubsub.backlog.id_queue import IdQueue
from localpubsub.backlog.message import oldest_retained_id

#: Maximum number of messages made ready ahead of their delivery. It is enough for all pushes of one
#: subscription that are open at the same time, which by default are at most 3,000.
_MAX_READY: Final = 4096
#: Number of ready messages below which further messages are examined. It is lower than the maximum so that
#: messages are examined many at a time, which is cheaper.
_MIN_READY: Final = 3072
#: Maximum number of new messages examined in one step, so that the event loop soon continues even if a
#: million messages are blocked behind one key.
_MAX_EXAMINED: Final = 2048


def key_number(key: str) -> int:
    """Return a 63-bit hash of an ordering key, or 0 for the empty key, which means no ordering.

    Messages of two keys with the same hash are ordered as if they had the same key.
    """
    if not key:
        return 0
    digest = blake2b(key.encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 1) or 1


class OrderedBacklog(Backlog):
    """A Backlog that delivers the messages of one ordering key in order.

    ``add_ordering_keys`` must be called with the keys of messages before they are enqueued or loaded.
    """

    def __init__(self, policy: DeliveryPolicy) -> None:
        super().__init__(policy)
        self._keyed_ids = IdQueue()
        self._keyed_keys = IdQueue()
        #: Ids of messages that will be loaded, were delivered before, and do not lead their key.
        self._redelivered_later: set[int] = set()
        self._key_of: dict[int, int] = {}  #: Id of a leading message → its key number.
        #: Key number of each active key → the key's blocked messages, or None if it never had any.
        self._blocked: dict[int, IdQueue | None] = {}
        self._blocked_count = 0

    def __len__(self) -> int:
        """The number of messages that are waiting, blocked or outstanding."""
        return super().__len__() + self._blocked_count

    def add_ordering_keys(self, keyed: Iterable[tuple[int, int, int]]) -> None:
        """Record (message id, key number, deliveries so far) of messages that will be enqueued or loaded.

        The first message of a key that was delivered before leads the key. After a seek to an earlier time,
        another message of the key may have been delivered before, too; it waits like a new one.
        """
        for message_id, key, attempts in keyed:
            if attempts and key not in self._blocked:
                self._activate(message_id, key)
                continue
            if attempts:
                self._redelivered_later.add(message_id)
            self._keyed_ids.append(message_id)
            self._keyed_keys.append(key)
            self._next_keyed = min(self._next_keyed, message_id)

    def load(self, message_id: int, attempts: int) -> None:
        """Add a message after a restart; only one message of a key gets a lease (see Backlog.load)."""
        if message_id not in self._redelivered_later:
            super().load(message_id, attempts)
            return
        self._redelivered_later.remove(message_id)
        self._attempts[message_id] = attempts
        self._new.append(message_id)

    def _examine(self) -> None:
        """Move some new messages to the ready ones, and others behind the leading message of their key."""
        if len(self._ready) >= _MIN_READY:
            return
        for _ in range(min(_MAX_EXAMINED, len(self._new))):
            if len(self._ready) >= _MAX_READY:
                break
            message_id = self._new.take()
            key = self._take_key(message_id) if message_id >= self._next_keyed else 0
            if key in self._blocked:
                self._block(message_id, key)
                continue
            if key:
                self._activate(message_id, key)
            self._ready.append(message_id)

    def has_unexamined(self) -> bool:
        """Return whether some new messages were not examined yet."""
        return self._next_keyed != inf and len(self._new) > 0

    def next_event(self) -> float | None:
        """Return when the next event is due; 0 (now) if no message is ready and some are not examined yet."""
        return 0.0 if self.has_unexamined() and not self._ready else super().next_event()

    def drop_expired(self, now: float) -> list[int]:
        """Remove waiting and blocked messages older than the retention and return their ids."""
        oldest = oldest_retained_id(now, self.policy.retention)
        dropped = []
        for queue in self._blocked.values():
            while queue is not None and (first := queue.first()) is not None and first < oldest:
                dropped.append(queue.take())
        self._blocked_count -= len(dropped)
        leading = super().drop_expired(now)
        for message_id in leading:
            self._release_key(message_id)
        return dropped + leading

    def blocks_others(self, message_id: int) -> bool:
        """Return whether later messages of its ordering key may wait for this message."""
        return message_id in self._key_of

    def _take_key(self, message_id: int) -> int:
        """Return the key number of a new message, or 0 without a key; forget the keys of earlier messages."""
        ids, keys, key = self._keyed_ids, self._keyed_keys, 0
        while self._next_keyed <= message_id:
            taken, taken_key = ids.take(), keys.take()
            if taken == message_id:
                key = taken_key
            following = ids.first()
            self._next_keyed = inf if following is None else following
        return key

    def _activate(self, message_id: int, key: int) -> None:
        self._key_of[message_id] = key
        self._blocked[key] = None

    def _block(self, message_id: int, key: int) -> None:
        queue = self._blocked[key]
        if queue is None:
            queue = self._blocked[key] = IdQueue()
        queue.append(message_id)
        self._blocked_count += 1

    def _release_key(self, message_id: int) -> None:
        """Make the next message of this message's key ready; deactivate the key if no message is blocked."""
        key = self._key_of.pop(message_id, 0)
        if not key:
            return
        queue = self._blocked[key]
        if queue is None or not len(queue):
            del self._blocked[key]
            return
        next_id = queue.take()
        self._blocked_count -= 1
        self._key_of[next_id] = key
        self._ready.append(next_id)
