"""Provides a publisher that records the published messages, or fails if a test sets an error."""

from collections.abc import Iterable, Iterator

from publishing.publisher import Message, PublishUnconfirmed


class RecordingPublisher:
    """Appends the published messages to a list.

    Args:
        topic: the name of the topic in `journal`.
        journal: a list to which the publishers of several topics append the name of the topic of each
            confirmed message, so that a test sees the order.

    Attributes:
        published: the confirmed messages, in order.
        timeouts: the time limit of each call of `publish`, in seconds; None for the publisher's own.
        error: the error of each publish; None: each publish is confirmed.
        error_from: `publish_all` fails with `error` for each message from this index on.
    """

    def __init__(self, topic: str = "", journal: list[str] | None = None) -> None:
        self._topic = topic
        self._journal = [] if journal is None else journal
        self.published: list[Message] = []
        self.timeouts: list[float | None] = []
        self.error: Exception | None = None
        self.error_from = 0

    def publish(self, message: Message, timeout_seconds: float | None = None) -> str:
        """Record the message and return its id, or raise `error`."""
        self.timeouts.append(timeout_seconds)
        if self.error is not None:
            raise self.error
        self.published.append(message)
        self._journal.append(self._topic)
        return str(len(self.published))

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """Record the messages and yield their ids; yield `error` for each index from `error_from` on."""
        for index, message in enumerate(messages):
            if isinstance(self.error, PublishUnconfirmed) and index >= self.error_from:
                yield self.error
            else:
                self.published.append(message)
                yield str(len(self.published))
