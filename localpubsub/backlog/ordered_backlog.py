"""The messages of a subscription with message ordering: at most one of each ordering key is out at a time.

https://cloud.google.com/pubsub/docs/ordering. A key is *active* while one of its messages is about to be
delivered, outstanding, or waiting for its next attempt. Later messages of an active key wait behind it, and
only active keys have a state: a fresh message costs its id and the number of its key, nothing else.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from localpubsub.backlog.backlog import (
    ACKNOWLEDGED,
    DEAD_LETTERED,
    Backlog,
    DeliveryPolicy,
    MessageEvent,
    MessageState,
)
from localpubsub.backlog.id_queue import IdQueue
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.message import oldest_retained_id

#: Fresh messages looked at ahead of their delivery: more than a push subscription delivers at once.
_AHEAD: Final = 1024
#: Fresh messages looked at in one go: a million behind one key must not hold up everybody else.
_LOOK: Final = 2048


def key_number(key: str) -> int:
    """A number for an ordering key, 0 for none; two keys share one as rarely as 63-bit hashes collide."""
    if not key:
        return 0
    digest = blake2b(key.encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 1) or 1


class OrderedBacklog(Backlog):
    """A Backlog that delivers the messages of one ordering key in order; see ``add_ordering_keys``."""

    ordered = True

    def __init__(self, policy: DeliveryPolicy) -> None:
        super().__init__(policy)
        self._keyed_ids = IdQueue()
        self._keyed_keys = IdQueue()
        self._key_of: dict[int, int] = {}
        self._behind: dict[int, IdQueue | None] = {}
        self._blocked = 0

    def __len__(self) -> int:
        """Messages not yet acknowledged, buried or forgotten."""
        return super().__len__() + self._blocked

    def add_ordering_keys(self, keyed: Iterable[tuple[int, int, int]]) -> None:
        """Message id, number of its key, deliveries so far: of messages that will be enqueued or loaded."""
        for message_id, key, attempts in keyed:
            if not attempts:
                self._keyed_ids.append(message_id)
                self._keyed_keys.append(key)
            elif key not in self._behind:
                self._activate(message_id, key)

    def ready(self, now: float) -> int:
        """How many messages could be delivered at ``now``, of those looked at so far."""
        super().ready(now)
        for _ in range(min(_LOOK, len(self._fresh))):
            if len(self._due) >= _AHEAD:
                break
            message_id = self._fresh.take()
            key = self._claim_key(message_id)
            if key in self._behind:
                self._block(message_id, key)
                continue
            if key:
                self._activate(message_id, key)
            self._due.append(message_id)
        return len(self._due)

    def next_event(self) -> float | None:
        """See Backlog; at once while nothing was found to deliver, and not everything was looked at."""
        return 0.0 if len(self._fresh) and not self._due else super().next_event()

    def drop_expired(self, now: float) -> list[int]:
        """Drop waiting messages older than the retention; their ids."""
        oldest = oldest_retained_id(now, self.policy.retention)
        forgotten = []
        for queue in self._behind.values():
            while queue is not None and (first := queue.first()) is not None and first < oldest:
                forgotten.append(queue.take())
        self._blocked -= len(forgotten)
        leading = super().drop_expired(now)
        for message_id in leading:
            self._release(message_id)
        return forgotten + leading

    def _move(self, state: MessageState, event: MessageEvent, lease: Lease, now: float = 0.0) -> MessageState:
        following = super()._move(state, event, lease, now)
        if following in {ACKNOWLEDGED, DEAD_LETTERED}:
            self._release(lease.message_id)
        return following

    def _claim_key(self, message_id: int) -> int:
        """Key of a fresh message; those of earlier ones are of no more use."""
        ids, keys = self._keyed_ids, self._keyed_keys
        while (first := ids.first()) is not None and first <= message_id:
            ids.take()
            key = keys.take()
            if first == message_id:
                return key
        return 0

    def _activate(self, message_id: int, key: int) -> None:
        self._key_of[message_id] = key
        self._behind[key] = None

    def _block(self, message_id: int, key: int) -> None:
        queue = self._behind[key]
        if queue is None:
            queue = self._behind[key] = IdQueue()
        queue.append(message_id)
        self._blocked += 1

    def _release(self, message_id: int) -> None:
        """The message leads its key no more: the next one may go, or the key is forgotten."""
        key = self._key_of.pop(message_id, 0)
        if not key:
            return
        queue = self._behind[key]
        if queue is None or not len(queue):
            del self._behind[key]
            return
        follower = queue.take()
        self._blocked -= 1
        self._key_of[follower] = key
        self._due.append(follower)
