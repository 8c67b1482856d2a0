"""Defines a topic with its configuration, and with the subscriptions that get its messages."""

from dataclasses import dataclass, field

from localpubsub.broker.subscription import Subscription
from localpubsub.broker.transformer import Transformer, transformer
from localpubsub.protocol.messages import TopicPb


@dataclass(slots=True, eq=False)
class Topic:
    """One topic of the server."""

    number: int  #: Identifies the topic in the store; it is never reused.
    resource: TopicPb
    subscriptions: list[Subscription] = field(default_factory=list)
    snapshots: list[int] = field(default_factory=list)  #: Numbers of its snapshots.
    published: int = 0  #: Number of messages that clients have published since the start of the server.

    _transformer: Transformer | None = field(default=None, init=False)
    _transformer_of: TopicPb = field(default=None, init=False)  #: The resource whose transformer this is.

    @property
    def name(self) -> str:
        """Full name, ``projects/P/topics/T``."""
        return str(self.resource.name)

    @property
    def retains(self) -> bool:
        """Whether it has message_retention_duration, so that the topic itself is an owner."""
        return bool(self.resource.HasField("message_retention_duration"))

    @property
    def retainers(self) -> list[int]:
        """Numbers of the owners for which its messages are retained (see storage/slices.py).

        These are its snapshots and, if it has message_retention_duration, the topic itself.
        """
        if self.retains:
            return [self.number, *self.snapshots]
        return self.snapshots

    @property
    def transformer(self) -> Transformer | None:
        """Runs the message transforms; None without any."""
        if self._transformer_of is not self.resource:
            self._transformer = transformer(self.resource.message_transforms)
            self._transformer_of = self.resource
        return self._transformer
