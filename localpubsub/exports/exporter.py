"""What every export does: lease messages, hand them over, and acknowledge what is safely there."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final

from localpubsub.alarm import wait
from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import ExportBlocked, StoreFailure
from localpubsub.protocol.messages import BigQueryConfig, CloudStorageConfig, SubscriptionPb
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from localpubsub.push.backoff import PushBackoff

RECHECK: Final = 1.0  #: seconds between two looks at a destination that cannot be written
BATCH: Final = 500  #: messages handed over at once
BATCH_BYTES: Final = 5_000_000  #: bytes of messages handed over at once, about

#: The configuration of each kind, whose state says how the export is.
STATES: Final = {"bigquery_config": BigQueryConfig.State, "cloud_storage_config": CloudStorageConfig.State}

_log = logging.getLogger("localpubsub.exports.exports")


@dataclass(slots=True)
class Batch:
    """Messages leased together, with their records."""

    leases: list[Lease] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)


class Exporter(ABC):
    """The export of one subscription under one configuration, one batch at a time."""

    field: str  #: which field of the subscription configures it, a key of STATES
    lease_seconds: float = 600.0  #: longer than any batch takes: its end is not how an export fails

    def __init__(self, broker: Broker, subscription: Subscription) -> None:
        self._broker = broker
        self._subscription = subscription
        self._backoff = PushBackoff()
        self._rest_until = 0.0
        self._blocked = True  # until a first look at the destination
        self._wanted = asyncio.Event()
        self._stopping = asyncio.Event()
        subscription.consumers.add(self._wanted.set)
        self.task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """No further batch; the one under way is finished."""
        self._subscription.consumers.discard(self._wanted.set)
        self._stopping.set()
        self._wanted.set()

    @abstractmethod
    async def check(self) -> None:
        """ExportBlocked when nothing could be written now."""

    @abstractmethod
    async def export(self) -> float | None:
        """Hand over what is ready; when to come back though nothing new is ready, None for not at all."""

    @abstractmethod
    async def finish(self) -> None:
        """Called once, at the end, also when the subscription is gone."""

    async def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wanted.clear()
                again = await self._step(self.check()) if self._blocked else None
                if not self._blocked:
                    again = await self._step(self.export())
                await wait(self._wanted, self._broker.clock, again)
                await wait(self._stopping, self._broker.clock, self._rest_until)
        finally:
            await self._step(self.finish())

    async def _step(self, step: Awaitable[float | None]) -> float | None:
        """Do something that a destination may refuse, which the subscription's state then says."""
        self._blocked = True
        try:
            again = await step
        except ExportBlocked as blocked:
            self._show(blocked.state, str(blocked))
        except StoreFailure as failure:
            _log.error("export subscription=%s: %s", self._subscription.name, failure)
        except Exception:  # noqa: BLE001 - the next batch may fare better
            _log.exception("a bug of localpubsub's in an export of %s", self._subscription.name)
        else:
            self._blocked = False
            self._show("ACTIVE", "")
            return again
        self._rest_until = self._broker.clock.now() + RECHECK
        return self._rest_until

    def _show(self, state: str, reason: str) -> None:
        """Where whoever asks for the subscription sees it. States are found out anew at each start."""
        resource: SubscriptionPb = self._subscription.resource
        number = STATES[self.field].Value(state)
        config = getattr(resource, self.field)
        if reason and (config.state != number or state == "ACTIVE"):
            _log.warning("export subscription=%s state=%s: %s", self._subscription.name, state, reason)
        # One that was stopped has a successor, whose state it is then.
        if resource.HasField(self.field) and not self._stopping.is_set():
            config.state = number
            active = state == "ACTIVE"
            resource.state = SubscriptionMessage.ACTIVE if active else SubscriptionMessage.RESOURCE_ERROR

    async def lease(self, most: int = BATCH) -> Batch:
        """What is ready, at most a batch; StoreFailure when not even one message could be read."""
        broker, subscription = self._broker, self._subscription
        batch, size = Batch(), 0
        while len(batch.leases) < most and size < BATCH_BYTES and not self._stopping.is_set():
            lease = broker.deliver(subscription, self.lease_seconds)
            if lease is None:
                break
            try:
                record = await broker.record(subscription, lease.message_id)
            except StoreFailure:
                broker.cancel_delivery(subscription, lease)
                if batch.leases:
                    break
                raise
            if record is None:
                broker.acknowledge(subscription, lease)
                continue
            batch.leases.append(lease)
            batch.records.append(record)
            size += len(record)
        return batch

    def cancel_delivery(self, leases: list[Lease]) -> None:
        """They were not written through no fault of theirs: no attempt."""
        for lease in reversed(leases):
            self._broker.cancel_delivery(self._subscription, lease)

    def settle(self, lease: Lease, reason: str) -> None:
        """Acknowledge, or refuse for a reason: that is an attempt."""
        if not reason:
            self._backoff.record_ack()
            self._broker.acknowledge(self._subscription, lease)
            return
        _log.info(
            "export refused subscription=%s message_id=%s attempt=%s reason=%s",
            self._subscription.name,
            lease.message_id,
            lease.attempt,
            reason,
        )
        # With a dead-letter topic Pub/Sub does not slow down for messages that do not fit
        # (https://cloud.google.com/pubsub/docs/bigquery#handle_message_failures).
        if self._subscription.backlog.policy.dead_letter_policy is None:
            self._backoff.record_nack(lease.delivered_at, self._broker.clock.now())
            self._rest_until = max(self._rest_until, self._backoff.resume_at)
        lease.export_error = reason
        self._broker.nack(self._subscription, lease)
