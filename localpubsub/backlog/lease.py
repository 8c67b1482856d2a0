"""A message on loan to a subscriber, and the ack id that names the loan."""

from dataclasses import dataclass
from typing import Protocol

from localpubsub.errors import InvalidArgument


class LeaseHolder(Protocol):
    """Whoever a lease was given to, and wants to hear that it ended without its own doing."""

    def lease_ended(self, lease: "Lease") -> None:
        """The lease was acknowledged, refused, or ran out."""


@dataclass(slots=True, eq=False)
class Lease:
    """One delivery of one message to one subscriber."""

    message_id: int
    attempt: int  #: 1 for the first delivery
    delivered_at: float  #: seconds since the epoch
    deadline: float  #: seconds since the epoch; moved by extend_deadline
    holder: LeaseHolder | None = None
    export_error: str = ""  #: why an export subscription refuses the message, for its dead letter
    final_attempt: bool = (
        False  #: if it fails it was the last, whatever the dead-letter policy counts (chaos)
    )


def ack_id(subscription_number: int, lease: Lease) -> str:
    """The ack id of a lease: opaque to subscribers, checked by ``parse_ack_id``."""
    return f"L{subscription_number:x}-{lease.message_id:x}-{lease.attempt:x}"


def parse_ack_id(text: str, subscription_number: int) -> tuple[int, int]:
    """Message id and attempt of an ack id; InvalidArgument when it is not one of this subscription."""
    try:
        number, message_id, attempt = (int(part, 16) for part in text.removeprefix("L").split("-"))
    except ValueError:
        number = -1
    if number != subscription_number or not text.startswith("L"):
        raise InvalidArgument(f"You have passed an invalid ack ID to the service (ack_id={text}).")
    return message_id, attempt
