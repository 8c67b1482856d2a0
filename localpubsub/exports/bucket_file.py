"""Writes one file of a Cloud Storage subscription. Only one thread uses a file.

See https://cloud.google.com/pubsub/docs/cloudstorage. The file has a hidden name until it is complete and on
disk, so that a listing of the bucket shows no incomplete files.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from localpubsub.extras import fastavro
from localpubsub.private_files import make_private_directory, private_opener
from localpubsub.protocol.messages import CloudStorageConfigPb, PubsubMessage, PubsubMessagePb
from localpubsub.resources.file_name import format_time

#: Limits of every file, in addition to the configured ones. The messages of an unfinished file stay leased,
#: so their number must be limited.
MAX_FILE_MESSAGES: Final = 50_000
MAX_FILE_BYTES: Final = 100_000_000

_PARTIAL: Final = ".partial-"

_DATA: Final = {"name": "data", "type": "bytes"}
_AVRO: Final = {
    "type": "record",
    "namespace": "com.google.pubsub",
    "name": "PubsubMessage",
    "fields": [_DATA],
}
_AVRO_WITH_METADATA: Final = {
    "type": "record",
    "namespace": "com.google.pubsub",
    "name": "PubsubMessageWithMetadata",
    "fields": [
        {"name": "subscription_name", "type": "string"},
        {"name": "message_id", "type": "string"},
        {"name": "publish_time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "attributes", "type": {"type": "map", "values": "string"}},
        _DATA,
    ],
}


def file_name(config: CloudStorageConfigPb, moment: float, unique: str) -> str:
    """Return the name of a file: prefix, UTC date and time, a unique part and suffix.

    Args:
        config: the configuration with prefix, suffix and format of date and time.
        moment: when the file was begun, in seconds since the epoch.
        unique: the unique part.
    """
    text = format_time(config.filename_datetime_format, datetime.fromtimestamp(moment, UTC))
    return f"{config.filename_prefix}{text}{unique}{config.filename_suffix}"


def discard_partial_files(bucket: Path, number: int) -> None:
    """Delete the incomplete files of subscription ``number`` that a killed server left behind.

    Their messages were not acknowledged and are delivered again.
    """
    for path in bucket.glob(f"{_PARTIAL}{number}-*"):
        path.unlink()


class BucketFile:
    """A file that collects messages until it is full; every method except ``abandon`` may raise OSError."""

    def __init__(
        self, bucket: Path, config: CloudStorageConfigPb, subscription: tuple[int, str], now: float
    ) -> None:
        """Create the incomplete file.

        Args:
            bucket: the directory of the bucket.
            config: the configuration of the subscription.
            subscription: the number and the full name of the subscription.
            now: the current time, in seconds since the epoch.
        """
        number, self._subscription = subscription
        unique = os.urandom(6).hex()
        self._bucket = bucket
        self._name = file_name(config, now, unique)
        self._partial = bucket / f"{_PARTIAL}{number}-{unique}"
        self._max_messages = min(config.max_messages or MAX_FILE_MESSAGES, MAX_FILE_MESSAGES)
        self._max_bytes = min(config.max_bytes or MAX_FILE_BYTES, MAX_FILE_BYTES)
        self._metadata = config.avro_config.write_metadata
        self._messages = self._bytes = 0
        self._file = open(self._partial, "xb", opener=private_opener)  # noqa: SIM115 - `finish` and `abandon` close it
        self._avro: Any = None
        if config.HasField("avro_config"):
            schema = _AVRO_WITH_METADATA if self._metadata else _AVRO
            self._avro = fastavro().write.Writer(self._file, schema)

    @property
    def full(self) -> bool:
        """Whether the file has reached one of its limits."""
        return self._messages >= self._max_messages or self._bytes >= self._max_bytes

    def write(self, records: Sequence[bytes]) -> int:
        """Write as many of these encoded messages as fit, in order; return how many were written."""
        count = 0
        for record in records:
            message = PubsubMessage.FromString(record)
            size = len(message.data) + 1
            if self.full or (self._messages and self._bytes + size > self._max_bytes):
                self._bytes = self._max_bytes  # The file counts as full.
                break
            if self._avro is None:
                self._file.write(message.data + b"\n")
            else:
                self._avro.write(self._avro_record(message))
            self._messages += 1
            self._bytes += size
            count += 1
        return count

    def finish(self) -> None:
        """Flush the file to disk, then give it its final name."""
        if self._avro is not None:
            self._avro.flush()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        final = Path(f"{self._bucket}/{self._name}")
        make_private_directory(final.parent)
        self._partial.rename(final)
        _sync_directory(final.parent)

    def abandon(self) -> None:
        """Close and delete the incomplete file; errors are ignored."""
        with suppress(OSError, ValueError):
            self._file.close()
        with suppress(OSError):
            self._partial.unlink()

    def _avro_record(self, message: PubsubMessagePb) -> dict[str, object]:
        if not self._metadata:
            return {"data": message.data}
        attributes = dict(message.attributes)
        if message.ordering_key:
            attributes["ordering_key"] = message.ordering_key
        published = message.publish_time
        return {
            "subscription_name": self._subscription,
            "message_id": message.message_id,
            "publish_time": published.seconds * 1_000_000 + published.nanos // 1000,
            "attributes": attributes,
            "data": message.data,
        }


def _sync_directory(directory: Path) -> None:
    """Flush a directory to disk, so that the new name of a file in it survives a power failure.

    Windows opens no directories; there, nothing is flushed.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
