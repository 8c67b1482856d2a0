"""A subscription: its configuration, its messages, and who consumes them."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localpubsub.backlog.backlog import Backlog, DeliveryPolicy
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.ordered_backlog import OrderedBacklog
from localpubsub.backlog.retry_policy import RetryPolicy
from localpubsub.protocol.messages import SubscriptionPb
from localpubsub.resources.export import EXPORTS
from localpubsub.resources.filter_parser import parse
from localpubsub.resources.subscription import duration_seconds

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
        self.backlog.policy = self._delivery_policy()
        self.wake()

    @property
    def deleted_or_detached(self) -> bool:
        """Whether it will never get a message again: deleted or detached."""
        return self.deleted or bool(self.resource.detached)

    @property
    def exactly_once(self) -> bool:
        """Whether acks are confirmed one by one, and refused when they come too late."""
        return bool(self.resource.enable_exactly_once_delivery)

    def empty_backlog(self) -> Backlog:
        """A backlog of its kind, without messages."""
        return OrderedBacklog(self._delivery_policy()) if self.ordered else Backlog(self._delivery_policy())

    def delivery_attempt(self, lease: Lease) -> int | None:
        """The ``delivery_attempt`` that subscribers see: None without a dead-letter policy.

        Without the rights of Pub/Sub's service agent nothing is counted
        (https://cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions).
        """
        if not self.resource.HasField("dead_letter_policy"):
            return None
        return lease.attempt if self.service_agent_permissions else 1

    def _delivery_policy(self) -> DeliveryPolicy:
        policy = delivery_policy(self.resource)
        return policy if self.service_agent_permissions else replace(policy, dead_letter_policy=None)

    def finish_read(self, reading: asyncio.Future[dict[int, bytes]]) -> None:
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


def delivery_policy(resource: SubscriptionPb) -> DeliveryPolicy:
    """Return the part of a subscription's configuration that decides the life of its messages."""
    retry_policy = dead_letter_policy = None
    if resource.HasField("retry_policy"):
        configured = resource.retry_policy
        retry_policy = RetryPolicy(
            duration_seconds(configured.minimum_backoff), duration_seconds(configured.maximum_backoff)
        )
    if resource.HasField("dead_letter_policy"):
        configured = resource.dead_letter_policy
        dead_letter_policy = DeadLetterPolicy(configured.dead_letter_topic, configured.max_delivery_attempts)
    retention = duration_seconds(resource.message_retention_duration)
    return DeliveryPolicy(resource.ack_deadline_seconds, retention, retry_policy, dead_letter_policy)
