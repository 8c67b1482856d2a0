"""Publishes to an exchange of RabbitMQ; a message counts as sent only once RabbitMQ has confirmed it."""

import time
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial

from publishing.chunked_publisher import ChunkedPublisher
from publishing.label_record import NoLabels
from publishing.message_id import new_message_id
from publishing.publisher import Message
from publishing.rabbitmq.confirms import NotConfirmed
from publishing.rabbitmq.labels import Access, StoredLabels, labels_queue, read_labels, replace_labels
from publishing.rabbitmq.sender import Outgoing, Sender
from publishing.rabbitmq.wire import routing_key, write_properties

LABELS_PAUSE_SECONDS = 0.02  #: pause before labels are read again that another process was reading


class RabbitMqPublisher(ChunkedPublisher[tuple[Message, str]]):
    """Publishes to one topic, an exchange of RabbitMQ, over the process's connection.

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
        self._sender = Sender(url)

    def labels(self, timeout_seconds: float) -> dict[str, str]:
        """Return the labels of the topic, which a message of a queue has; see `labels.py`.

        Args:
            timeout_seconds: time limit.

        Raises:
            NoLabels: if there is no such message, or it is not one of `set_labels`.
            NotConfirmed: if RabbitMQ refuses to read it, for example because the queue is missing.
            TimeoutError: if RabbitMQ does not answer in time.
        """
        return self._access_labels(read_labels, timeout_seconds).labels

    def set_labels(self, labels: Mapping[str, str], timeout_seconds: float) -> None:
        """Replace the labels of the topic; return once RabbitMQ has confirmed it.

        Raises:
            NoLabels: if there are no labels to replace.
            NotConfirmed: if RabbitMQ refuses it.
            TimeoutError: if RabbitMQ does not answer in time; the labels may be replaced nevertheless.
        """
        self._access_labels(partial(replace_labels, labels), timeout_seconds)

    def _access_labels(self, access: Access, timeout_seconds: float) -> StoredLabels:
        """Read or replace the labels as soon as no other process has them; see `labels` for the errors."""
        deadline = time.monotonic() + timeout_seconds
        queue = labels_queue(self._topic)
        while True:
            result = Future[StoredLabels | None]()
            self._sender.act(partial(access, queue=queue, result=result))
            try:
                found = result.result(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                result.cancel()
                raise TimeoutError(self._sender.why_late()) from None
            if found is not None:
                return found
            if time.monotonic() + LABELS_PAUSE_SECONDS > deadline:
                raise NoLabels(f"the queue {queue} of RabbitMQ stays empty")
            time.sleep(LABELS_PAUSE_SECONDS)  # another process has them at this moment

    def close(self) -> None:
        """Send the queued messages and accept no more; do not wait for confirmations."""
        self._sender.close()

    def _outgoing(self, message: Message) -> tuple[Message, str]:
        return message, new_message_id()

    def _is_transient(self, error: Exception) -> bool:
        return self._retries and isinstance(error, NotConfirmed) and error.is_transient

    def _send(self, messages: list[tuple[Message, str]], deadline: float) -> list[Exception | str]:
        """Send each message, with its id, once; return its id, or why it is not confirmed."""
        sent = [
            Outgoing(
                self._topic,
                routing_key(message, message_id),
                message.data,
                write_properties(message, message_id),
            )
            for message, message_id in messages
        ]
        self._sender.send(sent)
        return [self._result(outgoing, deadline) for outgoing in sent]

    def _result(self, outgoing: Outgoing, deadline: float) -> Exception | str:
        try:
            return outgoing.confirmed.result(timeout=max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            outgoing.confirmed.cancel()
            return TimeoutError(self._sender.why_late())
        except NotConfirmed as error:
            return error
