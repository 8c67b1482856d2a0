"""A topic: its configuration, and the subscriptions that each get a copy of its messages."""

from dataclasses import dataclass, field

from localpubsub.subscription import Subscription
from localpubsub.wire import TopicPb


@dataclass(slots=True, eq=False)
class Topic:
    """One topic while it exists. ``number`` names it in the store and is never reused."""

    number: int
    resource: TopicPb
    subscriptions: list[Subscription] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Full name, ``projects/P/topics/T``."""
        return str(self.resource.name)
