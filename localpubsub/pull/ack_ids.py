"""Makes the ack ids of leases, and looks up the leases that belong to the ack ids of a request."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import InvalidArgument

#: Distinguishes the ack ids of this process from those of earlier ones, because the numbers of leases begin
#: with 1 in every process. An ack id of an earlier process is that of a lease that has ended.
_PROCESS: Final = secrets.randbits(48)


@dataclass(slots=True)
class ResolvedAckIds:
    """The ack ids of one request, divided into valid and invalid ones."""

    leases: list[Lease] = field(default_factory=list)  #: The leases of ``valid``, in the same order.
    valid: list[str] = field(default_factory=list)  #: Ack ids whose lease has not ended.
    invalid: list[str] = field(default_factory=list)  #: Ack ids whose lease has ended or never existed.
    #: Ack ids that were rejected because an earlier message of the ordering key is not acknowledged.
    unordered: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.valid or self.invalid or self.unordered)

    def add(self, other: "ResolvedAckIds") -> None:
        """Append the ack ids and leases of ``other``."""
        self.leases += other.leases
        self.valid += other.valid
        self.invalid += other.invalid


def find_leases(
    subscription: Subscription, ack_ids: Iterable[str], *, allow_empty: bool = False
) -> ResolvedAckIds:
    """Look up the leases of ack ids.

    With exactly-once delivery a malformed ack id counts as invalid, like one whose lease has ended.

    Raises:
        InvalidArgument: there are no ack ids and ``allow_empty`` is not set; or, without exactly-once
            delivery, an ack id is malformed or belongs to another subscription.
    """
    found = ResolvedAckIds()
    for text in ack_ids:
        lease = _find_lease(subscription, text)
        if lease is None:
            found.invalid.append(text)
        else:
            found.leases.append(lease)
            found.valid.append(text)
    if not found and not allow_empty:
        raise InvalidArgument("No ack ids specified.")
    return found


def acknowledge(
    broker: Broker, subscription: Subscription, ack_ids: Iterable[str], *, allow_empty: bool = False
) -> ResolvedAckIds:
    """Acknowledge the messages of these ack ids, the oldest first; raise InvalidArgument as ``find_leases``.

    With exactly-once delivery and message ordering, an ack whose earlier messages are not acknowledged is
    rejected: https://cloud.google.com/pubsub/docs/exactly-once-delivery ("Ordered delivery").
    """
    found = find_leases(subscription, ack_ids, allow_empty=allow_empty)
    if not subscription.ordered:
        for lease in found.leases:
            broker.acknowledge(subscription, lease)
        return found
    resolved = ResolvedAckIds(invalid=found.invalid)
    oldest_first = sorted(zip(found.leases, found.valid, strict=True), key=lambda pair: pair[0].message_id)
    for lease, text in oldest_first:
        if subscription.exactly_once and subscription.backlog.must_wait_for_earlier_acks(lease):
            resolved.unordered.append(text)
        else:
            broker.acknowledge(subscription, lease)
            resolved.leases.append(lease)
            resolved.valid.append(text)
    return resolved


def modify_deadlines(broker: Broker, subscription: Subscription, modified: list[tuple[Lease, float]]) -> None:
    """Set how many seconds each lease of one request lasts from now on; 0 nacks its message.

    With message ordering the newest message comes first: a nack ends the leases of the later messages of its
    ordering key, and each nack of the request counts as an attempt.
    """
    if subscription.ordered:
        modified = sorted(modified, key=lambda pair: pair[0].message_id, reverse=True)
    for lease, seconds in modified:
        broker.modify_ack_deadline(subscription, lease, seconds)


def ack_id(subscription: Subscription, lease: Lease) -> str:
    """Return the ack id of a lease; it is opaque to subscribers."""
    return f"L{subscription.number:x}-{lease.message_id:x}-{lease.number:x}-{_PROCESS:x}"


def _find_lease(subscription: Subscription, text: str) -> Lease | None:
    """Return the lease of an ack id, or None if it has ended; InvalidArgument as for ``find_leases``."""
    try:
        number, message_id, lease, process = (int(part, 16) for part in text.removeprefix("L").split("-"))
    except ValueError:
        number = -1
    if number != subscription.number or not text.startswith("L"):
        if subscription.exactly_once:
            return None
        raise InvalidArgument(f"You have passed an invalid ack ID to the service (ack_id={text}).")
    return subscription.backlog.find_lease(message_id, lease) if process == _PROCESS else None
