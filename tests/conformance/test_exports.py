"""Subscriptions that write into tables and buckets."""

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

#: A configuration that the official emulator lets pass.
TAKEN = partial(pytest.param, marks=pytest.mark.differs("takes it"))

_METADATA: Final = ("subscription_name", "message_id", "publish_time", "attributes")


def exporting(pubsub: PubsubClient, table: str, **config: object) -> tuple[str, str]:
    """Topic and a BigQuery subscription of it."""
    topic = pubsub.topic()
    bigquery = BigQueryConfig(table=f"project.{table}", **config)
    return topic, pubsub.subscription(topic, bigquery_config=bigquery)


@pytest.mark.differs("writes nothing")
def test_a_json_message_becomes_a_row(pubsub: PubsubClient) -> None:
    """Behaviour 32: with use_table_schema, the fields of the message are columns of the table."""
    table = table_of(pubsub)
    topic, _ = exporting(pubsub, table, use_table_schema=True)
    pubsub.publish(topic, json.dumps({"url": "https://example.com/ü", "pages": 3, "score": 0.5}).encode())
    assert rows(pubsub, table) == [{"url": "https://example.com/ü", "pages": 3, "score": 0.5}]


@pytest.mark.differs("writes nothing")
def test_metadata_has_its_columns(pubsub: PubsubClient) -> None:
    """Behaviour 32: write_metadata adds four columns, the attributes as JSON."""
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
    """Seconds since a time as SQLite's own functions understand it."""
    assert pubsub.server.warehouse
    with closing(sqlite3.connect(pubsub.server.warehouse)) as database:
        return float(database.execute("SELECT 86400 * (julianday() - julianday(?))", (text,)).fetchone()[0])


@pytest.mark.differs("writes nothing")
def test_without_a_schema_the_data_is_one_column(pubsub: PubsubClient) -> None:
    """Behaviour 32: neither use_table_schema nor use_topic_schema: the bytes go into ``data``."""
    table = table_of(pubsub)
    topic, _ = exporting(pubsub, table, write_metadata=True)
    pubsub.publish(topic, b"\xff not text")
    (row,) = rows(pubsub, table)
    assert row["data"] == b"\xff not text"
    assert set(row) == {*_METADATA, "data"}


@pytest.mark.differs("writes nothing")
def test_a_row_that_does_not_fit_is_a_dead_letter(pubsub: PubsubClient) -> None:
    """Behaviours 20 and 32: what is no row goes to the dead-letter topic, with the reason; others go on."""
    table, graveyard = table_of(pubsub), pubsub.topic()
    reader, topic = pubsub.subscription(graveyard), pubsub.topic()
    bigquery = BigQueryConfig(table=f"project.{table}", use_table_schema=True)
    policy = DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=5)
    failing = pubsub.subscription(topic, bigquery_config=bigquery, dead_letter_policy=policy)
    pubsub.publish(topic, b"[]", b'{"n": 1}', own="attribute")
    (letter,) = pubsub.pull(reader)
    found = dict(letter.message.attributes)
    assert "not a JSON object" in found.pop("CloudPubSubDeadLetterSourceDeliveryErrorMessage")
    assert found["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert found["CloudPubSubDeadLetterSourceSubscription"] == failing.rpartition("/")[2]
    assert found["own"] == "attribute"
    assert letter.message.data == b"[]"
    assert rows(pubsub, table) == [{"n": 1}]


@pytest.mark.differs("answers a pull")
@pytest.mark.parametrize(
    "config",
    [
        {"bigquery_config": BigQueryConfig(table="project.dataset.pulled")},
        {"cloud_storage_config": CloudStorageConfig(bucket="a-bucket")},
    ],
    ids=["table", "bucket"],
)
def test_an_export_cannot_be_pulled(pubsub: PubsubClient, config: dict[str, object]) -> None:
    """Behaviour 32: its messages are not for anybody else."""
    subscription = pubsub.subscription(pubsub.topic(), **config)
    with pytest.raises(FailedPrecondition):
        pubsub.pull_now(subscription)


@pytest.mark.parametrize(
    "fields",
    [
        TAKEN({"bigquery_config": BigQueryConfig(table="no_dots")}, id="table"),
        TAKEN(
            {"bigquery_config": BigQueryConfig(table="p.d.t", use_topic_schema=True, use_table_schema=True)},
            id="two schemas",
        ),
        TAKEN(
            {
                "bigquery_config": BigQueryConfig(table="p.d.t"),
                "push_config": PushConfig(push_endpoint="http://localhost:1"),
            },
            id="table and endpoint",
        ),
        TAKEN({"cloud_storage_config": CloudStorageConfig(bucket="gs://b")}, id="bucket"),
        TAKEN({"cloud_storage_config": {"bucket": "abc", "max_messages": 999}}, id="messages"),
        TAKEN({"cloud_storage_config": {"bucket": "abc", "max_bytes": 999}}, id="bytes"),
        TAKEN({"cloud_storage_config": {"bucket": "abc", "max_duration": {"seconds": 59}}}, id="duration"),
        TAKEN({"cloud_storage_config": {"bucket": "abc", "filename_suffix": "x/"}}, id="suffix"),
        TAKEN({"cloud_storage_config": {"bucket": "abc", "filename_prefix": "../"}}, id="prefix"),
        TAKEN({"cloud_storage_config": {"bucket": "abc", "filename_datetime_format": "YYYY"}}, id="format"),
        TAKEN(
            {"cloud_storage_config": {"bucket": "abc"}, "ack_deadline_seconds": 60},
            id="deadline before duration",
        ),
    ],
)
def test_a_bad_export_is_refused(pubsub: PubsubClient, fields: dict[str, object]) -> None:
    """Behaviour 32: what the configuration's documentation excludes."""
    topic = pubsub.topic()
    with pytest.raises(InvalidArgument):
        pubsub.subscription(topic, **fields)


@pytest.mark.differs("leaves it unset")
def test_a_file_lasts_five_minutes_unless_told(pubsub: PubsubClient) -> None:
    """The default of max_duration; the ack deadline is then as long."""
    made = pubsub.created(pubsub.topic(), cloud_storage_config=CloudStorageConfig(bucket="a-bucket"))
    assert made.cloud_storage_config.max_duration.total_seconds() == 300
    assert made.cloud_storage_config.state == CloudStorageConfig.State.ACTIVE
    assert made.ack_deadline_seconds == 300


@pytest.mark.differs("knows no such field")
def test_an_export_turned_off_is_pulled(pubsub: PubsubClient) -> None:
    """Behaviour 19 for exports: without its configuration it is a subscription to pull, with its backlog."""
    topic = pubsub.topic()
    subscription = pubsub.subscription(
        topic, bigquery_config=BigQueryConfig(table="p.d.t", use_table_schema=True)
    )
    update = Subscription(name=subscription, topic=topic)
    request = UpdateSubscriptionRequest(subscription=update, update_mask={"paths": ["bigquery_config"]})
    pubsub.publish(topic, b"no row")
    pubsub.subscriber.update_subscription(request)
    assert [received.message.data for received in pubsub.pull(subscription)] == [b"no row"]
