"""Tests of export subscriptions, which write to BigQuery tables and Cloud Storage buckets.

The numbers of behaviours refer to the table in localpubsub/README.md. ``emulator_differs`` states what
Google's official emulator does instead of what a test expects.
"""

import json
import sqlite3
from contextlib import closing
from functools import partial
from typing import Final

import pytest
from google.api_core.exceptions import FailedPrecondition, InvalidArgument
from google.pubsub_v1.types import (
    BigQueryConfig,
    CloudStorageConfig,
    DeadLetterPolicy,
    PushConfig,
    Subscription,
    UpdateSubscriptionRequest,
)

from tests.conformance.export_tables import rows, table_of
from tests.servers.pubsub_client import PubsubClient

#: Makes a test parameter of an invalid configuration that the official emulator accepts.
ACCEPTED_BY_EMULATOR = partial(
    pytest.param, marks=pytest.mark.emulator_differs("accepts invalid export configurations")
)

_METADATA: Final = ("subscription_name", "message_id", "publish_time", "attributes")


def exporting(pubsub: PubsubClient, table: str, **config: object) -> tuple[str, str]:
    """Create a topic and a BigQuery subscription; return their names."""
    topic = pubsub.topic()
    bigquery = BigQueryConfig(table=f"project.{table}", **config)
    return topic, pubsub.subscription(topic, bigquery_config=bigquery)


@pytest.mark.emulator_differs("writes no rows")
def test_bigquery_row_has_the_fields_of_a_json_message(pubsub: PubsubClient) -> None:
    """Behaviour 32: with use_table_schema, each field of a JSON message is written to a column."""
    table = table_of(pubsub)
    topic, _ = exporting(pubsub, table, use_table_schema=True)
    pubsub.publish(topic, json.dumps({"url": "https://example.com/ü", "pages": 3, "score": 0.5}).encode())
    assert rows(pubsub, table) == [{"url": "https://example.com/ü", "pages": 3, "score": 0.5}]


@pytest.mark.emulator_differs("writes no rows")
def test_bigquery_write_metadata_adds_columns(pubsub: PubsubClient) -> None:
    """Behaviour 32: write_metadata adds four columns; the attributes are JSON."""
    table = table_of(pubsub)
    topic, subscription = exporting(pubsub, table, use_table_schema=True, write_metadata=True)
    (message_id,) = pubsub.publish(topic, b'{"n": 1}', run="7")
    (row,) = rows(pubsub, table)
    assert tuple(row) == (*_METADATA, "n")
    assert row["subscription_name"] == subscription
    assert row["message_id"] == message_id
    assert json.loads(row["attributes"]) == {"run": "7"}
    assert abs(_age(pubsub, row["publish_time"])) < 60


def _age(pubsub: PubsubClient, text: str) -> float:
    """Return the seconds since a stored time; SQLite computes them, which shows that it can read the time."""
    assert pubsub.server.warehouse
    with closing(sqlite3.connect(pubsub.server.warehouse)) as database:
        return float(database.execute("SELECT 86400 * (julianday() - julianday(?))", (text,)).fetchone()[0])


@pytest.mark.emulator_differs("writes no rows")
def test_bigquery_without_schema_writes_the_data_column(pubsub: PubsubClient) -> None:
    """Behaviour 32: without a schema, the data of a message is written to the column ``data``."""
    table = table_of(pubsub)
    topic, _ = exporting(pubsub, table, write_metadata=True)
    pubsub.publish(topic, b"\xff not text")
    (row,) = rows(pubsub, table)
    assert row["data"] == b"\xff not text"
    assert set(row) == {*_METADATA, "data"}


