"""Defines the base class of exports, which lease messages, write them to disk and then acknowledge them."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final

from localpubsub.alarm import wait
from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import READ_RETRY_DELAY, Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import ExportBlocked, StoreFailure
from localpubsub.log_throttle import LogThrottle
from localpubsub.protocol.messages import BigQueryConfig, CloudStorageConfig, SubscriptionPb
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from localpubsub.push.backoff import PushBackoff

RECHECK_INTERVAL: Final = 1.0  #: Seconds between checks of a destination that cannot be written.
BATCH_MESSAGES: Final = 500  #: The maximum number of messages in a batch.
#: A batch is complete when the total size of its messages reaches this many bytes.
BATCH_BYTES: Final = 5_000_000

#: The field that configures each kind of export → the enum of its states.
STATES: Final = {"bigquery_config": BigQueryConfig.State, "cloud_storage_config": CloudStorageConfig.State}

_log = logging.getLogger("localpubsub.exports.exports")


@dataclass(slots=True)
class Batch:
    """Messages that were leased together."""

    leases: list[Lease] = field(default_factory=list)  #: The leases.
    records: list[bytes] = field(default_factory=list)  #: The encoded messages, in the order of the leases.
    full: bool = False  #: Whether it was complete before all messages that are ready were in it.


class Exporter(ABC):
    """The export of one subscription under one configuration, one batch at a time.

    Attributes:
        field: the field of the subscription that configures the export, a key of STATES.
        lease_seconds: how long messages are leased. It is longer than any batch takes, so that no lease
            expires during an export.
        task: the task that exports until ``stop`` is called.
    """

    field: str
    lease_seconds: float = 600.0

    def __init__(self, broker: Broker, subscription: Subscription) -> None:
        self._broker = broker
        self._subscription = subscription
        self._backoff = PushBackoff()
        self._failures = LogThrottle(_log)
        self._paused_until = 0.0
        self._blocked = True  # The destination must be checked before the first export.
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        subscription.consumers.add(self._changed.set)
        self.task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Start no further batch; the current one is finished."""
        self._subscription.consumers.discard(self._changed.set)
        self._stopping.set()
        self._changed.set()

    @abstractmethod
    async def check(self) -> None:
        """Raise ExportBlocked if the destination cannot be written now."""

    @abstractmethod
    async def export(self) -> float | None:
        """Export the messages that are ready.

        Returns:
            When to call ``export`` again even if no message becomes ready, in seconds since the epoch; None
            if only new messages need a call.
        """

    @abstractmethod
    async def finish(self) -> None:
        """Finish the export; called once when the export stops, even if the subscription was deleted."""

    async def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._changed.clear()
                next_call_at = await self._attempt(self.check()) if self._blocked else None
                if not self._blocked:
                    next_call_at = await self._attempt(self.export())
                await wait(self._changed, self._broker.clock, next_call_at)
                await wait(self._stopping, self._broker.clock, self._paused_until)
        finally:
            await self._attempt(self.finish())

    async def _attempt(self, operation: Awaitable[float | None]) -> float | None:
        """Await an operation on the destination; set the subscription's state if it succeeds or is blocked.

        Returns:
            The operation's result or, if it failed, when to try again.
        """
        self._blocked = True
        try:
            next_call_at = await operation
        except ExportBlocked as error:
            self._set_state(error.state, str(error))
        except StoreFailure as error:
            self._failures.error(f"export_failed subscription={self._subscription.name}", error)
        except Exception as error:  # noqa: BLE001 - a later batch may succeed
            self._failures.error(
                f"internal_error subscription={self._subscription.name}", repr(error), traceback=True
            )
        else:
            self._blocked = False
            self._set_state("ACTIVE", "")
            return next_call_at
        self._paused_until = self._broker.clock.now() + RECHECK_INTERVAL
        return self._paused_until

    def _set_state(self, state: str, reason: str) -> None:
        """Set the state that GetSubscription returns. It is not stored: each start determines it anew."""
        resource: SubscriptionPb = self._subscription.resource
        number = STATES[self.field].Value(state)
        config = getattr(resource, self.field)
        if reason and state == "ACTIVE":  # the failure is temporary, and will be repeated until it ends
            self._failures.error(f"export_failed subscription={self._subscription.name}", reason)
        elif reason and config.state != number:
            _log.warning(
                "export_blocked subscription=%s state=%s: %s", self._subscription.name, state, reason
            )
        # After a stop, the exporter that replaces this one sets the state.
        if resource.HasField(self.field) and not self._stopping.is_set():
            config.state = number
            active = state == "ACTIVE"
            resource.state = SubscriptionMessage.ACTIVE if active else SubscriptionMessage.RESOURCE_ERROR

    async def lease(self) -> Batch:
        """Lease the messages that are ready, at most one batch.

        Raises:
            StoreFailure: the first message could not be read.
        """
        broker, subscription = self._broker, self._subscription
        batch, size = Batch(), 0
        while len(batch.leases) < BATCH_MESSAGES and size < BATCH_BYTES and not self._stopping.is_set():
            lease = broker.deliver(subscription, self.lease_seconds)
            if lease is None:
                break
            try:
                record = await broker.record(subscription, lease)
            except StoreFailure:
                broker.cancel_delivery(subscription, lease, READ_RETRY_DELAY)
                if batch.leases:
                    break
                raise
            if record is None:
                broker.acknowledge(subscription, lease)
                continue
            batch.leases.append(lease)
            batch.records.append(record)
            size += len(record)
        # A seek may have acknowledged earlier messages while later ones were read.
        both = zip(batch.leases, batch.records, strict=True)
        current = [(lease, record) for lease, record in both if subscription.is_current(lease)]
        full = len(batch.leases) >= BATCH_MESSAGES or size >= BATCH_BYTES
        return Batch([lease for lease, _ in current], [record for _, record in current], full)

    def cancel_delivery(self, leases: list[Lease]) -> None:
        """Put messages that were not written back into the backlog, without counting an attempt."""
        for lease in reversed(leases):
            self._broker.cancel_delivery(self._subscription, lease)

    def acknowledge_or_reject(self, lease: Lease, error: str) -> None:
        """Acknowledge a message or, if ``error`` is not empty, nack it, which counts as an attempt."""
        if not error:
            self._backoff.record_ack()
            self._broker.acknowledge(self._subscription, lease)
            return
        _log.info(
            "export_rejected subscription=%s message_id=%s attempt=%s reason=%s",
            self._subscription.name,
            lease.message_id,
            lease.attempt,
            error,
        )
        # With a dead-letter topic Pub/Sub does not slow down the export after rejected messages
        # (https://cloud.google.com/pubsub/docs/bigquery#handle_message_failures).
        if self._subscription.backlog.policy.dead_letter_policy is None:
            self._backoff.record_nack(lease.delivered_at, self._broker.clock.now())
            self._paused_until = max(self._paused_until, self._backoff.resume_at)
        lease.export_error = error
        self._broker.nack(self._subscription, lease)
