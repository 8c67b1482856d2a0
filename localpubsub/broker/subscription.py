"""Defines a subscription with its configuration, its messages and its consumers."""

import asyncio
from collections import deque
from dataclasses import replace

from localpubsub.backlog.backlog import Backlog, DeliveryPolicy
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.lease import Lease
from localpubsub.backlog.retry_policy import RetryPolicy
from localpubsub.broker.consumers import Consumers
from localpubsub.broker.counters import CountedBacklog, CountedOrderedBacklog, SubscriptionCounters
from localpubsub.broker.read_ahead import ReadAhead
from localpubsub.broker.transformer import transformer
from localpubsub.protocol.messages import SubscriptionPb
from localpubsub.resources.export import EXPORTS
from localpubsub.resources.filter_parser import parse
from localpubsub.resources.subscription import duration_seconds


class Subscription:
    """One subscription of the server."""

    def __init__(
        self, number: int, resource: SubscriptionPb, *, service_agent_permissions: bool = True
    ) -> None:
        self.number = number  #: Identifies the subscription in the store and in ack ids; it is never reused.
        self.backlog_number = number  #: Identifies its backlog in the store; a seek changes it.
        #: Number of the backlog that a running seek makes; new messages are added to it, too.
        self.next_backlog_number: int | None = None
        #: Messages with lower ids are in the backlog, even if their enqueueing is delayed.
        self.complete_before = 0
        self.lock = asyncio.Lock()  #: Held while a seek or a snapshot copies the backlog, or it is deleted.
        self.copying: set[int] = set()  #: Numbers of the snapshots to which the backlog is being copied.
        #: Ended leases of the messages that wait to be moved to the dead-letter topic, or are being moved.
        self.dead_letters: deque[Lease] = deque()
        #: Tasks that remove messages from the backlog after they have read or written something.
        self.removals: set[asyncio.Task[None]] = set()
        self.resource = resource
        self.filter = parse(resource.filter)  #: None if the filter is empty.
        self.ordered = bool(resource.enable_message_ordering)
        self.retains_acked = bool(resource.retain_acked_messages)
        self.transformer = transformer(resource.message_transforms)  #: None without message transforms.
        #: Whether Pub/Sub's service agent has its roles. Without them Pub/Sub neither counts delivery
        #: attempts nor forwards dead letters.
        self.service_agent_permissions = service_agent_permissions
        self.counters = SubscriptionCounters()
        self.backlog = self.empty_backlog()
        self.used = True  #: Whether a request or an ack used it since the last check for expiry.
        #: Time of the last check that found it in use, seconds since the epoch; 0 before the first check.
        self.used_at = 0.0
        self.consumers = Consumers()  #: Its streams, pulls, pushes and exports.
        self.read_ahead = ReadAhead()
        self.deleted = False

    @property
    def name(self) -> str:
        """Full name, ``projects/P/subscriptions/S``."""
        return str(self.resource.name)

    @property
    def backlog_numbers(self) -> list[int]:
        """Numbers of the backlogs to which new messages are added."""
        if self.next_backlog_number is None:
            return [self.backlog_number]
        return [self.backlog_number, self.next_backlog_number]

    @property
    def retainers(self) -> set[int]:
        """Numbers of the owners that retain the messages that are removed from the backlog."""
        return self.copying | {self.number} if self.retains_acked else self.copying

    @property
    def endpoint(self) -> str:
        """URL of a push subscription, empty for a pull subscription."""
        return str(self.resource.push_config.push_endpoint)

    @property
    def exports(self) -> bool:
        """Whether this is an export subscription, which writes to a table or a bucket."""
        return any(self.resource.HasField(field) for field in EXPORTS)

    @property
    def deleted_or_detached(self) -> bool:
        """Whether the subscription can no longer get messages."""
        return self.deleted or bool(self.resource.detached)

    @property
    def exactly_once(self) -> bool:
        """Whether acks are confirmed one by one, and rejected after their deadline."""
        return bool(self.resource.enable_exactly_once_delivery)

    def configure(self, resource: SubscriptionPb) -> None:
        """Change the configuration and keep the messages."""
        self.resource = resource
        self.retains_acked = bool(resource.retain_acked_messages)
        self.transformer = transformer(resource.message_transforms)
        self.backlog.policy = self._delivery_policy()
        self.wake()

    def empty_backlog(self) -> Backlog:
        """Return a new backlog of the subscription's kind, without messages."""
        backlog = (CountedOrderedBacklog if self.ordered else CountedBacklog)(self._delivery_policy())
        backlog.counters = self.counters
        return backlog

    def delivery_attempt(self, lease: Lease) -> int | None:
        """Return the ``delivery_attempt`` of a delivered message, or None without a dead-letter policy.

        Without the permissions of Pub/Sub's service agent it is always 1
        (https://cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions).
        """
        if not self.resource.HasField("dead_letter_policy"):
            return None
        return lease.attempt if self.service_agent_permissions else 1

    def add_dead_letter(self, lease: Lease) -> bool:
        """Add the ended lease of a message to be moved; return whether no task is moving dead letters yet."""
        self.dead_letters.append(lease)
        return len(self.dead_letters) == 1

    def is_current(self, lease: Lease) -> bool:
        """Return whether a lease has not ended."""
        return self.backlog.is_current(lease)

    def wake(self) -> None:
        """Call all consumers."""
        self.consumers.wake()

    def _delivery_policy(self) -> DeliveryPolicy:
        policy = delivery_policy(self.resource)
        return policy if self.service_agent_permissions else replace(policy, dead_letter_policy=None)


def delivery_policy(resource: SubscriptionPb) -> DeliveryPolicy:
    """Return the part of a subscription's configuration that determines the delivery of its messages."""
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
