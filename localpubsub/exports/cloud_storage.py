"""Writes the messages of Cloud Storage subscriptions to files in a directory that represents the bucket.

https://cloud.google.com/pubsub/docs/cloudstorage
"""

import asyncio
import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from localpubsub.backlog.lease import Lease
from localpubsub.broker.broker import Broker
from localpubsub.broker.subscription import Subscription
from localpubsub.errors import ExportBlocked
from localpubsub.exports.bucket_file import BucketFile, discard_partial_files
from localpubsub.exports.exporter import Exporter
from localpubsub.private_files import make_private_directory
from localpubsub.protocol.messages import CloudStorageConfig

Result = TypeVar("Result")

#: Messages are leased for the maximum duration of their file plus this margin, in seconds.
LEASE_MARGIN: Final = 300.0

#: The error number of an OSError → the state of the subscription.
_STATES: Final = {
    errno.ENOENT: "NOT_FOUND",
    errno.EACCES: "PERMISSION_DENIED",
    errno.EPERM: "PERMISSION_DENIED",
    errno.EROFS: "PERMISSION_DENIED",
    errno.ENOTDIR: "PERMISSION_DENIED",
    errno.EEXIST: "PERMISSION_DENIED",
}


class CloudStorageExport(Exporter):
    """Writes the files of one subscription, one at a time.

    The messages of a file are acknowledged when the file has its final name.

    Attributes:
        field: see Exporter.
        lease_seconds: see Exporter.
    """

    field = "cloud_storage_config"

    def __init__(
        self,
        broker: Broker,
        subscription: Subscription,
        bucket: Path,
        thread: ThreadPoolExecutor,
        *,
        create: bool,
    ) -> None:
        self._config = CloudStorageConfig()
        self._config.CopyFrom(subscription.resource.cloud_storage_config)
        self._bucket = bucket
        self._create = create
        self._thread = thread
        self._file: BucketFile | None = None
        self._leases: list[Lease] = []
        self._finish_at = 0.0
        self.lease_seconds = float(self._config.max_duration.seconds + LEASE_MARGIN)
        super().__init__(broker, subscription)

    async def check(self) -> None:
        """Raise ExportBlocked if the bucket is missing or cannot be written."""
        await self._in_thread(self._prepare)

    async def export(self) -> float | None:
        """Write ready messages to files.

        Returns:
            The time at which the unfinished file reaches its maximum duration; None if no file is unfinished.
        """
        while True:
            if self._file is not None and self._broker.clock.now() >= self._finish_at:
                await self.finish()
            batch = await self.lease()
            if not batch.leases:
                return None if self._file is None else self._finish_at
            self._leases += batch.leases
            written = 0
            while written < len(batch.records):
                written += await self._write(batch.records[written:], batch.leases[written:])

    async def finish(self) -> None:
        """Finish the current file, then acknowledge its messages."""
        if self._file is None:
            return
        file, self._file = self._file, None
        leases, self._leases = self._leases, []
        try:
            await self._in_thread(file.finish)
        except BaseException:
            await self._in_thread(file.abandon)
            self.cancel_delivery(leases)
            raise
        for lease in leases:
            self.acknowledge_or_reject(lease, "")

    async def _write(self, records: list[bytes], leases: list[Lease]) -> int:
        """Write as many records as fit in the file and finish it if it is full; return how many were written.

        ``leases`` are the leases of the records, in the same order.
        """
        try:
            if self._file is None:
                self._file = await self._in_thread(partial(self._begin, self._broker.clock.now()))
                self._finish_at = self._broker.clock.now() + self._config.max_duration.seconds
            written = await self._in_thread(lambda: self._file.write(records) if self._file else 0)
        except BaseException:
            await self._abandon()
            raise
        if self._file.full:
            # Messages that did not fit into this file must not be acknowledged with it.
            unwritten = leases[written:]
            self._leases = self._leases[: len(self._leases) - len(unwritten)]
            try:
                await self.finish()
            except BaseException:
                self.cancel_delivery(unwritten)
                raise
            self._leases = unwritten
        return written

    async def _abandon(self) -> None:
        leases, self._leases = self._leases, []
        file, self._file = self._file, None
        if file is not None:
            await self._in_thread(file.abandon)
        self.cancel_delivery(leases)

    def _prepare(self) -> None:
        if self._create:
            make_private_directory(self._bucket.parent)
            make_private_directory(self._bucket)
        if not self._bucket.is_dir():
            raise FileNotFoundError(errno.ENOENT, "the bucket does not exist", str(self._bucket))
        if not os.access(self._bucket, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "the bucket cannot be written", str(self._bucket))
        if self._file is None:
            discard_partial_files(self._bucket, self._subscription.number)

    def _begin(self, now: float) -> BucketFile:
        subscription = (self._subscription.number, self._subscription.name)
        return BucketFile(self._bucket, self._config, subscription, now)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except OSError as error:
            state = _STATES.get(error.errno or 0, "ACTIVE")
            reason = f"localpubsub cannot write the bucket {self._bucket.name}: {error.strerror or error}."
            raise ExportBlocked(state, reason) from error
