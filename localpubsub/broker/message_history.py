"""Remembers the last messages of a server and what became of them on each subscription, for tests.

The broker itself forgets a message when its last subscription has acknowledged it.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, TypeAlias

from localpubsub.backlog.message import encode_with_id
from localpubsub.backlog.message_state import WAITING, MessageEvent, MessageState
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.broker.topic import Topic
from localpubsub.protocol.messages import PubsubMessagePb

#: Maximum bytes of all remembered messages together; the oldest are forgotten first.
MAX_BYTES: Final = 32_000_000

FILTERED: Final = "filtered"  #: The message does not match the filter of the subscription.
DeliveryState: TypeAlias = MessageState | Literal["filtered"]


@dataclass(slots=True)
class DeliveryProgress:
    """What became of one message on one subscription."""

    state: DeliveryState
    deliveries: int = 0  #: Number of deliveries, including those that do not count as an attempt.
    attempt: int = 0  #: Delivery attempt of the last delivery, 1 for the first; 0 before it.


@dataclass(slots=True)
class RememberedMessage:
    """One message that was published, also by the broker itself as a dead letter."""

    message_id: int
    topic: str  #: Full name.
    record: bytes  #: Encoded PubsubMessage.
    #: Number of the subscription → progress, for the subscriptions that the topic had.
    progress: dict[int, DeliveryProgress] = field(default_factory=dict)


class MessageHistory:
    """The last messages of a broker, oldest first. A seek changes no state before the next delivery."""

    def __init__(self, broker: Broker, max_messages: int) -> None:
        """Begin to remember.

        Args:
            broker: the broker, whose subscriptions may exist already.
            max_messages: maximum number of messages; the oldest are forgotten first.
        """
        self._max_messages = max_messages
        self._messages: OrderedDict[int, RememberedMessage] = OrderedDict()
        self._bytes = 0
        self._ids = broker.ids
        broker.on_publish = self._add
        for subscription in broker.catalogue.subscriptions.values():
            self._watch(subscription)
        broker.catalogue.listeners.append(self._watch)

    def messages(self, topic: str, after: int) -> Iterator[RememberedMessage]:
        """Yield the messages of a topic whose id is above ``after``, oldest first."""
        for message in self._messages.values():
            if message.topic == topic and message.message_id > after:
                yield message

    def clear(self) -> None:
        """Forget all messages."""
        self._messages.clear()
        self._bytes = 0

    def _watch(self, subscription: Subscription) -> None:
        subscription.counters.on_event = partial(self._record, subscription.number)

    def _add(self, topic: Topic, message_ids: range, messages: Sequence[PubsubMessagePb]) -> None:
        publish_times = self._ids.publish_times(message_ids)
        for message_id, message, publish_time in zip(message_ids, messages, publish_times, strict=True):
            record = encode_with_id(message, message_id, publish_time)
            remembered = RememberedMessage(message_id, topic.name, record)
            for each in topic.subscriptions:
                matches = each.filter is None or each.filter.matches(message.attributes)
                remembered.progress[each.number] = DeliveryProgress(WAITING if matches else FILTERED)
            self._messages[message_id] = remembered
            self._bytes += len(record)
        while len(self._messages) > self._max_messages or self._bytes > MAX_BYTES:
            _, forgotten = self._messages.popitem(last=False)
            self._bytes -= len(forgotten.record)

    def _record(
        self, number: int, event: MessageEvent, message_id: int, attempt: int, state: MessageState
    ) -> None:
        message = self._messages.get(message_id)
        progress = message.progress.get(number) if message is not None else None
        if progress is None:
            return
        progress.state = state
        if event == "delivered":
            progress.deliveries += 1
            progress.attempt = attempt
        elif event == "delivery cancelled":
            progress.attempt = attempt - 1
