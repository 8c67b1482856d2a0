"""A publisher that records what is published, and fails when a test wants it to."""

from collections.abc import Iterable, Iterator

from publishing.publisher import Message, PublishUnconfirmed


class RecordingPublisher:
    """Publishes into a list.

    Attributes:
        published: the confirmed messages, in order.
        error: what publishing any message ends with instead; None to confirm.
        error_from: index of the first message of a `publish_all` that ends with `error`.
    """

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.error: Exception | None = None
        self.error_from = 0

    def publish(self, message: Message) -> str:
        """Record the message and return its id, or raise `error`."""
        if self.error is not None:
            raise self.error
        self.published.append(message)
        return str(len(self.published))

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """Record the messages and yield their ids; yield `error` from index `error_from` on."""
        for index, message in enumerate(messages):
            if isinstance(self.error, PublishUnconfirmed) and index >= self.error_from:
                yield self.error
            else:
                self.published.append(message)
                yield str(len(self.published))
