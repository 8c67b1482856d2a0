"""Publishes to a stream of Redis; a message counts as sent only once Redis has confirmed it."""

import time
from collections.abc import Mapping

from publishing.chunked_publisher import ChunkedPublisher
from publishing.label_record import NoLabels, decode_labels, encode_labels
from publishing.message_id import new_message_id
from publishing.publisher import Message
from publishing.redis.connection import NotConfirmed
from publishing.redis.connections import Command, Connections
from publishing.redis.wire import fields, labels_key


class RedisPublisher(ChunkedPublisher[tuple[Message, str]]):
    """Publishes to one topic, a stream of Redis, over the process's connections.

    Args:
        url: BROKER_URL.
        topic: the topic's name.
        timeout_seconds: how long a call may wait for its confirmations, in all.
        batch_seconds: see `ChunkedPublisher`.

    A message that was not confirmed because of a transient error is sent again, within the time of the call.
    The topic may then contain it twice, with the same id. `for_topic` makes a publisher that sends each
    message once. A message for which there is no connection yet is sent when there is one, in both cases.
    """

    def __init__(self, url: str, topic: str, *, timeout_seconds: float, batch_seconds: float = 0) -> None:
        super().__init__(topic, timeout_seconds, batch_seconds)
        self._connections = Connections(url)

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

    def _outgoing(self, message: Message) -> tuple[Message, str]:
        return message, new_message_id()

    def _is_transient(self, error: Exception) -> bool:
        if not isinstance(error, NotConfirmed):
            return False
        return error.is_transient and (self._retries or not error.was_sent)

    def _send(self, messages: list[tuple[Message, str]], deadline: float) -> list[Exception | str]:
        """Send each message, with its id, once; return its id, or why it is not confirmed."""
        commands = [self._command(*each) for each in messages]
        replies = self._connections.execute(commands, deadline)
        return [
            self._result(reply, message_id) for reply, (_, message_id) in zip(replies, messages, strict=True)
        ]

    def _command(self, message: Message, message_id: str) -> Command:
        # Without a stream, Redis then adds nothing, instead of making one that no subscription reads.
        return ("XADD", self._topic, "NOMKSTREAM", "*", *fields(message, message_id))

    def _result(self, reply: bytes | NotConfirmed | None, message_id: str) -> Exception | str:
        if reply is None:
            why = f"Redis has no stream {self._topic!r}; `python -m relay --create` creates the streams"
            return NotConfirmed(why, is_transient=False)
        return reply if isinstance(reply, NotConfirmed) else message_id
