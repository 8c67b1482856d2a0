"""Publishes to queues of AWS SQS; a message counts as sent only once all queues of its topic have it."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from contract.topology import DEAD_LETTER_TOPIC, PUSH_SUBSCRIPTION
from publishing.chunked_publisher import ChunkedPublisher
from publishing.message_id import new_message_id
from publishing.publisher import Message
from publishing.sqs import wire
from publishing.sqs.batches import Entry
from publishing.sqs.queues import Queues, SqsError
from publishing.sqs.sender import Sender, subscriptions_of


@dataclass(slots=True)
class _Outgoing:
    """A message that is published.

    Attributes:
        message_id: its id.
        body: its body in every queue.
        group: its group in a FIFO queue.
        missing: the queues that have not confirmed it; it is sent again only to these.
    """

    message_id: str
    body: str
    group: str
    missing: list[str]


class SqsPublisher(ChunkedPublisher[_Outgoing | SqsError]):
    """Publishes to one topic, over the process's connections to SQS.

    Args:
        url: BROKER_URL.
        topic: the topic's name.
        timeout_seconds: how long a call may wait for its confirmations, in all.
        batch_seconds: see `ChunkedPublisher`.

    A message that was not confirmed because of a transient error is sent again, within the time of the call,
    to the queues that have not confirmed it. A queue may then contain it twice, with the same id.
    `for_topic` makes a publisher that sends each message once.
    """

    def __init__(self, url: str, topic: str, *, timeout_seconds: float, batch_seconds: float = 0) -> None:
        super().__init__(topic, timeout_seconds, batch_seconds)
        self._queues = Queues(url)
        self._sender = Sender(self._queues)
        with suppress(SqsError):  # each publish has the same error
            self._queues.connect()

    def labels(self, timeout_seconds: float) -> dict[str, str]:  # noqa: ARG002 - the client has its own limit
        """Return the labels of the jobs topic, which are the tags of its delivered queue.

        Raises:
            SqsError: if SQS refuses, does not answer within its client's time limits, or cannot be reached.
        """
        found = self._queues.call("list_queue_tags", self._queues.name(PUSH_SUBSCRIPTION))
        return dict(found.get("Tags", {}))

    def set_labels(self, labels: Mapping[str, str], timeout_seconds: float) -> None:
        """Replace the labels of the jobs topic; return once SQS has confirmed it.

        Raises:
            PublishUnconfirmed: if SQS does not confirm it, for example because a queue can have at most 50
                tags.
        """
        queue = self._queues.name(PUSH_SUBSCRIPTION)
        try:
            superfluous = [key for key in self.labels(timeout_seconds) if key not in labels]
            if labels:
                self._queues.call("tag_queue", queue, Tags=dict(labels))
            if superfluous:
                self._queues.call("untag_queue", queue, TagKeys=superfluous)
        except SqsError as error:
            raise self._unconfirmed(error) from error

    def close(self) -> None:
        """Close the idle connections; those of requests that are under way close after them."""
        self._queues.close()

    def _outgoing(self, message: Message) -> _Outgoing | SqsError:
        message_id = new_message_id()
        subscriptions = subscriptions_of(self._topic, message.attributes)
        if not subscriptions:
            return SqsError("no queue of SQS takes messages of this topic")
        try:
            body, group = wire.write(message, message_id), self._group_of(message, message_id)
        except (TypeError, ValueError) as error:  # the error of one message must not stop the others
            return SqsError(str(error))
        return _Outgoing(message_id, body, group, list(map(self._queues.name, subscriptions)))

    def _group_of(self, message: Message, message_id: str) -> str:
        # A FIFO queue delivers no further message of a group while a command holds one of its dead letters.
        return message_id if self._topic == DEAD_LETTER_TOPIC else wire.group_of(message, message_id)

    def _is_transient(self, error: Exception) -> bool:
        return self._retries and isinstance(error, SqsError) and error.is_transient

    def _send(self, messages: list[_Outgoing | SqsError], deadline: float) -> list[Exception | str]:
        """Send each message once to the queues that miss it; return its id, or why it is not confirmed."""
        by_queue = dict[str, list[Entry]]()
        sent = [
            each if isinstance(each, SqsError) else (each, self._entries(each, by_queue)) for each in messages
        ]
        for queue, entries in by_queue.items():
            self._sender.send(queue, entries)
        return [each if isinstance(each, SqsError) else _result(*each, deadline) for each in sent]

    def _entries(self, outgoing: _Outgoing, by_queue: dict[str, list[Entry]]) -> dict[str, Entry]:
        entries = {
            queue: self._sender.entry(queue, outgoing.body, outgoing.message_id, outgoing.group)
            for queue in outgoing.missing
        }
        for queue, entry in entries.items():
            by_queue.setdefault(queue, []).append(entry)
        return entries


def _result(outgoing: _Outgoing, entries: dict[str, Entry], deadline: float) -> Exception | str:
    """Wait until all queues have confirmed a message, or one has not."""
    failure: Exception | None = None
    for queue, entry in entries.items():
        try:
            entry.done.result(timeout=max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            entry.done.cancel()
            failure = TimeoutError(f"SQS has not answered in time for queue {queue!r}")
        except SqsError as error:
            failure = error
        else:
            outgoing.missing.remove(queue)
    return failure or outgoing.message_id
