"""What is to be written next: all that happened since the last commit, for few statements."""

from collections import defaultdict
from collections.abc import Sequence


class Transaction:
    """Filled by the broker on the event loop, then written once by the store's thread.

    Topics and subscriptions appear by number. The order of writing is fixed (messages in, attempts, messages
    out, resources), which is right because ids and numbers are never used twice.
    """

    __slots__ = ("attempts", "backlog", "keys", "last_id", "messages", "removed", "resources", "retained")

    def __init__(self) -> None:
        self.messages: list[tuple[int, int, bytes]] = []  #: message id, topic, record
        self.backlog: defaultdict[int, list[int]] = defaultdict(list)  #: subscription → new message ids
        self.keys: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)  #: subscription → (id, key)
        self.retained: defaultdict[int, list[int]] = defaultdict(list)  #: who keeps them → message ids
        self.attempts: defaultdict[int, dict[int, int]] = defaultdict(dict)  #: subscription → id → deliveries
        self.removed: defaultdict[int, dict[int, int]] = defaultdict(dict)  #: subscription → id → deliveries
        self.resources: list[tuple[str, Sequence[object]]] = []  #: statements on topics and subscriptions
        self.last_id = 0  #: the highest id given out, to messages and to resources

    def publish(self, topic: int, subscriptions: Sequence[int], records: Sequence[tuple[int, bytes]]) -> None:
        """Messages of one topic, for all of its subscriptions."""
        if subscriptions:
            self.messages += [(message_id, topic, record) for message_id, record in records]
            for subscription in subscriptions:
                self.backlog[subscription] += [message_id for message_id, _ in records]

    def count(self, subscription: int, message_id: int, attempts: int) -> None:
        """A message was delivered for the ``attempts``-th time."""
        self.attempts[subscription][message_id] = attempts

    def remove(self, subscription: int, message_id: int, attempts: int) -> None:
        """A message is done with on this subscription, after ``attempts`` deliveries."""
        self.removed[subscription][message_id] = attempts
        # Delivered and acknowledged between two commits: its count need never be written.
        if counts := self.attempts.get(subscription):
            counts.pop(message_id, None)

    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.messages or self.removed or self.attempts or self.resources or self.last_id)
