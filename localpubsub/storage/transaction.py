"""Collects the changes for the next transaction of the store, so that few SQL statements write them."""

from collections import defaultdict
from collections.abc import Callable, Sequence


class Transaction:
    """The changes since the last commit.

    The broker adds them on the event loop, and the journal's thread writes them.

    Topics, backlogs and the owners of retained messages are identified by their numbers. The order of
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
        #: Number of a backlog → ids of its new messages.
        self.backlog: defaultdict[int, list[int]] = defaultdict(list)
        #: Number of a backlog → (message id, key number) of its new messages with an ordering key.
        self.keys: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        #: Owner → ids of the new or acknowledged messages that it retains for a seek.
        self.retained: defaultdict[int, list[int]] = defaultdict(list)
        #: Number of a backlog → message id → number of deliveries so far.
        self.attempts: defaultdict[int, dict[int, int]] = defaultdict(dict)
        #: Number of a backlog → id of a message removed from it → number of deliveries so far.
        self.removed: defaultdict[int, dict[int, int]] = defaultdict(dict)
        #: SQL statements with their values, for topics, subscriptions and all other resources.
        self.resources: list[tuple[str, Sequence[object]]] = []
        self.last_id = 0  #: Highest new message id or resource number; 0 without new ones.
        #: Functions that restore the state in memory if the transaction fails, in the order of the changes.
        self.undo: list[Callable[[], None]] = []
        self.done: list[Callable[[], None]] = []  #: Functions to call once the transaction is on disk.

    def publish(self, topic: int, backlogs: Sequence[int], records: Sequence[tuple[int, bytes]]) -> None:
        """Add the (message id, record) pairs of one topic, for all of these backlogs."""
        if backlogs:
            self.messages += [(message_id, topic, record) for message_id, record in records]
            for number in backlogs:
                self.backlog[number] += [message_id for message_id, _ in records]

    def set_attempts(self, number: int, message_id: int, attempts: int) -> None:
        """Record the number of deliveries of a message of a backlog."""
        self.attempts[number][message_id] = attempts

    def remove(self, number: int, message_id: int, attempts: int) -> None:
        """Remove a message from a backlog, after ``attempts`` deliveries."""
        self.removed[number][message_id] = attempts
        # The attempts of a removed message need not be written.
        if counts := self.attempts.get(number):
            counts.pop(message_id, None)

    def forget_backlog(self, number: int) -> None:
        """Leave out all rows of a backlog, because its rows are being removed."""
        for rows in (self.backlog, self.keys, self.attempts, self.removed):
            rows.pop(number, None)

    def forget_owner(self, number: int) -> None:
        """Leave out the messages that an owner retains, because its rows are being removed."""
        self.retained.pop(number, None)

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
