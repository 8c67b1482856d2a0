"""Defines the lease of a message to one subscriber, and the ack id that identifies the lease."""

from dataclasses import dataclass
from typing import Protocol

from localpubsub.errors import InvalidArgument


class LeaseHolder(Protocol):
    """The consumer to which a message was leased."""

    def lease_ended(self, lease: "Lease") -> None:
        """React when an ack, a nack, a seek, the passed deadline or a cancellation has ended a lease."""


@dataclass(slots=True, eq=False)
class Lease:
    """One delivery of one message to one subscriber."""

    message_id: int
    attempt: int  #: Delivery attempt, 1 for the first.
    delivered_at: float  #: Seconds since the epoch.
    deadline: float  #: Seconds since the epoch; ``modify_deadline`` moves it.
    holder: LeaseHolder | None = None  #: Consumer to notify when the lease ends.
    #: Why an export subscription could not write the message; this text is added to the dead letter.
    export_error: str = ""
    #: Whether fault injection makes this attempt the final one, regardless of max_delivery_attempts.
    final_attempt: bool = False
    #: Whether the ack of an earlier delivery came after its deadline. Then the message is acknowledged when
    #: this delivery ends, even by a nack or at its deadline.
    acknowledged_late: bool = False

    def notify_holder(self) -> None:
        """Tell the holder, if any, that the lease has ended."""
        if self.holder is not None:
            self.holder.lease_ended(self)


def ack_id(subscription_number: int, lease: Lease) -> str:
    """Return the ack id of a lease. It is opaque to subscribers; ``parse_ack_id`` parses it."""
    return f"L{subscription_number:x}-{lease.message_id:x}-{lease.attempt:x}"


def parse_ack_id(text: str, subscription_number: int) -> tuple[int, int]:
    """Return the message id and the attempt of an ack id.

    Raises:
        InvalidArgument: the text is not an ack id of this subscription.
    """
    try:
        number, message_id, attempt = (int(part, 16) for part in text.removeprefix("L").split("-"))
    except ValueError:
        number = -1
    if number != subscription_number or not text.startswith("L"):
        raise InvalidArgument(f"You have passed an invalid ack ID to the service (ack_id={text}).")
    return message_id, attempt
