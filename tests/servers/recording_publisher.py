"""A publisher that keeps what is published, and refuses what it is told to."""

from collections.abc import Iterable, Iterator

from publishing.publisher import Message, PublishUnconfirmed


class RecordingPublisher:
    """Publishes into a list.

    Attributes:
        published: what is confirmed, in order.
        refusal: what every message ends with instead; None to confirm.
        refused_from: index of the first message of a call that `refusal` is for.
    """

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.refusal: Exception | None = None
        self.refused_from = 0

    def publish(self, message: Message) -> str:
        """Keep the message, or raise the refusal."""
        if self.refusal is not None:
            raise self.refusal
        self.published.append(message)
        return str(len(self.published))

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """Keep the messages, up to the first that is refused."""
        for index, message in enumerate(messages):
            if isinstance(self.refusal, PublishUnconfirmed) and index >= self.refused_from:
                yield self.refusal
            else:
                self.published.append(message)
                yield str(len(self.published))
