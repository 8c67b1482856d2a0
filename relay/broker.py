"""Defines what the relay needs of a broker: a file of this folder for each broker fulfils the protocol.

The protocol hides no difference between brokers. What a broker cannot do, its file and docs/brokers.md say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from publishing.publisher import Message


class CannotRelay(Exception):
    """The relay cannot start with this broker; the text says what, where, and how to mend it."""


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """A message that the broker has delivered to the relay, and that is neither acknowledged nor returned.

    Attributes:
        message: data, attributes and ordering key.
        message_id: the message's id, the same in all its deliveries.
        published_at: time of publishing, seconds since the epoch.
        attempt: number of this delivery, from 1, by the broker's own count.
        receipt: what the broker's file needs to settle the message.
    """

    message: Message
    message_id: str
    published_at: float
    attempt: int
    receipt: object


class Broker(Protocol):
    """A connection to one subscription of a broker.

    The first four methods settle a message; each message is settled once. They never raise: if the broker
    does not confirm, the message stays in its queue, and is delivered again.

    Attributes:
        is_single_active: whether another relay begins to receive when this one stops to, and not before.
    """

    is_single_active: bool

    def acknowledge(self, received: Received) -> None:
        """Remove a message, because the worker has answered with a success."""

    async def return_later(self, received: Received, seconds: float) -> None:
        """Return a message for its next attempt, which begins in about `seconds`."""

    async def release(self, received: Received) -> None:
        """Return a message as if it had not been delivered, if the broker can: this costs no attempt."""

    async def dead_letter(self, received: Received, attributes: Mapping[str, str]) -> None:
        """Move a message to the dead-letter topic, with further attributes that say why."""

    def holds(self, received: Received) -> bool:
        """Return whether the message still belongs to this relay; not after the connection was lost."""

    async def start(self, take: Callable[[Received], None]) -> None:
        """Connect, and call `take` for each message; connect again after each loss.

        Raises:
            CannotRelay: if the first connection fails, or a queue is missing or unsuitable.
        """

    async def stop_taking(self) -> None:
        """Receive no further messages; those that were received can still be settled.

        A second call does nothing.
        """

    async def close(self) -> None:
        """End the connection. Messages that were not settled return to their queue."""
