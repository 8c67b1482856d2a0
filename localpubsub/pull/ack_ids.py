"""Looks up the leases that belong to the ack ids of a request."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from localpubsub.backlog.lease import Lease, parse_ack_id
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import InvalidArgument


@dataclass(slots=True)
class ResolvedAckIds:
    """The ack ids of one request, divided into valid and invalid ones."""

    leases: list[Lease] = field(default_factory=list)  #: The leases of ``valid``, in the same order.
    valid: list[str] = field(default_factory=list)  #: Ack ids whose lease has not ended.
    invalid: list[str] = field(default_factory=list)  #: Ack ids whose lease has ended or never existed.

    def __bool__(self) -> bool:
        return bool(self.valid or self.invalid)

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
        delivery = _parse(subscription, text)
        lease = subscription.backlog.find_lease(*delivery) if delivery is not None else None
        if lease is None:
            found.invalid.append(text)
        else:
            found.leases.append(lease)
            found.valid.append(text)
    if not found and not allow_empty:
        raise InvalidArgument("No ack ids specified.")
    return found


def _parse(subscription: Subscription, text: str) -> tuple[int, int] | None:
    try:
        return parse_ack_id(text, subscription.number)
    except InvalidArgument:
        if subscription.exactly_once:
            return None
        raise