@pytest.mark.emulator_differs("writes no rows")
def test_bigquery_rejected_row_is_dead_lettered_with_the_reason(pubsub: PubsubClient) -> None:
    """Behaviours 20 and 32: a rejected row is dead-lettered with the reason; other rows are written."""
    table, dead_letter_topic = table_of(pubsub), pubsub.topic()
    reader, topic = pubsub.subscription(dead_letter_topic), pubsub.topic()
    bigquery = BigQueryConfig(table=f"project.{table}", use_table_schema=True)
    policy = DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5)
    failing = pubsub.subscription(topic, bigquery_config=bigquery, dead_letter_policy=policy)
    pubsub.publish(topic, b"[]", b'{"n": 1}', own="attribute")
    (dead_letter,) = pubsub.pull(reader)
    found = dict(dead_letter.message.attributes)
    assert "not a JSON object" in found.pop("CloudPubSubDeadLetterSourceDeliveryErrorMessage")
    assert found["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert found["CloudPubSubDeadLetterSourceSubscription"] == failing.rpartition("/")[2]
    assert found["own"] == "attribute"
    assert dead_letter.message.data == b"[]"
    assert rows(pubsub, table) == [{"n": 1}]


@pytest.mark.emulator_differs("allows pulls from an export subscription")
@pytest.mark.parametrize(
    "config",
    [
        {"bigquery_config": BigQueryConfig(table="project.dataset.pulled")},
        {"cloud_storage_config": CloudStorageConfig(bucket="a-bucket")},
    ],
    ids=["table", "bucket"],
)
def test_pull_from_an_export_subscription_fails_with_failed_precondition(
    pubsub: PubsubClient, config: dict[str, object]
) -> None:
    """Behaviour 32: the messages of an export subscription cannot be pulled."""
    subscription = pubsub.subscription(pubsub.topic(), **config)
    with pytest.raises(FailedPrecondition):
        pubsub.pull_now(subscription)


@pytest.mark.parametrize(
    "fields",
    [
        ACCEPTED_BY_EMULATOR({"bigquery_config": BigQueryConfig(table="no_dots")}, id="table"),
        ACCEPTED_BY_EMULATOR(
            {"bigquery_config": BigQueryConfig(table="p.d.t", use_topic_schema=True, use_table_schema=True)},
            id="two schemas",
        ),
        ACCEPTED_BY_EMULATOR(
            {
                "bigquery_config": BigQueryConfig(table="p.d.t"),
                "push_config": PushConfig(push_endpoint="http://localhost:1"),
            },
            id="table and endpoint",
        ),
        ACCEPTED_BY_EMULATOR({"cloud_storage_config": CloudStorageConfig(bucket="gs://b")}, id="bucket"),
        ACCEPTED_BY_EMULATOR({"cloud_storage_config": {"bucket": "abc", "max_messages": 999}}, id="messages"),
        ACCEPTED_BY_EMULATOR({"cloud_storage_config": {"bucket": "abc", "max_bytes": 999}}, id="bytes"),
        ACCEPTED_BY_EMULATOR(
            {"cloud_storage_config": {"bucket": "abc", "max_duration": {"seconds": 59}}}, id="duration"
        ),
        ACCEPTED_BY_EMULATOR(
            {"cloud_storage_config": {"bucket": "abc", "filename_suffix": "x/"}}, id="suffix"
        ),
        ACCEPTED_BY_EMULATOR(
            {"cloud_storage_config": {"bucket": "abc", "filename_prefix": "../"}}, id="prefix"
        ),
        ACCEPTED_BY_EMULATOR(
            {"cloud_storage_config": {"bucket": "abc", "filename_datetime_format": "YYYY"}}, id="format"
        ),
        ACCEPTED_BY_EMULATOR(
            {"cloud_storage_config": {"bucket": "abc"}, "ack_deadline_seconds": 60},
            id="ack deadline shorter than max_duration",
        ),
    ],
)
def test_invalid_export_configuration_is_rejected_with_invalid_argument(
    pubsub: PubsubClient, fields: dict[str, object]
) -> None:
    """Behaviour 32: a configuration beyond the documented limits is rejected."""
    topic = pubsub.topic()
    with pytest.raises(InvalidArgument):
        pubsub.subscription(topic, **fields)


@pytest.mark.emulator_differs("leaves max_duration unset")
def test_cloud_storage_max_duration_defaults_to_five_minutes(pubsub: PubsubClient) -> None:
    """Without max_duration, the maximum duration and the ack deadline are five minutes."""
    made = pubsub.created(pubsub.topic(), cloud_storage_config=CloudStorageConfig(bucket="a-bucket"))
    assert made.cloud_storage_config.max_duration.total_seconds() == 300
    assert made.cloud_storage_config.state == CloudStorageConfig.State.ACTIVE
    assert made.ack_deadline_seconds == 300


@pytest.mark.emulator_differs("rejects bigquery_config as an unknown field")
def test_export_subscription_without_configuration_can_be_pulled(pubsub: PubsubClient) -> None:
    """An export subscription becomes a pull subscription with the same backlog if its config is removed."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(
        topic, bigquery_config=BigQueryConfig(table="p.d.t", use_table_schema=True)
    )
    update = Subscription(name=subscription, topic=topic)
    request = UpdateSubscriptionRequest(subscription=update, update_mask={"paths": ["bigquery_config"]})
    pubsub.publish(topic, b"no row")
    pubsub.subscriber.update_subscription(request)
    assert [received.message.data for received in pubsub.pull(subscription)] == [b"no row"]
