"""Writes the messages of one subscription: receive, write a batch, commit, acknowledge.

A message is acknowledged after the commit of its row. If the process is killed in between, the broker
delivers the message again, and the ledger skips it, since it has a row with its id.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from localpubsub.exports.bigquery_row import RowPlan
from localpubsub.exports.exporter import BATCH_BYTES
from localpubsub.log_throttle import LogThrottle
from relay.broker import Broker, Received
from relay.encoded_message import encoded_message
from relay.ledger.row_plans import rejected_record
from relay.ledger.tables import Ledger

RETRY_SECONDS: Final = 1.0  #: pause before a write that has failed is repeated

_log = logging.getLogger("ledger")


@dataclass(frozen=True)
class BatchLimits:
    """When a batch is written.

    Attributes:
        messages: number of messages that are enough. At most twice as many are in memory.
        seconds: how long the first message waits for further ones.
    """

    messages: int
    seconds: float


@dataclass(frozen=True, eq=False)
class _Item:
    """A message, and its encoding as a row is made of it."""

    received: Received
    record: bytes


class SubscriptionWriter:
    """Writes the messages of one subscription.

    Args:
        broker: the connection to the subscription.
        plan: the plan of the rows.
        rejected: the plan of the rows of messages that the table does not accept.
        ledger: writes the rows.
        limits: when a batch is written.
    """

    def __init__(
        self, broker: Broker, plan: RowPlan, rejected: RowPlan, ledger: Ledger, limits: BatchLimits
    ) -> None:
        self.broker = broker
        self._plan = plan
        self._rejected_plan = rejected
        self._ledger = ledger
        self._limits = limits
        self._waiting = deque[Received]()
        self._has_messages = asyncio.Event()
        self._has_batch = asyncio.Event()
        self._is_stopping = asyncio.Event()
        self._rejections = LogThrottle(_log)

    def take(self, received: Received) -> None:
        """Let the next batch have a message."""
        self._ledger.counters.received += 1
        self._waiting.append(received)
        self._has_messages.set()
        if len(self._waiting) >= self._limits.messages:
            self._has_batch.set()

    async def run(self) -> None:
        """Write batches until `stop` was called, and what was received is written."""
        while await self._is_batch_due():
            await self._write([_Item(each, encoded_message(each)) for each in self._next_batch()])

    async def stop(self) -> None:
        """Receive nothing more, and let `run` end after what was received."""
        await self.broker.stop_taking()
        for event in (self._is_stopping, self._has_messages, self._has_batch):
            event.set()

    async def _is_batch_due(self) -> bool:
        await self._has_messages.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.seconds):
                await self._has_batch.wait()
        return bool(self._waiting)

    def _next_batch(self) -> list[Received]:
        batch, size = list[Received](), 0
        while self._waiting and len(batch) < self._limits.messages and size < BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].message.data)
        if not self._is_stopping.is_set():
            if not self._waiting:
                self._has_messages.clear()
            if len(self._waiting) < self._limits.messages:
                self._has_batch.clear()
        return batch

    async def _write(self, batch: list[_Item]) -> None:
        """Write a batch, then its rejected messages, and acknowledge what was committed."""
        rejected = list[_Item]()
        for item, error in await self._commit(self._plan, batch):
            if error:
                self._rejections.error(f"message_rejected message_id={item.received.message_id}", error)
                rejected.append(_Item(item.received, rejected_record(item.record, error)))
            else:
                self._acknowledge(item, self._plan)
        for item, error in await self._commit(self._rejected_plan, rejected):
            if error:  # the operator has changed the table, or the message is too large for it
                _log.error("message_not_stored message_id=%s: %s", item.received.message_id, error)
            else:
                self._acknowledge(item, self._rejected_plan)

    async def _commit(self, plan: RowPlan, items: list[_Item]) -> list[tuple[_Item, str]]:
        """Write rows until it succeeds; return each item with an empty text or the reason of its rejection.

        Returns nothing if the process stops before the ledger can be written: the messages return to their
        queue.
        """
        while items:
            errors = await self._ledger.write(plan, [item.record for item in items])
            if errors is not None:
                return list(zip(items, errors, strict=True))
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._is_stopping.wait()
            if self._is_stopping.is_set():
                self._waiting.clear()
                break
            # What was received over a lost connection is delivered again. Without it, memory is bounded.
            items = [item for item in items if self.broker.holds(item.received)]
            self._waiting = deque(filter(self.broker.holds, self._waiting))
        return []

    def _acknowledge(self, item: _Item, plan: RowPlan) -> None:
        self._ledger.counters.written[plan.table.rpartition(".")[2]] += 1
        self.broker.acknowledge(item.received)
