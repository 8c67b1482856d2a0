"""A subscription: its configuration, its messages, and who consumes them."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localpubsub.backlog.backlog import Backlog, Terms
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.ordered_backlog import OrderedBacklog
from localpubsub.protocol.messages import SubscriptionPb
from localpubsub.resources import subscription as subscription_resource
from localpubsub.resources.export import EXPORTS
from localpubsub.resources.filter_parser import parse

if TYPE_CHECKING:
    from collections.abc import Callable

READ_AHEAD: Final = 256  #: messages read from the store, beyond those wanted, when one is not in memory


class Subscription:
    """One subscription while it exists. ``number`` names it in the store and in ack ids for good."""

    def __init__(
        self, number: int, resource: SubscriptionPb, *, service_agent_permissions: bool = True
    ) -> None:
        self.number = number
        self.resource = resource
        self.filter = parse(resource.filter)
        self.ordered = bool(resource.enable_message_ordering)
        self.retains = bool(resource.retain_acked_messages)
        self.service_agent_permissions = (
            service_agent_permissions  #: without them Pub/Sub neither counts attempts nor forwards
        )
        self.backlog = self.empty_backlog()
        self.active = True  #: used since the last look for idle subscriptions
        self.active_at = 0.0  #: when it was last seen to be active
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
        self.retains = bool(resource.retain_acked_messages)
        self.backlog.terms = self._terms()
        self.wake()

    @property
    def ended(self) -> bool:
        """Whether it will never get a message again: deleted or detached."""
        return self.deleted or bool(self.resource.detached)

    @property
    def exactly_once(self) -> bool:
        """Whether acks are confirmed one by one, and refused when they come too late."""
        return bool(self.resource.enable_exactly_once_delivery)

    def empty_backlog(self) -> Backlog:
        """A backlog of its kind, without messages."""
        return OrderedBacklog(self._terms()) if self.ordered else Backlog(self._terms())

    def delivery_attempt(self, lease: Lease) -> int | None:
        """The ``delivery_attempt`` that subscribers see: None without a dead-letter policy.

        Without the rights of Pub/Sub's service agent nothing is counted
        (https://cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions).
        """
        if not self.resource.HasField("dead_letter_policy"):
            return None
        return lease.attempt if self.service_agent_permissions else 1

    def _terms(self) -> Terms:
        terms = subscription_resource.terms(self.resource)
        return terms if self.service_agent_permissions else replace(terms, dead_letters=None)

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
