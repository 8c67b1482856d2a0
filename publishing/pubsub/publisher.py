"""Publishes to a Pub/Sub topic; a message counts as sent only once Pub/Sub has confirmed it."""

import time
from collections.abc import Iterable, Iterator
from threading import BoundedSemaphore

from publishing.chunked_publisher import ChunkedPublisher, chunks
from publishing.publisher import Message
from publishing.pubsub.chunk import send_chunk
from publishing.pubsub.publish_method import EncodedMessage, NotSent, PublishMethod

MAX_CHUNK_MESSAGES = 5000  #: maximum number of messages in memory at the same time, even of a large crawl
#: Number of messages that are sent first. Each following chunk has four times as many, so that the first jobs
#: of a crawl are delivered while the others are made.
FIRST_CHUNK_MESSAGES = 80
MAX_CHUNK_BYTES = 64_000_000  #: maximum size of the data of these messages, if they are several
#: Maximum number of groups of single messages that a process sends at the same time, of at most 4 MB each if
#: they have several messages, so that an outage of Pub/Sub does not fill the memory.
MAX_GROUPS = 16


class PubSubPublisher(ChunkedPublisher[EncodedMessage | Exception]):
    """Publishes to one topic over the connection of google-cloud-pubsub.

    Create it once per process, after the fork: gRPC is not fork-safe. Threads may share it.

    Args:
        project: the project of the topic.
        topic: the topic's short name.
        timeout_seconds: how long a call may wait for its confirmations, in all.
        batch_seconds: pause between two requests with single messages; see `ChunkedPublisher`.

    A message is sent again after a transient error, within the time of the call. The topic may then contain
    it twice. `for_topic` makes a publisher that sends each message once.
    """

    def __init__(self, project: str, topic: str, *, timeout_seconds: float, batch_seconds: float) -> None:
        # These imports take a third of a second, and a module that uses only `Message` does not need them.
        from google.api_core import exceptions  # noqa: PLC0415 - only this class needs this slow import
        from google.cloud import pubsub_v1  # noqa: PLC0415 - only this class needs this slow import

        super().__init__(topic, timeout_seconds, batch_seconds)
        self._project = project
        self._client = pubsub_v1.PublisherClient()
        self._method = PublishMethod(self._client)
        self._places = BoundedSemaphore(MAX_GROUPS)
        self._transient_errors = (
            exceptions.Aborted,
            exceptions.DeadlineExceeded,
            exceptions.InternalServerError,
            exceptions.ResourceExhausted,
            exceptions.ServiceUnavailable,
            exceptions.Unknown,
            NotSent,
        )

    def labels(self, timeout_seconds: float) -> dict[str, str]:
        """Return the labels of the topic.

        Args:
            timeout_seconds: time limit of the call, which is not repeated.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: if Pub/Sub refuses the call or does not answer in
                time.
        """
        topic = self._client.get_topic(topic=self._path(), timeout=timeout_seconds, retry=None)
        return dict(topic.labels)

    def _chunks(self, messages: Iterable[Message]) -> Iterator[list[Message]]:
        return chunks(messages, FIRST_CHUNK_MESSAGES, MAX_CHUNK_MESSAGES, MAX_CHUNK_BYTES)

    def _path(self) -> str:
        return str(self._client.topic_path(self._project, self._topic))

    def _outgoing(self, message: Message) -> EncodedMessage | Exception:
        try:
            return self._method.encode(message.data, message.attributes, message.ordering_key)
        except (TypeError, ValueError) as error:  # the error of one message must not stop the others
            return error

    def _is_transient(self, error: Exception) -> bool:
        return self._retries and isinstance(error, self._transient_errors)

    def _send(self, messages: list[EncodedMessage | Exception], deadline: float) -> list[Exception | str]:
        """Send each message once; return its id, or why it is not confirmed."""
        return send_chunk(self._method, self._path(), messages, deadline)

    def _send_group(
        self, messages: list[EncodedMessage | Exception], deadline: float
    ) -> list[Exception | str]:
        if not self._places.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return [NotSent("there was no place for a further request in time")] * len(messages)
        try:
            return self._send(messages, deadline)
        finally:
            self._places.release()

    def _reason(self, error: Exception) -> str:
        return f"{type(error).__name__} {error}".strip()

    def close(self) -> None:
        """Close the connection, also that of the other topics' publishers."""
        self._client.transport.close()
