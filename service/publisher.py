"""Publishing that ends with a fact: a message counts once Pub/Sub has confirmed it."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from typing import NamedTuple, Protocol

CHUNK = 5000  #: messages in memory at once, whatever the size of a crawl


class Message(NamedTuple):
    """What is published: bytes, attributes, and the key that orders it among others of the same key."""

    data: bytes
    attributes: dict[str, str]
    ordering_key: str = ""


class PublishUnconfirmed(Exception):
    """Pub/Sub did not confirm in time, or refused. The message may or may not be in the topic."""

    def __init__(self, topic: str, why: str) -> None:
        super().__init__(f"topic {topic} did not confirm: {why}")


class Publisher(Protocol):
    """Whatever publishes to one topic and waits: Pub/Sub, or a small real thing in a test."""

    def publish(self, message: Message) -> str:
        """Publish one message; return its id once confirmed.

        Raises:
            PublishUnconfirmed: where it is not confirmed.
        """

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """Publish many in batches; yield an id or a failure for each, in order, once it is known."""


class SinglePublisher:
    """Publishes each message in a request of its own, sent once, with its ordering key.

    The library's own `publish` would try for ever once it is to keep an order, and stop a key at its first
    failure: here whoever asks repeats.

    Args:
        project: the project that holds the topic.
        topic: the topic's short name.
        timeout_seconds: how long a call may wait for its confirmation.
    """

    def __init__(self, project: str, topic: str, *, timeout_seconds: float) -> None:
        from google.cloud import pubsub_v1  # noqa: PLC0415 - a third of a second of imports

        self._topic = topic
        self._timeout_seconds = timeout_seconds
        self._client = pubsub_v1.PublisherClient()
        self._path = self._client.topic_path(project, topic)

    def publish(self, message: Message) -> str:
        """Publish one message; return its id once confirmed.

        Raises:
            PublishUnconfirmed: where it is not confirmed.
        """
        from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415 - idem
        from google.pubsub_v1 import PublisherClient, PubsubMessage  # noqa: PLC0415 - idem

        sent = PubsubMessage(
            data=message.data, attributes=message.attributes, ordering_key=message.ordering_key
        )
        try:
            # The request itself: google.cloud's client hides this method of its base behind its own.
            answer = PublisherClient.publish(
                self._client, topic=self._path, messages=[sent], retry=None, timeout=self._timeout_seconds
            )
        except (GoogleAPIError, ValueError) as wrong:
            raise PublishUnconfirmed(self._topic, f"{type(wrong).__name__} {wrong}".strip()) from None
        if len(answer.message_ids) != 1:
            raise PublishUnconfirmed(self._topic, f"{len(answer.message_ids)} ids for one message")
        return str(answer.message_ids[0])


class PubSubPublisher:
    """Publishes to one topic with google-cloud-pubsub.

    Create it once per process, after the fork: gRPC is not fork-safe.

    Args:
        project: the project that holds the topic.
        topic: the topic's short name.
        timeout_seconds: how long a call here may wait for its confirmations.
        batch_seconds: how long a message waits for others to share its request with.
    """

    def __init__(self, project: str, topic: str, *, timeout_seconds: float, batch_seconds: float) -> None:
        # A third of a second of imports: paid at the first start, not by whoever imports this module.
        from google.api_core import exceptions, retry  # noqa: PLC0415 - see above
        from google.cloud import pubsub_v1  # noqa: PLC0415 - see above
        from google.cloud.pubsub_v1 import types  # noqa: PLC0415 - see above

        self._topic = topic
        self._timeout_seconds = timeout_seconds
        self._client = pubsub_v1.PublisherClient(
            # The service's own limits are 1,000 messages and 10 MB a request (its quotas page).
            batch_settings=types.BatchSettings(
                max_messages=1000, max_bytes=4_000_000, max_latency=batch_seconds
            ),
            publisher_options=types.PublisherOptions(
                # The default is IGNORE, which lets a large crawl fill the memory.
                flow_control=types.PublishFlowControl(
                    message_limit=CHUNK,
                    byte_limit=64_000_000,
                    limit_exceeded_behavior=types.LimitExceededBehavior.BLOCK,
                ),
                # The default tries for 600 s, and what is tried counts against the flow control: after an
                # outage nothing more could be sent.
                retry=retry.Retry(
                    predicate=retry.if_exception_type(
                        exceptions.Aborted,
                        exceptions.DeadlineExceeded,
                        exceptions.InternalServerError,
                        exceptions.ResourceExhausted,
                        exceptions.ServiceUnavailable,
                        exceptions.Unknown,
                    ),
                    initial=0.1,
                    timeout=timeout_seconds,
                ),
                timeout=timeout_seconds,
            ),
        )
        self._path = self._client.topic_path(project, topic)

    def publish(self, message: Message) -> str:
        """See `Publisher.publish`."""
        for confirmation in self.publish_all([message]):
            if isinstance(confirmation, PublishUnconfirmed):
                raise confirmation
            return confirmation
        raise AssertionError("one message in, one confirmation out")

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """See `Publisher.publish_all`."""
        left = self._timeout_seconds  # of waiting for Pub/Sub, not for whoever makes the messages
        waiting = iter(messages)
        while chunk := list(islice(waiting, CHUNK)):
            if left <= 0:
                yield from (PublishUnconfirmed(self._topic, "not sent after that") for _ in chunk)
                continue
            until = time.monotonic() + left
            futures = [self._send(message) for message in chunk]
            for future in futures:
                yield self._confirmation(future, until)
            left = until - time.monotonic()

    def _send(self, message: Message) -> Future[str]:
        try:
            sent: Future[str] = self._client.publish(
                self._path, message.data, message.ordering_key, **message.attributes
            )
        except Exception as wrong:  # noqa: BLE001 - larger than Pub/Sub takes: no reason to lose the others
            sent = Future()
            sent.set_exception(wrong)
        return sent

    def _confirmation(self, future: Future[str], until: float) -> PublishUnconfirmed | str:
        try:
            return str(future.result(timeout=max(0.0, until - time.monotonic())))
        except TimeoutError:
            return PublishUnconfirmed(self._topic, f"no answer within {self._timeout_seconds:g} s")
        except Exception as wrong:  # noqa: BLE001 - whatever it is, there is no confirmation
            return PublishUnconfirmed(self._topic, f"{type(wrong).__name__} {wrong}".strip())

    def close(self) -> None:
        """Send what is queued and take no more; waits for nothing."""
        self._client.stop()
