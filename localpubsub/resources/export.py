"""Checks the configuration of export subscriptions and fills in its defaults.

The rules are from the comments of google/pubsub/v1/pubsub.proto on BigQueryConfig and CloudStorageConfig, and
https://cloud.google.com/pubsub/docs/create-cloudstorage-subscription#file_names.
"""

import re
from typing import Final

from localpubsub.errors import InvalidArgument, Unimplemented
from localpubsub.extras import fastavro
from localpubsub.protocol.messages import (
    BigQueryConfig,
    BigQueryConfigPb,
    CloudStorageConfig,
    CloudStorageConfigPb,
    SubscriptionPb,
)
from localpubsub.resources import limits
from localpubsub.resources.file_name import check_format

#: Fields of a subscription; a subscription with one of them is an export subscription.
EXPORTS: Final = ("bigquery_config", "cloud_storage_config")

MAX_DURATION: Final = (60, 600)  #: Minimum and maximum of max_duration, seconds (proto: CloudStorageConfig).
DEFAULT_DURATION: Final = 300  #: Default of max_duration, seconds (proto: CloudStorageConfig).
MIN_FILE_BYTES: Final = 1_000  #: Minimum of max_bytes (proto: CloudStorageConfig).
MAX_FILE_BYTES: Final = 10 * 2**30  #: Maximum of max_bytes (proto: CloudStorageConfig).
MIN_FILE_MESSAGES: Final = 1_000  #: Minimum of max_messages (proto: CloudStorageConfig).

_TABLE: Final = re.compile(r"[a-z][\w.:-]*[.:][A-Za-z_]\w*\.[\w -]+", re.ASCII)
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def complete(resource: SubscriptionPb) -> None:
    """Check the export configuration of a subscription, if it has one, and fill in its defaults.

    Raises:
        InvalidArgument: a value is invalid, or more than one destination is set.
        Unimplemented: localpubsub does not support an option, or fastavro is not installed.
    """
    exports = [field for field in EXPORTS if resource.HasField(field)]
    if not exports:
        return
    if len(exports) > 1 or resource.push_config.push_endpoint:
        raise InvalidArgument(
            "Invalid subscription given: only one of push_config, bigquery_config and "
            "cloud_storage_config may be set."
        )
    if resource.HasField("bigquery_config"):
        _complete_bigquery(resource.bigquery_config)
    else:
        _complete_storage(resource.cloud_storage_config, resource)


def _complete_bigquery(config: BigQueryConfigPb) -> None:
    if not _TABLE.fullmatch(config.table):
        raise InvalidArgument(
            f"Invalid BigQuery table given (table={config.table}). It must look like PROJECT.DATASET.TABLE."
        )
    if config.use_table_schema and config.use_topic_schema:
        raise InvalidArgument("use_topic_schema and use_table_schema cannot be enabled at the same time.")
    config.state = BigQueryConfig.ACTIVE


def _complete_storage(config: CloudStorageConfigPb, resource: SubscriptionPb) -> None:
    if not _BUCKET.fullmatch(config.bucket):
        raise InvalidArgument(f"Invalid Cloud Storage bucket given (bucket={config.bucket}).")
    if config.HasField("avro_config") and config.avro_config.use_topic_schema:
        raise Unimplemented(
            "localpubsub does not offer use_topic_schema for Avro files yet: leave use_topic_schema unset."
        )
    if config.HasField("avro_config"):
        fastavro()
    else:
        config.text_config.SetInParent()
    _check_file_name(config)
    _complete_file_size(config)
    seconds = int(config.max_duration.seconds)
    # A message stays leased until its file is finished, so its ack deadline must not end before that.
    resource.ack_deadline_seconds = resource.ack_deadline_seconds or max(seconds, limits.DEFAULT_ACK_DEADLINE)
    if seconds > resource.ack_deadline_seconds:
        raise InvalidArgument(
            f"Invalid max_duration given (value={seconds}): it may not exceed the ack deadline of "
            f"{resource.ack_deadline_seconds} s."
        )
    config.state = CloudStorageConfig.ACTIVE


def _check_file_name(config: CloudStorageConfigPb) -> None:
    prefix, suffix = config.filename_prefix, config.filename_suffix
    affixes = prefix + "/" + suffix
    if (
        len(affixes.encode()) > 512
        or any(part in {".", ".."} for part in affixes.split("/"))
        or "\0" in affixes
    ):
        raise InvalidArgument(
            "Invalid filename_prefix or filename_suffix: together they must be a valid object name."
        )
    if "\n" in affixes or "\r" in affixes or suffix.endswith("/"):
        raise InvalidArgument(
            'Invalid filename_prefix or filename_suffix: line breaks, and "/" at the end, are not allowed.'
        )
    if config.filename_datetime_format:
        check_format(config.filename_datetime_format)


def _complete_file_size(config: CloudStorageConfigPb) -> None:
    if not config.HasField("max_duration"):
        config.max_duration.seconds = DEFAULT_DURATION
    limits.check_duration("max_duration", config.max_duration, MAX_DURATION)
    if config.max_bytes:
        limits.check_between("max_bytes", config.max_bytes, (MIN_FILE_BYTES, MAX_FILE_BYTES))
    if config.max_messages:
        limits.check_between("max_messages", config.max_messages, (MIN_FILE_MESSAGES, 2**63 - 1))
