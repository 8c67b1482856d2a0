"""Publishes to a Pub/Sub topic; a message counts as sent only once Pub/Sub has confirmed it."""

import time
from collections.abc import Iterable, Iterator
from copy import copy
from threading import BoundedSemaphore
from typing import NamedTuple, Protocol, Self

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from publishing.chunk import send_chunk
from publishing.message_groups import MAX_REQUESTS, MessageGroups
from publishing.publish_method import EncodedMessage, NotSent, PublishMethod, SenderStopped
from publishing.retries import send_with_retries

MAX_CHUNK_MESSAGES = 5000  #: maximum number of messages in memory at the same time, even of a large crawl
#: Number of messages that are sent first. Each following chunk has four times as many, so that the first jobs
#: of a crawl are delivered while the others are made.
FIRST_CHUNK_MESSAGES = 80
MAX_CHUNK_BYTES = 64_000_000  #: maximum size of the data of these messages, if they are several


class Message(NamedTuple):
    """A message to publish.

    Attributes:
        data: the message data.
        attributes: the message attributes.
        ordering_key: the ordering key; `""` if the message has none. An ordered subscription has only one
            message of each key outstanding at a time.
    """

    data: bytes
    attributes: dict[str, str]
    ordering_key: str = ""


class PublishUnconfirmed(AttemptFailed):
    """Pub/Sub rejected a message, or did not confirm it in time; the topic may contain it nevertheless."""

    def __init__(self, topic: str, why: str) -> None:
        super().__init__(Reason.PUBLISH_UNCONFIRMED, f"topic {topic} did not confirm: {why}")


class Publisher(Protocol):
    """Publishes to one topic, and waits for the confirmations."""

    def publish(self, message: Message, timeout_seconds: float | None = None) -> str:
        """Publish one message; return its message id once Pub/Sub has confirmed it.

        Args:
            message: the message.
            timeout_seconds: how long to wait for the confirmation; None for the publisher's own timeout.

        Raises:
            PublishUnconfirmed: if Pub/Sub does not confirm it.
        """

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """Publish many messages in batches; yield the id or the failure of each message, in their order."""


class PubSubPublisher:
    """Publishes to one topic over the connection of google-cloud-pubsub.

    Create it once per process, after the fork: gRPC is not fork-safe. Threads may share it.

    Args:
        project: the project of the topic.
        topic: the topic's short name.
        timeout_seconds: how long a call may wait for its confirmations, in all.
        batch_seconds: pause between two requests with single messages. A message that is published in it
            waits for its end, and is sent together with the others.

    A message is sent again after a transient error, within the time of the call. The topic may then contain
    it twice. `for_topic` makes a publisher that sends each message once.
    """

    def __init__(self, project: str, topic: str, *, timeout_seconds: float, batch_seconds: float) -> None:
        # These imports take a third of a second, and a module that uses only `Message` does not need them.
        from google.api_core import exceptions  # noqa: PLC0415 - only this class needs this slow import
        from google.cloud import pubsub_v1  # noqa: PLC0415 - only this class needs this slow import

        self._project = project
        self._timeout_seconds = timeout_seconds
        self._batch_seconds = batch_seconds
        self._client = pubsub_v1.PublisherClient()
        self._method = PublishMethod(self._client)
        self._places = BoundedSemaphore(MAX_REQUESTS)
        self._set_topic(topic, retries=True)
        self._transient_errors = (
            exceptions.Aborted,
            exceptions.DeadlineExceeded,
            exceptions.InternalServerError,
            exceptions.ResourceExhausted,
            exceptions.ServiceUnavailable,
            exceptions.Unknown,
            NotSent,
            SenderStopped,
        )

    def for_topic(self, topic: str, *, retries: bool = True) -> Self:
        """Return a publisher for another topic of the project, over the same connection.

        Args:
            topic: the topic's short name.
            retries: whether a message is sent again after a transient error.
        """
        other = copy(self)
        other._set_topic(topic, retries=retries)  # noqa: SLF001 - an instance of the same class
        return other

    def _set_topic(self, topic: str, *, retries: bool) -> None:
        self._topic = topic
        self._path = self._client.topic_path(self._project, topic)
        self._retries = retries
        self._groups = MessageGroups(self._method, self._path, self._batch_seconds, self._places)

    def publish(self, message: Message, timeout_seconds: float | None = None) -> str:
        """Publish one message; see `Publisher.publish`."""
        seconds = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        [confirmation] = self._publish_chunk([message], time.monotonic() + seconds)
        if isinstance(confirmation, PublishUnconfirmed):
            raise confirmation
        return confirmation

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """Publish many messages; see `Publisher.publish_all`."""
        # Seconds left to wait for confirmations; time spent producing messages does not count.
        remaining = self._timeout_seconds
        for chunk in _chunks(messages):
            if remaining <= 0:
                why = f"not sent, because the timeout of {self._timeout_seconds:g} s is over"
                yield from (PublishUnconfirmed(self._topic, why) for _ in chunk)
                continue
            deadline = time.monotonic() + remaining
            yield from self._publish_chunk(chunk, deadline)
            remaining = deadline - time.monotonic()

    def labels(self, timeout_seconds: float) -> dict[str, str]:
        """Return the labels of the topic.

        Args:
            timeout_seconds: time limit of the call, which is not repeated.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: if Pub/Sub refuses the call or does not answer in
                time.
        """
        topic = self._client.get_topic(topic=self._path, timeout=timeout_seconds, retry=None)
        return dict(topic.labels)

    def _publish_chunk(self, chunk: list[Message], deadline: float) -> list[PublishUnconfirmed | str]:
        """Send the messages; until `deadline`, send those again that failed with a transient error."""
        results = send_with_retries(
            lambda messages: self._send(messages, deadline), chunk, deadline, self._is_transient
        )
        return [each if isinstance(each, str) else self._unconfirmed(each) for each in results]

    def _is_transient(self, error: Exception) -> bool:
        return self._retries and isinstance(error, self._transient_errors)

    def _send(self, messages: list[Message], deadline: float) -> list[Exception | str]:
        """Send each message once; return its id, or why it is not confirmed."""
        encoded = [self._encode(message) for message in messages]
        if len(encoded) > 1:
            return send_chunk(self._method, self._path, encoded, deadline)
        [message] = encoded
        if isinstance(message, Exception):
            return [message]
        try:
            return [self._groups.publish(message, deadline)]
        except Exception as error:  # noqa: BLE001 - without a confirmation the message counts as not sent
            return [error]

    def _encode(self, message: Message) -> EncodedMessage | Exception:
        try:
            return self._method.encode(message.data, message.attributes, message.ordering_key)
        except (TypeError, ValueError) as error:  # the error of one message must not stop the others
            return error

    def _unconfirmed(self, error: Exception) -> PublishUnconfirmed:
        unconfirmed = PublishUnconfirmed(self._topic, f"{type(error).__name__} {error}".strip())
        unconfirmed.__cause__ = error
        return unconfirmed

    def close(self) -> None:
        """Close the connection, also that of the other topics' publishers."""
        self._client.transport.close()


def _chunks(messages: Iterable[Message]) -> Iterator[list[Message]]:
    chunk, size, limit = list[Message](), 0, FIRST_CHUNK_MESSAGES
    for message in messages:
        size += len(message.data)
        if chunk and (len(chunk) == limit or size > MAX_CHUNK_BYTES):
            yield chunk
            chunk, size, limit = [], len(message.data), min(4 * limit, MAX_CHUNK_MESSAGES)
        chunk.append(message)
    if chunk:
        yield chunk
