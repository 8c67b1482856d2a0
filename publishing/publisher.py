"""Publishes to a Pub/Sub topic; a message counts as sent only once Pub/Sub has confirmed it."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from copy import copy
from typing import NamedTuple, Protocol, Self

from contract.attempt import AttemptFailed
from contract.outcome import Reason

MAX_CHUNK_MESSAGES = 5000  #: maximum number of messages in memory at the same time, even of a large crawl
#: Maximum number of ordering keys sent at the same time, since the client sends a request and starts a thread
#: for each key.
MAX_CHUNK_KEYS = 500
MIN_RETRY_PAUSE_SECONDS = 0.1  #: pause before failed messages are sent again; it doubles with each retry
MAX_RETRY_PAUSE_SECONDS = 2.0  #: longest pause between two retries


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
    """Publishes to one topic with google-cloud-pubsub.

    Create it once per process, after the fork: gRPC is not fork-safe.

    Args:
        project: the project of the topic.
        topic: the topic's short name.
        timeout_seconds: how long a call may wait for its confirmations, in all.
        batch_seconds: how long a message waits for further messages that are sent in the same request.

    A message is sent again after a transient error, within the time of the call. The topic may then contain
    it twice. `for_topic` makes a publisher that sends each message once.
    """

    def __init__(self, project: str, topic: str, *, timeout_seconds: float, batch_seconds: float) -> None:
        # These imports take a third of a second, and a module that uses only `Message` does not need them.
        from google.api_core import exceptions  # noqa: PLC0415 - only this class needs this slow import
        from google.cloud import pubsub_v1  # noqa: PLC0415 - only this class needs this slow import
        from google.cloud.pubsub_v1 import types  # noqa: PLC0415 - only this class needs this slow import
        from google.cloud.pubsub_v1.publisher.exceptions import (  # noqa: PLC0415 - only this class needs it
            PublishToPausedOrderingKeyException,
        )

        self._project = project
        self._topic = topic
        self._timeout_seconds = timeout_seconds
        self._retries = True
        self._client = pubsub_v1.PublisherClient(
            # Pub/Sub's limits are 1,000 messages and 10 MB per request (Pub/Sub's quotas page).
            batch_settings=types.BatchSettings(
                max_messages=1000, max_bytes=4_000_000, max_latency=batch_seconds
            ),
            publisher_options=types.PublisherOptions(
                # The default is IGNORE, which lets a large crawl fill the memory.
                flow_control=types.PublishFlowControl(
                    message_limit=MAX_CHUNK_MESSAGES,
                    byte_limit=64_000_000,
                    limit_exceeded_behavior=types.LimitExceededBehavior.BLOCK,
                ),
                enable_message_ordering=True,  # Without this, an ordering key is an error.
                # Disable the client's retries: they last 600 s (forever with ordering) and occupy
                # flow-control slots, so nothing else could be sent after an outage. `_publish_chunk` retries
                # instead.
                retry=None,
                timeout=timeout_seconds,
            ),
        )
        self._path = self._client.topic_path(project, topic)
        self._transient_errors = (
            exceptions.Aborted,
            exceptions.DeadlineExceeded,
            exceptions.InternalServerError,
            exceptions.ResourceExhausted,
            exceptions.ServiceUnavailable,
            exceptions.Unknown,
            # The client raises these two for a message that it did not send because an earlier message of the
            # same key failed.
            PublishToPausedOrderingKeyException,
            RuntimeError,
        )

    def for_topic(self, topic: str, *, retries: bool = True) -> Self:
        """Return a publisher for another topic of the project, over the same connection.

        Args:
            topic: the topic's short name.
            retries: whether a message is sent again after a transient error.
        """
        other = copy(self)
        path = self._client.topic_path(self._project, topic)
        other._topic, other._path = topic, path  # noqa: SLF001 - an instance of the same class
        other._retries = retries  # noqa: SLF001 - an instance of the same class
        return other

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
        pending = dict(enumerate(chunk))
        results: dict[int, PublishUnconfirmed | str] = {}
        pause = MIN_RETRY_PAUSE_SECONDS
        while True:
            futures = {index: self._send(message, deadline) for index, message in pending.items()}
            results |= {index: self._result(future, deadline) for index, future in futures.items()}
            failed = {index: result for index in pending if not isinstance(result := results[index], str)}
            self._resume_keys({pending[index].ordering_key for index in failed} - {""})
            pending = {
                index: pending[index]
                for index, failure in failed.items()
                if isinstance(failure.__cause__, self._transient_errors)
            }
            if not pending or not self._retries or time.monotonic() + pause >= deadline:
                return [results[index] for index in range(len(chunk))]
            time.sleep(pause)
            pause = min(2 * pause, MAX_RETRY_PAUSE_SECONDS)

    def _send(self, message: Message, deadline: float) -> Future[str]:
        # The client must not send the message after the caller has given up. If messages are sent in one
        # request, the timeout of the first one applies.
        timeout = max(0.0, deadline - time.monotonic())
        try:
            future: Future[str] = self._client.publish(
                self._path,
                message.data,
                ordering_key=message.ordering_key,
                timeout=timeout,
                **message.attributes,
            )
        except Exception as error:  # noqa: BLE001 - the error of one message must not stop the others
            future = Future()
            future.set_exception(error)
        return future

    def _result(self, future: Future[str], deadline: float) -> PublishUnconfirmed | str:
        try:
            return str(future.result(timeout=max(0.0, deadline - time.monotonic())))
        except TimeoutError:
            return PublishUnconfirmed(self._topic, "no response in time")
        except Exception as error:  # noqa: BLE001 - without a confirmation the message counts as not sent
            unconfirmed = PublishUnconfirmed(self._topic, f"{type(error).__name__} {error}".strip())
            unconfirmed.__cause__ = error
            return unconfirmed

    def _resume_keys(self, ordering_keys: set[str]) -> None:
        """Resume ordering keys that the client paused after a failure.

        The client pauses a key to keep the order of its messages, but the order of jobs does not matter.
        """
        for key in ordering_keys:
            # RuntimeError is raised if the client did not pause the key: it rejected the message without
            # sending it, or still waits for the response.
            with suppress(RuntimeError):
                self._client.resume_publish(self._path, key)

    def close(self) -> None:
        """Send the queued messages and accept no more; do not wait for confirmations."""
        self._client.stop()


def _chunks(messages: Iterable[Message]) -> Iterator[list[Message]]:
    chunk, keys = list[Message](), set[str]()
    for message in messages:
        keys.add(message.ordering_key)
        if len(chunk) == MAX_CHUNK_MESSAGES or len(keys) > MAX_CHUNK_KEYS:
            yield chunk
            chunk, keys = [], {message.ordering_key}
        chunk.append(message)
    if chunk:
        yield chunk
