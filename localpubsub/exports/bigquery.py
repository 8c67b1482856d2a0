"""Writes the messages of BigQuery subscriptions as rows of an SQLite file that represents BigQuery.

https://cloud.google.com/pubsub/docs/bigquery
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import ExportBlocked, NotFound
from localpubsub.exports.bigquery_row import RowPlan
from localpubsub.exports.bigquery_tables import BigQueryTables
from localpubsub.exports.exporter import Exporter
from localpubsub.protocol.messages import BigQueryConfig


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
        """Write batches while messages are ready."""
        loop = asyncio.get_running_loop()
        while self._broker.clock.now() >= self._paused_until:
            batch = await self.lease()
            if not batch.leases:
                break
            try:
                errors = await loop.run_in_executor(
                    self._thread, self._tables.write, self._plan(), batch.records
                )
            except BaseException:
                self.cancel_delivery(batch.leases)
                raise
            for lease, error in zip(batch.leases, errors, strict=True):
                self.acknowledge_or_reject(lease, error)
        return None

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
