"""Defines a message, and what publishes it; it counts as sent only once the broker has confirmed it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from contract.attempt import AttemptFailed
from contract.outcome import Reason


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
    """The broker refused a message, or did not confirm it in time; the topic may contain it nevertheless."""

    def __init__(self, topic: str, why: str) -> None:
        super().__init__(Reason.PUBLISH_UNCONFIRMED, f"topic {topic} did not confirm: {why}")


class Publisher(Protocol):
    """Publishes to one topic, and waits for the confirmations."""

    def publish(self, message: Message, timeout_seconds: float | None = None) -> str:
        """Publish one message; return its message id once the broker has confirmed it.

        Args:
            message: the message.
            timeout_seconds: how long to wait for the confirmation; None for the publisher's own timeout.

        Raises:
            PublishUnconfirmed: if the broker does not confirm it.
        """

    def publish_all(self, messages: Iterable[Message]) -> Iterator[PublishUnconfirmed | str]:
        """Publish many messages in batches; yield the id or the failure of each message, in their order."""
