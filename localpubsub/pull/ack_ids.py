"""Which deliveries the ack ids of a request name, and which of those have ended."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from localpubsub.backlog.lease import Lease, parse_ack_id
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import InvalidArgument


@dataclass(slots=True)
class ResolvedAckIds:
    """The ack ids of one request, by what they are worth."""

    leases: list[Lease] = field(default_factory=list)  #: those that still last
    ack_ids: list[str] = field(default_factory=list)  #: theirs, in the same order
    ended: list[str] = field(default_factory=list)  #: ack ids of deliveries that expired, or never were

    def __bool__(self) -> bool:
        return bool(self.ack_ids or self.ended)

    def add(self, other: "ResolvedAckIds") -> None:
        """Take over what another names."""
        self.leases += other.leases
        self.ack_ids += other.ack_ids
        self.ended += other.ended


def find_leases(
    subscription: Subscription, ack_ids: Iterable[str], *, allow_none: bool = False
) -> ResolvedAckIds:
    """Look up ack ids; InvalidArgument if there are none, or if one is no ack id of this subscription.

    With exactly-once delivery a wrong ack id is reported like one that has ended.
    """
    found = ResolvedAckIds()
    for text, delivery in [(text, _parsed(subscription, text)) for text in ack_ids]:
        lease = subscription.backlog.find_lease(*delivery) if delivery is not None else None
        if lease is None:
            found.ended.append(text)
        else:
            found.leases.append(lease)
            found.ack_ids.append(text)
    if not found and not allow_none:
        raise InvalidArgument("No ack ids specified.")
    return found


def _parsed(subscription: Subscription, text: str) -> tuple[int, int] | None:
    try:
        return parse_ack_id(text, subscription.number)
    except InvalidArgument:
        if subscription.exactly_once:
            return None
        raise
