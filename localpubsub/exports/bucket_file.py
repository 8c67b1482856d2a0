"""One file of a Cloud Storage subscription, until it is finished. Belongs to one thread.

https://cloud.google.com/pubsub/docs/cloudstorage. It has a hidden name until it is complete and on the disk:
whoever lists the bucket finds no half files.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from localpubsub.extras import fastavro
from localpubsub.protocol.messages import CloudStorageConfigPb, PubsubMessage, PubsubMessagePb

#: What finishes a file before its configuration does: its messages are leased all the while.
MOST_MESSAGES: Final = 50_000
MOST_BYTES: Final = 100_000_000

_PARTIAL: Final = ".partial-"
_DATETIME: Final = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "hh": "%H", "mm": "%M", "ss": "%S"}
_DEFAULT_DATETIME: Final = "%Y-%m-%dT%H:%M:%S+00:00"

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
    """Prefix, date and time of the file's beginning (UTC), something unique, suffix."""
    form = str(config.filename_datetime_format)
    for part, directive in _DATETIME.items():
        form = form.replace(part, directive)
    text = datetime.fromtimestamp(moment, UTC).strftime(form or _DEFAULT_DATETIME)
    return f"{config.filename_prefix}{text}_{unique}{config.filename_suffix}"


def discard_partial_files(bucket: Path, number: int) -> None:
    """What a killed server left of the files of a subscription: their messages are delivered again."""
    for left in bucket.glob(f"{_PARTIAL}{number}-*"):
        left.unlink()


class BucketFile:
    """Takes records until it is full; every method may raise OSError."""

    def __init__(
        self, bucket: Path, config: CloudStorageConfigPb, subscription: tuple[int, str], now: float
    ) -> None:
        """Begin a file of the subscription of this number and name."""
        number, self._subscription = subscription
        unique = os.urandom(6).hex()
        self._bucket = bucket
        self._name = file_name(config, now, unique)
        self._partial = bucket / f"{_PARTIAL}{number}-{unique}"
        self._most_messages = min(config.max_messages or MOST_MESSAGES, MOST_MESSAGES)
        self._most_bytes = min(config.max_bytes or MOST_BYTES, MOST_BYTES)
        self._metadata = config.avro_config.write_metadata
        self._messages = self._bytes = 0
        self._file = self._partial.open("xb")
        self._avro: Any = None
        if config.HasField("avro_config"):
            schema = _AVRO_WITH_METADATA if self._metadata else _AVRO
            self._avro = fastavro().write.Writer(self._file, schema)

    @property
    def full(self) -> bool:
        """Whether it takes nothing more."""
        return self._messages >= self._most_messages or self._bytes >= self._most_bytes

    def write(self, records: Sequence[bytes]) -> int:
        """Write the first of these messages, as many as there is room for; how many."""
        count = 0
        for record in records:
            message = PubsubMessage.FromString(record)
            size = len(message.data) + 1
            if self.full or (self._messages and self._bytes + size > self._most_bytes):
                self._bytes = self._most_bytes
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
        """Onto the disk, and then to its name."""
        if self._avro is not None:
            self._avro.flush()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        final = Path(f"{self._bucket}/{self._name}")
        final.parent.mkdir(parents=True, exist_ok=True)
        self._partial.rename(final)
        _sync_directory(final.parent)

    def abandon(self) -> None:
        """As if it had never begun."""
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
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
