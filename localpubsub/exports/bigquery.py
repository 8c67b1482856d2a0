"""Writes the messages of BigQuery subscriptions as rows of an SQLite file that represents BigQuery.

https://cloud.google.com/pubsub/docs/bigquery
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import ExportBlocked, NotFound
from localpubsub.exports.bigquery_row import RowPlan
from localpubsub.exports.bigquery_tables import BigQueryTables
from localpubsub.exports.exporter import Exporter
from localpubsub.protocol.messages import BigQueryConfig

#: Seconds between two batches, unless messages are left over from a full one. Messages that arrive one by one
#: are so written in few transactions: with 350 messages per second, 17 at a time and not one or two.
BATCH_INTERVAL: Final = 0.05


class BigQueryExport(Exporter):
    """Writes the rows of one subscription in one transaction per batch, then acknowledges the messages.

    Attributes:
        field: see Exporter.
    """

    field = "bigquery_config"

    def __init__(
        self,
        broker: Broker,
        subscription: Subscription,
        tables: BigQueryTables,
        thread: ThreadPoolExecutor,
    ) -> None:
        self._tables = tables
        self._thread = thread
        self._config = BigQueryConfig()
        self._config.CopyFrom(subscription.resource.bigquery_config)
        super().__init__(broker, subscription)

    async def check(self) -> None:
        """Raise ExportBlocked if the table is missing or lacks required columns."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._tables.check, self._plan())

    async def finish(self) -> None:
        """Do nothing: each batch is complete when ``export`` returns."""

    async def export(self) -> float | None:
        """Write the messages that are ready; see Exporter."""
        loop, clock = asyncio.get_running_loop(), self._broker.clock
        while clock.now() >= self._paused_until:
            batch = await self.lease()
            if not batch.leases:
                return None
            try:
                errors = await loop.run_in_executor(
                    self._thread, self._tables.write, self._plan(), batch.records
                )
            except BaseException:
                self.cancel_delivery(batch.leases)
                raise
            for lease, error in zip(batch.leases, errors, strict=True):
                self.acknowledge_or_reject(lease, error)
            if not batch.full:
                self._paused_until = max(self._paused_until, clock.now() + BATCH_INTERVAL * clock.scale)
        return self._paused_until

    def _plan(self) -> RowPlan:
        """Return the row plan; with ``use_topic_schema`` it contains the current schema of the topic.

        Raises:
            ExportBlocked: ``use_topic_schema`` is set, but the topic has no schema.
        """
        if not self._config.use_topic_schema:
            return RowPlan(self._config, self._subscription.name)
        catalogue = self._broker.catalogue
        try:
            topic = catalogue.topic(self._subscription.resource.topic)
            revision = catalogue.schemas.revision(topic.resource.schema_settings.schema)
        except NotFound as error:
            raise ExportBlocked("SCHEMA_MISMATCH", f"The topic has no schema: {error}") from error
        columns = revision.definition.columns()
        return RowPlan(self._config, self._subscription.name, catalogue.schemas.decode, columns)
