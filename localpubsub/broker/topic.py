"""A topic: its configuration, and the subscriptions that each get a copy of its messages."""

from dataclasses import dataclass, field

from localpubsub.broker.subscription import Subscription
from localpubsub.protocol.messages import TopicPb


@dataclass(slots=True, eq=False)
class Topic:
    """One topic while it exists. ``number`` names it in the store and is never reused."""

    number: int
    resource: TopicPb
    subscriptions: list[Subscription] = field(default_factory=list)
    snapshots: list[int] = field(
        default_factory=list
    )  #: numbers of the snapshots that keep what is published

    @property
    def name(self) -> str:
        """Full name, ``projects/P/topics/T``."""
        return str(self.resource.name)

    @property
    def retainers(self) -> list[int]:
        """Numbers under which messages of this topic are kept for seek: its own, and its snapshots'."""
        if self.resource.HasField("message_retention_duration"):
            return [self.number, *self.snapshots]
        return self.snapshots
