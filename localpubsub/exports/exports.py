"""Every export subscription has one exporter here, which follows its configuration as a push does."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.exports.exporter import STATES, Exporter

if TYPE_CHECKING:
    from localpubsub.exports.bigquery_tables import BigQueryTables


class Exports:
    """Begins, changes and ends exports. One thread writes the warehouse, another one files.

    What writes them is imported for the first export: most servers have none.
    """

    def __init__(self, broker: Broker, warehouse: Path, buckets: Path, *, create: bool) -> None:
        self._broker = broker
        self._warehouse_file = warehouse
        self._warehouse_thread = ThreadPoolExecutor(1, "localpubsub-warehouse")
        self._buckets = buckets
        self._create = create
        self._files_thread = ThreadPoolExecutor(1, "localpubsub-buckets")
        self._exporters: dict[int, tuple[bytes, Exporter]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        broker.catalogue.listeners.append(self.follow)
        for subscription in broker.catalogue.subscriptions.values():
            self.follow(subscription)

    def follow(self, subscription: Subscription) -> None:
        """Begin, change or end the export of a subscription that was created, changed or deleted."""
        wanted = b"" if subscription.deleted else _configuration(subscription)
        current = self._exporters.get(subscription.number)
        if current is not None:
            if current[0] == wanted:
                return
            del self._exporters[subscription.number]
            exporter = current[1]
            exporter.stop()
            self._ending.add(exporter.task)
            exporter.task.add_done_callback(self._ending.discard)
        if wanted and not self._closed:
            self._exporters[subscription.number] = wanted, self._begin(subscription)

    async def close(self) -> None:
        """End all exports: finish what is under way, let go of the files."""
        self._closed = True
        for _, exporter in self._exporters.values():
            exporter.stop()
        tasks = [*self._ending, *(exporter.task for _, exporter in self._exporters.values())]
        if tasks:
            await asyncio.wait(tasks)
        if "_warehouse" in self.__dict__:
            await asyncio.get_running_loop().run_in_executor(self._warehouse_thread, self._warehouse.close)
        self._warehouse_thread.shutdown()
        self._files_thread.shutdown()

    @cached_property
    def _warehouse(self) -> "BigQueryTables":
        from localpubsub.exports.bigquery_tables import BigQueryTables  # noqa: PLC0415 - see the class

        return BigQueryTables(self._warehouse_file, create_tables=self._create)

    def _begin(self, subscription: Subscription) -> Exporter:
        if subscription.resource.HasField("bigquery_config"):
            from localpubsub.exports.bigquery import BigQueryExport  # noqa: PLC0415 - see the class

            return BigQueryExport(self._broker, subscription, self._warehouse, self._warehouse_thread)
        from localpubsub.exports.cloud_storage import CloudStorageExport  # noqa: PLC0415 - see the class

        bucket = self._buckets / subscription.resource.cloud_storage_config.bucket
        return CloudStorageExport(self._broker, subscription, bucket, self._files_thread, create=self._create)


def _configuration(subscription: Subscription) -> bytes:
    """What decides the export, empty when there is none. Its state is a result of the export."""
    resource = subscription.resource
    for field in STATES:
        if resource.HasField(field) and not resource.detached:
            config = type(getattr(resource, field))()
            config.CopyFrom(getattr(resource, field))
            config.ClearField("state")
            return field.encode() + bytes(config.SerializeToString())
    return b""
