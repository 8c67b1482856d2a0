"""A BigQuery subscription: its messages become rows of the warehouse.

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
    """Rows of one subscription, a transaction for each batch; acknowledged once that is on the disk."""

    field = "bigquery_config"

    def __init__(
        self,
        broker: Broker,
        subscription: Subscription,
        warehouse: BigQueryTables,
        thread: ThreadPoolExecutor,
    ) -> None:
        self._warehouse = warehouse
        self._thread = thread
        self._config = BigQueryConfig()
        self._config.CopyFrom(subscription.resource.bigquery_config)
        super().__init__(broker, subscription)

    async def check(self) -> None:
        """Whether the table is there and has the columns it needs."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._warehouse.check, self._plan())

    async def finish(self) -> None:
        """No batch outlives ``export``."""

    async def export(self) -> float | None:
        """Batch after batch, while there are any."""
        loop = asyncio.get_running_loop()
        while self._broker.clock.now() >= self._rest_until:
            batch = await self.lease()
            if not batch.leases:
                break
            try:
                reasons = await loop.run_in_executor(
                    self._thread, self._warehouse.write, self._plan(), batch.records
                )
            except BaseException:
                self.cancel_delivery(batch.leases)
                raise
            for lease, reason in zip(batch.leases, reasons, strict=True):
                self.settle(lease, reason)
        return None

    def _plan(self) -> RowPlan:
        """With the topic's schema as it now is; ExportBlocked when it has gone."""
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
