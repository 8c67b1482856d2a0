"""Collects the changes for the next transaction of the store, so that few SQL statements write them."""

from collections import defaultdict
from collections.abc import Callable, Sequence


class Transaction:
    """The changes since the last commit.

    The broker adds them on the event loop, and the journal's thread writes them.

    Topics, subscriptions and the owners of retained messages are identified by their numbers. The order of
    writing is fixed: new messages, ordering keys, retained messages, attempts, removed messages, resources.
    The changes may have been added in another order. That makes no difference, because no id and no number
    is used twice.
    """

    __slots__ = (
        "attempts",
        "backlog",
        "done",
        "keys",
        "last_id",
        "messages",
        "removed",
        "resources",
        "retained",
        "undo",
    )

    def __init__(self) -> None:
        self.messages: list[tuple[int, int, bytes]] = []  #: New messages: (message id, topic, record).
        #: Subscription → ids of its new messages.
        self.backlog: defaultdict[int, list[int]] = defaultdict(list)
        #: Subscription → (message id, key number) of its new messages with an ordering key.
        self.keys: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        #: Owner → ids of the new or acknowledged messages that it retains for a seek.
        self.retained: defaultdict[int, list[int]] = defaultdict(list)
        #: Subscription → message id → number of deliveries so far.
        self.attempts: defaultdict[int, dict[int, int]] = defaultdict(dict)
        #: Subscription → id of a message removed from its backlog → number of deliveries so far.
        self.removed: defaultdict[int, dict[int, int]] = defaultdict(dict)
        #: SQL statements with their values, for topics, subscriptions and all other resources.
        self.resources: list[tuple[str, Sequence[object]]] = []
        self.last_id = 0  #: Highest new message id or resource number; 0 without new ones.
        #: Functions that restore the state in memory if the transaction fails, in the order of the changes.
        self.undo: list[Callable[[], None]] = []
        self.done: list[Callable[[], None]] = []  #: Functions to call once the transaction is on disk.

    def publish(self, topic: int, subscriptions: Sequence[int], records: Sequence[tuple[int, bytes]]) -> None:
        """Add the (message id, record) pairs of one topic, for all of these subscriptions."""
        if subscriptions:
            self.messages += [(message_id, topic, record) for message_id, record in records]
            for subscription in subscriptions:
                self.backlog[subscription] += [message_id for message_id, _ in records]

    def set_attempts(self, subscription: int, message_id: int, attempts: int) -> None:
        """Record the number of deliveries of a message."""
        self.attempts[subscription][message_id] = attempts

    def remove(self, subscription: int, message_id: int, attempts: int) -> None:
        """Remove a message from a subscription's backlog, after ``attempts`` deliveries."""
        self.removed[subscription][message_id] = attempts
        # The attempts of a removed message need not be written.
        if counts := self.attempts.get(subscription):
            counts.pop(message_id, None)

    def empty(self) -> bool:
        """Return whether there is nothing to write."""
        return not (
            self.messages
            or self.removed
            or self.attempts
            or self.resources
            or self.retained
            or self.last_id
            or self.undo
            or self.done
        )
