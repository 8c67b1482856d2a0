"""Defines the lease of a message to one subscriber."""

from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

_numbers = count(1)


class LeaseHolder(Protocol):
    """The consumer to which a message was leased."""

    @property
    def takes_further(self) -> bool:
        """Whether it may get further messages of an ordering key while it holds earlier ones."""

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
    #: Whether it was acknowledged while an earlier message of its ordering key was outstanding. The lease
    #: ends when all earlier messages are acknowledged, or with the lease of an earlier message.
    acknowledged: bool = False
    #: Whether its subscriber has confirmed that it received the message, by modifying the ack deadline.
    received: bool = False
    #: Identifies the lease: no two leases of a process have the same number.
    number: int = field(default_factory=_numbers.__next__)

    def notify_holder(self) -> None:
        """Tell the holder, if any, that the lease has ended."""
        if self.holder is not None:
            self.holder.lease_ended(self)
