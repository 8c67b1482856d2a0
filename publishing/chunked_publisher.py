"""Publishes in chunks, whatever the broker: all messages of a chunk are confirmed before the next is sent."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from copy import copy
from typing import Generic, Self, TypeVar

from publishing.message_groups import MessageGroups, SenderStopped
from publishing.message_limits import fault_of
from publishing.publisher import Message, PublishUnconfirmed
from publishing.retries import send_with_retries

MAX_CHUNK_MESSAGES = 1000  #: maximum number of messages of a call that wait for their confirmation
MAX_CHUNK_BYTES = 16_000_000  #: maximum size of the data of these messages, if they are several

OutgoingT = TypeVar("OutgoingT")


class ChunkedPublisher(ABC, Generic[OutgoingT]):
    """Publishes to one topic. `OutgoingT` is a message as the broker's file sends it.

    A message is sent again after a transient error, within the time of the call. The topic may then contain
    it twice. `for_topic` makes a publisher that sends each message once.

    Args:
        topic: the topic's name.
        timeout_seconds: how long a call may wait for its confirmations, in all.
        batch_seconds: pause between two times that single messages are sent. A message that is published in
            it waits for its end, and is sent together with the others.
    """

    def __init__(self, topic: str, timeout_seconds: float, batch_seconds: float) -> None:
        self._topic = topic
        self._timeout_seconds = timeout_seconds
        self._batch_seconds = batch_seconds
        self._retries = True
        self._groups = MessageGroups(self._send_group, batch_seconds)

    def for_topic(self, topic: str, *, retries: bool = True) -> Self:
        """Return a publisher for another topic, over the same connections.

        Args:
            topic: the topic's name.
            retries: whether a message is sent again after a transient error.
        """
        other = copy(self)
        other._topic = topic  # noqa: SLF001 - an instance of the same class
        other._retries = retries  # noqa: SLF001 - an instance of the same class
        other._groups = MessageGroups(other._send_group, self._batch_seconds)  # noqa: SLF001 - as above
        return other

    def publish(self, message: Message, timeout_seconds: float | None = None) -> str:
        """Publish one message; see `Publisher.publish`."""
        seconds = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        [confirmation] = self._publish([message], time.monotonic() + seconds)
        if isinstance(confirmation, PublishUnconfirmed):
            raise confirmation
        return confirmation

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """Publish many messages; see `Publisher.publish_all`."""
        # Seconds left to wait for confirmations; time spent producing messages does not count.
        remaining = self._timeout_seconds
        for chunk in self._chunks(messages):
            if remaining <= 0:
                why = f"not sent, because the timeout of {self._timeout_seconds:g} s is over"
                yield from (PublishUnconfirmed(self._topic, why) for _ in chunk)
                continue
            deadline = time.monotonic() + remaining
            yield from self._publish(chunk, deadline)
            remaining = deadline - time.monotonic()

    def _publish(self, chunk: list[Message], deadline: float) -> list[PublishUnconfirmed | str]:
        """Send the messages that a broker can carry; see `_publish_valid`."""
        faults = list(map(fault_of, chunk))
        valid = [message for message, fault in zip(chunk, faults, strict=True) if not fault]
        confirmations = iter(self._publish_valid(valid, deadline) if valid else [])
        return [PublishUnconfirmed(self._topic, each) if each else next(confirmations) for each in faults]

    def _publish_valid(self, chunk: list[Message], deadline: float) -> list[PublishUnconfirmed | str]:
        """Send the messages; until `deadline`, send those again that failed with a transient error."""

        def send(outgoing: list[OutgoingT]) -> list[Exception | str]:
            if len(chunk) == 1:
                return [self._groups.publish(outgoing[0], len(chunk[0].data), deadline)]
            return self._send(outgoing, deadline)

        def is_transient(error: Exception) -> bool:
            return self._is_transient(error) or (self._retries and isinstance(error, SenderStopped))

        results = send_with_retries(send, list(map(self._outgoing, chunk)), deadline, is_transient)
        return [each if isinstance(each, str) else self._unconfirmed(each) for each in results]

    def _unconfirmed(self, error: Exception) -> PublishUnconfirmed:
        unconfirmed = PublishUnconfirmed(self._topic, self._reason(error))
        unconfirmed.__cause__ = error
        return unconfirmed

    def _chunks(self, messages: Iterable[Message]) -> Iterator[list[Message]]:
        """Divide messages into lists that are sent together."""
        return chunks(messages, MAX_CHUNK_MESSAGES, MAX_CHUNK_MESSAGES, MAX_CHUNK_BYTES)

    def _reason(self, error: Exception) -> str:
        """Return why a message was not confirmed."""
        return str(error)

    @abstractmethod
    def _outgoing(self, message: Message) -> OutgoingT:
        """Return a message as `_send` gets it, again after each transient error."""

    @abstractmethod
    def _send(self, messages: list[OutgoingT], deadline: float) -> list[Exception | str]:
        """Send each message once; return its id, or why it is not confirmed.

        Args:
            messages: the messages.
            deadline: until when to wait for the confirmations, monotonic seconds.
        """

    def _send_group(self, messages: list[OutgoingT], deadline: float) -> list[Exception | str]:
        """Send single messages of several threads once; see `_send`."""
        return self._send(messages, deadline)

    @abstractmethod
    def _is_transient(self, error: Exception) -> bool:
        """Return whether a message with this error is sent again; see `for_topic`."""


def chunks(messages: Iterable[Message], first: int, most: int, most_bytes: int) -> Iterator[list[Message]]:
    """Divide messages into lists, each with up to four times as many messages as the one before.

    Args:
        messages: the messages.
        first: maximum number of messages of the first list.
        most: maximum number of messages of each list.
        most_bytes: maximum size of the data of a list, if it has several messages.
    """
    chunk, size, limit = list[Message](), 0, first
    for message in messages:
        size += len(message.data)
        if chunk and (len(chunk) == limit or size > most_bytes):
            yield chunk
            chunk, size, limit = [], len(message.data), min(4 * limit, most)
        chunk.append(message)
    if chunk:
        yield chunk
