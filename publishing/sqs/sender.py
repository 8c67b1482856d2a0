"""Sends messages to queues: a topic of SQS is the queues of its subscriptions.

SQS has queues and no topics, so each message is sent to each queue of its topic.
"""

from collections.abc import Iterable, Mapping
from threading import Lock

from contract.topology import (
    DEAD_LETTER_SUBSCRIPTION,
    DEAD_LETTER_TOPIC,
    DISPATCH_SUBSCRIPTION,
    DISPATCH_TOPIC,
    JOBS_TOPIC,
    LEDGER_SUBSCRIPTIONS,
    PUSH_SUBSCRIPTION,
)
from publishing.sqs.batches import Batches, Entry
from publishing.sqs.queues import Queues

MAX_REQUESTS = 8  #: requests of a process at the same time to each standard queue

#: For each topic with more subscriptions than the ledger's, the other one.
_DELIVERED = {
    JOBS_TOPIC: PUSH_SUBSCRIPTION,
    DISPATCH_TOPIC: DISPATCH_SUBSCRIPTION,
    DEAD_LETTER_TOPIC: DEAD_LETTER_SUBSCRIPTION,
}


def subscriptions_of(topic: str, attributes: Mapping[str, str]) -> list[str]:
    """Return the subscriptions that get a message of a topic; none if there is no such topic.

    The shards of a dispatch are delivered to the dispatcher, and not its other messages (DISPATCH_FILTER).
    """
    found = [LEDGER_SUBSCRIPTIONS[topic]] if topic in LEDGER_SUBSCRIPTIONS else []
    if topic in _DELIVERED and (topic != DISPATCH_TOPIC or "shard" in attributes):
        found.insert(0, _DELIVERED[topic])
    return found


class Sender:
    """Sends messages to the queues of one BROKER_URL, from any thread.

    Args:
        queues: the queues.
    """

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._lock = Lock()
        self._batches = dict[str, Batches]()

    def send(self, queue: str, entries: Iterable[Entry]) -> None:
        """Send entries to a queue soon; does not wait."""
        with self._lock:
            if queue not in self._batches:
                self._batches[queue] = Batches(
                    self._queues,
                    queue,
                    "send_message_batch",
                    # The messages of a FIFO queue are sent one request after the other: they have an order.
                    max_requests=1 if queue.endswith(".fifo") else MAX_REQUESTS,
                )
        self._batches[queue].add(entries)

    def entry(self, queue: str, body: str, message_id: str, group: str) -> Entry:
        """Return the entry of a message.

        Args:
            queue: the name of the queue.
            body: the body, see `publishing.sqs.wire`.
            message_id: the message's id, by which a FIFO queue knows a message that is sent again.
            group: the message's group in a FIFO queue.
        """
        fields: dict[str, object] = {"MessageBody": body}
        if not queue.endswith(".fifo"):
            return Entry(fields, len(body))
        fifo = {"MessageGroupId": group, "MessageDeduplicationId": message_id}
        return Entry({**fields, **fifo}, len(body), group)
