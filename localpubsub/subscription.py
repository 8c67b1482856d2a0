"""A subscription: its configuration, its messages, and who consumes them."""

import asyncio
from typing import TYPE_CHECKING, Final

from localpubsub import subscription_resource
from localpubsub.backlog import Backlog
from localpubsub.export_config import EXPORTS
from localpubsub.wire import SubscriptionPb

if TYPE_CHECKING:
    from collections.abc import Callable

READ_AHEAD: Final = 256  #: messages read from the store, beyond those wanted, when one is not in memory


class Subscription:
    """One subscription while it exists. ``number`` names it in the store and in ack ids for good."""

    def __init__(self, number: int, resource: SubscriptionPb) -> None:
        self.number = number
        self.resource = resource
        self.backlog = Backlog(subscription_resource.terms(resource))
        self.consumers: set[Callable[[], None]] = (
            set()
        )  #: called when messages wait or the configuration changed
        self.missing: dict[int, None] = {}  #: leased messages whose records somebody waits for
        self.reading: asyncio.Future[dict[int, bytes]] | None = (
            None  #: a read of them and the next, under way
        )
        self.read_ahead: dict[int, bytes] = {}  #: what was read, and not yet delivered
        self.deleted = False

    @property
    def name(self) -> str:
        """Full name, ``projects/P/subscriptions/S``."""
        return str(self.resource.name)

    @property
    def endpoint(self) -> str:
        """URL of a push subscription, empty for a pull subscription."""
        return str(self.resource.push_config.push_endpoint)

    @property
    def exports(self) -> bool:
        """Whether its messages go to a table or a bucket, and to nobody else."""
        return any(self.resource.HasField(field) for field in EXPORTS)

    def configure(self, resource: SubscriptionPb) -> None:
        """Take over another configuration; messages stay where they are."""
        self.resource = resource
        self.backlog.terms = subscription_resource.terms(resource)
        self.wake()

    def take_reading(self, reading: asyncio.Future[dict[int, bytes]]) -> None:
        """A read ended: keep what it found."""
        self.reading = None
        if not reading.cancelled() and reading.exception() is None:
            if len(self.read_ahead) > READ_AHEAD:
                self.read_ahead.clear()  # left over from messages that went without being delivered
            self.read_ahead.update(reading.result())

    def wake(self) -> None:
        """Let the consumers look again."""
        for consumer in tuple(self.consumers):
            consumer()
