"""Publishing that ends with a fact: a message counts once Pub/Sub has confirmed it."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from copy import copy
from typing import NamedTuple, Protocol, Self

from contract.attempt import AttemptFailed
from contract.outcome import Reason

CHUNK = 5000  #: messages in memory at once, whatever the size of a crawl
CHUNK_KEYS = 500  #: ordering keys at once: each has a request of its own, and the client a thread for each
FIRST_PAUSE_SECONDS = 0.1  #: before what failed is sent again; doubles
LONGEST_PAUSE_SECONDS = 2.0


class Message(NamedTuple):
    """What is published: bytes and attributes.

    Of the messages with one ordering key, an ordered subscription has one outstanding at a time.
    """

    data: bytes
    attributes: dict[str, str]
    ordering_key: str = ""


class PublishUnconfirmed(AttemptFailed):
    """Pub/Sub did not confirm a message in time, or rejected it. The topic may contain it all the same."""

    def __init__(self, topic: str, why: str) -> None:
        super().__init__(Reason.PUBLISH_UNCONFIRMED, f"topic {topic} did not confirm: {why}")


class Publisher(Protocol):
    """Whatever publishes to one topic and waits: Pub/Sub, or a small real thing in a test."""

    def publish(self, message: Message) -> str:
        """Publish one message; return its id once confirmed.

        Raises:
            PublishUnconfirmed: where it is not confirmed.
        """

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """Publish many in batches; yield an id or a failure for each, in order, once it is known."""


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
        from google.api_core import exceptions  # noqa: PLC0415 - see above
        from google.cloud import pubsub_v1  # noqa: PLC0415 - see above
        from google.cloud.pubsub_v1 import types  # noqa: PLC0415 - see above
        from google.cloud.pubsub_v1.publisher.exceptions import (  # noqa: PLC0415 - see above
            PublishToPausedOrderingKeyException,
        )

        self._project = project
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
                enable_message_ordering=True,  # else it refuses ordering keys
                # We try again ourselves: the client would for ever where ordering is enabled, and for 600 s
                # where not. What is tried counts against the flow control: after an outage nothing more
                # could be sent.
                retry=None,
                timeout=timeout_seconds,
            ),
        )
        self._path = self._client.topic_path(project, topic)
        self._passing = (
            exceptions.Aborted,
            exceptions.DeadlineExceeded,
            exceptions.InternalServerError,
            exceptions.ResourceExhausted,
            exceptions.ServiceUnavailable,
            exceptions.Unknown,
            # Of messages behind one of their ordering key that failed: not sent at all.
            PublishToPausedOrderingKeyException,
            RuntimeError,
        )

    def for_topic(self, topic: str) -> Self:
        """Return a publisher of another topic of the project, over the same connection."""
        other = copy(self)
        path = self._client.topic_path(self._project, topic)
        other._topic, other._path = topic, path  # noqa: SLF001 - of its own class
        return other

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
        for chunk in _chunks(messages):
            if left <= 0:
                yield from (PublishUnconfirmed(self._topic, "not sent after that") for _ in chunk)
                continue
            until = time.monotonic() + left
            yield from self._publish_chunk(chunk, until)
            left = until - time.monotonic()

    def _publish_chunk(self, chunk: list[Message], until: float) -> list[PublishUnconfirmed | str]:
        """Send, and send again what failed for a passing reason, until the time is over."""
        waiting = dict(enumerate(chunk))
        answers: dict[int, PublishUnconfirmed | str] = {}
        pause = FIRST_PAUSE_SECONDS
        while True:
            futures = {place: self._send(message) for place, message in waiting.items()}
            answers |= {place: self._confirmation(future, until) for place, future in futures.items()}
            failed = {place: answer for place in waiting if not isinstance(answer := answers[place], str)}
            self._resume({waiting[place].ordering_key for place in failed} - {""})
            waiting = {
                place: waiting[place]
                for place, answer in failed.items()
                if isinstance(answer.__cause__, self._passing)
            }
            if not waiting or time.monotonic() + pause >= until:
                return [answers[place] for place in range(len(chunk))]
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _send(self, message: Message) -> Future[str]:
        try:
            sent: Future[str] = self._client.publish(
                self._path, message.data, ordering_key=message.ordering_key, **message.attributes
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
            unconfirmed = PublishUnconfirmed(self._topic, f"{type(wrong).__name__} {wrong}".strip())
            unconfirmed.__cause__ = wrong
            return unconfirmed

    def _resume(self, ordering_keys: set[str]) -> None:
        """Let the client go on with keys that it paused after a failure: their order is nothing to us."""
        for key in ordering_keys:
            with suppress(RuntimeError):  # it was not paused: the failure was of the message itself
                self._client.resume_publish(self._path, key)

    def close(self) -> None:
        """Send what is queued and take no more; waits for nothing."""
        self._client.stop()


def _chunks(messages: Iterable[Message]) -> Iterator[list[Message]]:
    chunk, keys = list[Message](), set[str]()
    for message in messages:
        keys.add(message.ordering_key)
        if len(chunk) == CHUNK or len(keys) > CHUNK_KEYS:
            yield chunk
            chunk, keys = [], {message.ordering_key}
        chunk.append(message)
    if chunk:
        yield chunk
