"""Starts and stops the exports of export subscriptions as their configuration changes."""

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
    """Keeps one Exporter for each export subscription.

    One thread writes the tables, another one the buckets. The modules that write them are imported only when
    the first export starts, because most servers have no export subscription.

    Args:
        broker: the broker.
        tables: the SQLite file of BigQuery subscriptions.
        buckets: the directory of Cloud Storage subscriptions.
        create: whether missing tables and buckets are created.
    """

    def __init__(self, broker: Broker, tables: Path, buckets: Path, *, create: bool) -> None:
        self._broker = broker
        self._tables_file = tables
        self._tables_thread = ThreadPoolExecutor(1, "localpubsub-tables")
        self._buckets = buckets
        self._create = create
        self._buckets_thread = ThreadPoolExecutor(1, "localpubsub-buckets")
        self._exporters: dict[int, tuple[bytes, Exporter]] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False
        broker.catalogue.listeners.append(self.follow)
        for subscription in broker.catalogue.subscriptions.values():
            self.follow(subscription)

    def follow(self, subscription: Subscription) -> None:
        """Start, restart or stop the export of a subscription that was created, changed or deleted."""
        configuration = b"" if subscription.deleted else _configuration(subscription)
        current = self._exporters.get(subscription.number)
        if current is not None:
            if current[0] == configuration:
                return
            del self._exporters[subscription.number]
            exporter = current[1]
            exporter.stop()
            self._stopping.add(exporter.task)
            exporter.task.add_done_callback(self._stopping.discard)
        if configuration and not self._closed:
            self._exporters[subscription.number] = configuration, self._start(subscription)

    async def close(self) -> None:
        """Stop all exports: finish the current batches and files, and close the tables."""
        self._closed = True
        for _, exporter in self._exporters.values():
            exporter.stop()
        tasks = [*self._stopping, *(exporter.task for _, exporter in self._exporters.values())]
        if tasks:
            await asyncio.wait(tasks)
        if "_tables" in self.__dict__:  # The property was used, so the file may be open.
            await asyncio.get_running_loop().run_in_executor(self._tables_thread, self._tables.close)
        self._tables_thread.shutdown()
        self._buckets_thread.shutdown()

    @cached_property
    def _tables(self) -> "BigQueryTables":
        from localpubsub.exports.bigquery_tables import BigQueryTables  # noqa: PLC0415 - most servers export nothing

        return BigQueryTables(self._tables_file, create_tables=self._create)

    def _start(self, subscription: Subscription) -> Exporter:
        if subscription.resource.HasField("bigquery_config"):
            from localpubsub.exports.bigquery import BigQueryExport  # noqa: PLC0415 - most servers export nothing

            return BigQueryExport(self._broker, subscription, self._tables, self._tables_thread)
        from localpubsub.exports.cloud_storage import CloudStorageExport  # noqa: PLC0415 - most servers export nothing

        bucket = self._buckets / subscription.resource.cloud_storage_config.bucket
        return CloudStorageExport(
            self._broker, subscription, bucket, self._buckets_thread, create=self._create
        )


def _configuration(subscription: Subscription) -> bytes:
    """Return the encoded configuration of the export, or b"" if the subscription has no export.

    The state is omitted, because it is a result of the export.
    """
    resource = subscription.resource
    for field in STATES:
        if resource.HasField(field) and not resource.detached:
            config = type(getattr(resource, field))()
            config.CopyFrom(getattr(resource, field))
            config.ClearField("state")
            return field.encode() + bytes(config.SerializeToString())
    return b""
