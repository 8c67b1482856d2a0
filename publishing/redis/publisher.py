"""Publishes to a stream of Redis; a message counts as sent only once Redis has confirmed it."""

import time
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Self

from publishing.label_record import NoLabels, decode_labels, encode_labels
from publishing.publisher import Message, PublishUnconfirmed
from publishing.redis.connection import NotConfirmed
from publishing.redis.connections import Command, Connections
from publishing.redis.wire import MAX_DATA_BYTES, fields, labels_key, new_message_id
from publishing.retries import send_with_retries

MAX_UNCONFIRMED = 1000  #: maximum number of messages of a call that wait for their confirmation
MAX_UNCONFIRMED_BYTES = 16_000_000  #: maximum size of their data, if they are several


class RedisPublisher:
    """Publishes to one topic, a stream of Redis, over the process's connections.

    Args:
        url: BROKER_URL.
        topic: the topic's name.
        timeout_seconds: how long a call may wait for its confirmations, in all.

    A message that was not confirmed because of a transient error is sent again, within the time of the call.
    The topic may then contain it twice, with the same id. `for_topic` makes a publisher that sends each
    message once. A message for which there is no connection yet is sent when there is one, in both cases.
    """

    def __init__(self, url: str, topic: str, *, timeout_seconds: float) -> None:
        self._topic = topic
        self._timeout_seconds = timeout_seconds
        self._retries = True
        self._connections = Connections(url)

    def for_topic(self, topic: str, *, retries: bool = True) -> Self:
        """Return a publisher for another topic, over the same connections.

        Args:
            topic: the topic's name.
            retries: whether a message is sent again after a transient error.
        """
        other = copy(self)
        other._topic = topic  # noqa: SLF001 - an instance of the same class
        other._retries = retries  # noqa: SLF001 - an instance of the same class
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
        for chunk in _chunks(messages):
            deadline = time.monotonic() + remaining
            yield from self._publish(chunk, deadline)
            remaining = max(0.0, deadline - time.monotonic())

    def labels(self, timeout_seconds: float) -> dict[str, str]:
        """Return the labels of the topic, which a key of Redis has.

        Args:
            timeout_seconds: time limit.

        Raises:
            NoLabels: if there is no such key, or its value is not one of `set_labels`.
            NotConfirmed: if Redis refuses, or does not answer in time.
        """
        key = labels_key(self._topic)
        [found] = self._connections.execute([("GET", key)], time.monotonic() + timeout_seconds)
        if isinstance(found, NotConfirmed):
            raise found
        if found is None:
            raise NoLabels(f"Redis has no key {key!r}; `python -m relay --create` creates it")
        return decode_labels(found)

    def set_labels(self, labels: Mapping[str, str], timeout_seconds: float) -> None:
        """Replace the labels of the topic; return once Redis has confirmed it.

        Raises:
            PublishUnconfirmed: if Redis does not confirm it.
        """
        command = ("SET", labels_key(self._topic), encode_labels(labels))
        [reply] = self._connections.execute([command], time.monotonic() + timeout_seconds)
        if isinstance(reply, NotConfirmed):
            raise self._unconfirmed(reply)

    def close(self) -> None:
        """Accept no more messages; do not wait for confirmations."""
        self._connections.close()

    def _publish(self, chunk: list[Message], deadline: float) -> list[PublishUnconfirmed | str]:
        """Send the messages; until `deadline`, send those again that failed with a transient error."""
        numbered = [(message, new_message_id()) for message in chunk]
        results = send_with_retries(
            lambda messages: self._send(messages, deadline), numbered, deadline, self._is_transient
        )
        return [each if isinstance(each, str) else self._unconfirmed(each) for each in results]

    def _is_transient(self, error: Exception) -> bool:
        if not isinstance(error, NotConfirmed):
            return False
        return error.is_transient and (self._retries or not error.was_sent)

    def _send(self, messages: list[tuple[Message, str]], deadline: float) -> list[Exception | str]:
        """Send each message, with its id, once; return its id, or why it is not confirmed."""
        results = dict[int, Exception | str]()
        commands = dict[int, Command]()
        for index, (message, message_id) in enumerate(messages):
            try:
                commands[index] = self._command(message, message_id)
            except (TypeError, ValueError) as error:  # the error of one message must not stop the others
                results[index] = error
        replies = self._connections.execute(list(commands.values()), deadline) if commands else []
        for index, reply in zip(commands, replies, strict=True):
            results[index] = self._result(reply, messages[index][1])
        return [results[index] for index in range(len(messages))]

    def _command(self, message: Message, message_id: str) -> Command:
        if len(message.data) > MAX_DATA_BYTES:
            raise ValueError(f"it has {len(message.data)} bytes of data; the maximum is {MAX_DATA_BYTES}")
        # Without a stream, Redis then adds nothing, instead of making one that no subscription reads.
        return ("XADD", self._topic, "NOMKSTREAM", "*", *fields(message, message_id))

    def _result(self, reply: bytes | NotConfirmed | None, message_id: str) -> Exception | str:
        if reply is None:
            why = f"Redis has no stream {self._topic!r}; `python -m relay --create` creates the streams"
            return NotConfirmed(why, is_transient=False)
        return reply if isinstance(reply, NotConfirmed) else message_id

    def _unconfirmed(self, error: Exception) -> PublishUnconfirmed:
        unconfirmed = PublishUnconfirmed(self._topic, str(error))
        unconfirmed.__cause__ = error
        return unconfirmed


def _chunks(messages: Iterable[Message]) -> Iterator[list[Message]]:
    """Divide messages into lists that are sent together."""
    chunk, size = list[Message](), 0
    for message in messages:
        chunk.append(message)
        size += len(message.data)
        if len(chunk) == MAX_UNCONFIRMED or size >= MAX_UNCONFIRMED_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
