"""Publishes to a Pub/Sub topic; a message counts as sent only once Pub/Sub has confirmed it."""

from collections.abc import Iterable, Iterator
from threading import BoundedSemaphore
from typing import Self

from publishing.chunked_publisher import ChunkedPublisher, chunks
from publishing.publisher import Message
from publishing.pubsub.chunk import send_chunk
from publishing.pubsub.message_groups import MAX_REQUESTS, MessageGroups
from publishing.pubsub.publish_method import EncodedMessage, NotSent, PublishMethod, SenderStopped

MAX_CHUNK_MESSAGES = 5000  #: maximum number of messages in memory at the same time, even of a large crawl
#: Number of messages that are sent first. Each following chunk has four times as many, so that the first jobs
#: of a crawl are delivered while the others are made.
FIRST_CHUNK_MESSAGES = 80
MAX_CHUNK_BYTES = 64_000_000  #: maximum size of the data of these messages, if they are several


class PubSubPublisher(ChunkedPublisher[Message]):
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

        super().__init__(topic, timeout_seconds)
        self._project = project
        self._batch_seconds = batch_seconds
        self._client = pubsub_v1.PublisherClient()
        self._method = PublishMethod(self._client)
        self._places = BoundedSemaphore(MAX_REQUESTS)
        self._collect_messages()
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
        other = super().for_topic(topic, retries=retries)
        other._collect_messages()  # noqa: SLF001 - an instance of the same class
        return other

    def _collect_messages(self) -> None:
        self._path = self._client.topic_path(self._project, self._topic)
        self._groups = MessageGroups(self._method, self._path, self._batch_seconds, self._places)

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

    def _chunks(self, messages: Iterable[Message]) -> Iterator[list[Message]]:
        return chunks(messages, FIRST_CHUNK_MESSAGES, MAX_CHUNK_MESSAGES, MAX_CHUNK_BYTES)

    def _outgoing(self, message: Message) -> Message:
        return message

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

    def _reason(self, error: Exception) -> str:
        return f"{type(error).__name__} {error}".strip()

    def close(self) -> None:
        """Close the connection, also that of the other topics' publishers."""
        self._client.transport.close()
