"""Tests of the topics and subscriptions on localpubsub, and of the ledger rows that localpubsub writes."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import localpubsub
from console.ledger.ledger import Accounting, DeadJob, Ledger
from console.ledger.sqlite_views import table
from console.stack.pubsub_setup import (
    TOPICS,
    prepare_topology,
    publisher_client,
    subscriber_client,
    subscription_path,
    topic_path,
)
from console.stack.services import PROJECT, DeliveryPolicy
from contract.dispatch_report import DispatchReport
from contract.outcome_record import OutcomeRecord
from contract.topology import (
    COLUMN_TOPICS,
    DEAD_LETTER_SUBSCRIPTION,
    DEAD_LETTER_TOPIC,
    DISPATCH_FILTER,
    DISPATCH_SUBSCRIPTION,
    LEDGER_SUBSCRIPTIONS,
    LEDGER_TABLES,
    PUSH_SUBSCRIPTION,
)
from tests.console.ledger.rows import Row, dead_letter_row, end_row, job_row, outcome_row, record
from tests.contract.documents import OUTCOME
from tests.servers.waiting import wait_until

ENDPOINT = "http://127.0.0.1:9/"
SHARDS_ENDPOINT = "http://127.0.0.1:9/shards"
POLICY = DeliveryPolicy(
    ack_deadline_seconds=33, max_delivery_attempts=7, minimum_backoff_seconds=3, maximum_backoff_seconds=44
)


@pytest.fixture
def host() -> Iterator[str]:
    """Yield the address of an empty Pub/Sub."""
    with localpubsub.running() as server:
        yield server.host


def publish(host: str, *rows: Row) -> None:
    """Publish the messages that the rows describe, and wait for their confirmations."""
    with publisher_client(host) as publisher:
        futures = [publisher.publish(topic_path(row.topic), row.data, **row.attributes) for row in rows]
        for future in futures:
            future.result(timeout=120)


def test_prepare_topology_creates_all_topics_and_subscriptions(host: str) -> None:
    """Four topics and the push, dead-letter and ledger subscriptions are created with their policies."""
    prepare_topology(host, ENDPOINT, POLICY, SHARDS_ENDPOINT)
    with publisher_client(host) as publisher, subscriber_client(host) as subscriber:
        topics = {topic.name for topic in publisher.list_topics(project=f"projects/{PROJECT}")}
        listed = subscriber.list_subscriptions(project=f"projects/{PROJECT}")
        subscriptions = {subscription.name: subscription for subscription in listed}
    assert topics == {topic_path(name) for name in TOPICS}
    names = {
        PUSH_SUBSCRIPTION,
        DISPATCH_SUBSCRIPTION,
        DEAD_LETTER_SUBSCRIPTION,
        *LEDGER_SUBSCRIPTIONS.values(),
    }
    assert set(subscriptions) == {subscription_path(name) for name in names}
    assert not any(subscription.expiration_policy.ttl for subscription in subscriptions.values())
    push = subscriptions[subscription_path(PUSH_SUBSCRIPTION)]
    assert push.push_config.push_endpoint == ENDPOINT
    assert push.push_config.oidc_token.audience == "scrapeq-worker"
    assert push.push_config.oidc_token.service_account_email == "push@scrapeq-local.iam.gserviceaccount.com"
    assert push.ack_deadline_seconds == 33
    assert push.dead_letter_policy.dead_letter_topic == topic_path(DEAD_LETTER_TOPIC)
    assert push.dead_letter_policy.max_delivery_attempts == 7
    assert push.retry_policy.minimum_backoff.total_seconds() == 3
    assert push.retry_policy.maximum_backoff.total_seconds() == 44
    assert push.enable_message_ordering
    shards = subscriptions[subscription_path(DISPATCH_SUBSCRIPTION)]
    assert shards.push_config.push_endpoint == SHARDS_ENDPOINT
    assert shards.push_config.oidc_token == push.push_config.oidc_token
    assert shards.filter == DISPATCH_FILTER
    assert not shards.dead_letter_policy.dead_letter_topic
    for topic, name in LEDGER_SUBSCRIPTIONS.items():
        config = subscriptions[subscription_path(name)].bigquery_config
        assert config.table == f"{PROJECT}.scrapeq.{LEDGER_TABLES[topic]}"
        assert config.write_metadata
        assert config.use_table_schema == config.drop_unknown_fields == (topic in COLUMN_TOPICS)


def test_prepare_topology_again_updates_the_endpoint_and_keeps_the_backlog(host: str) -> None:
    """A second call with another endpoint and policy updates the subscription and keeps its messages."""
    prepare_topology(host, ENDPOINT, POLICY)
    publish(host, dead_letter_row("a", 1))
    prepare_topology(host, "http://127.0.0.1:10/", DeliveryPolicy())
    with subscriber_client(host) as subscriber:
        push = subscriber.get_subscription(subscription=subscription_path(PUSH_SUBSCRIPTION))
        kept = subscriber.pull(subscription=subscription_path(DEAD_LETTER_SUBSCRIPTION), max_messages=9)
    assert push.push_config.push_endpoint == "http://127.0.0.1:10/"
    assert push.push_config.oidc_token.audience == "scrapeq-worker"
    assert push.dead_letter_policy.max_delivery_attempts == 10
    assert [dict(each.message.attributes)["job_id"] for each in kept.received_messages] == ["a"]


def test_prepare_topology_ignores_pubsub_emulator_host(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The topics are created at the given host, even if PUBSUB_EMULATOR_HOST names another Pub/Sub."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    prepare_topology(host, ENDPOINT, POLICY)
    with subscriber_client(host) as subscriber:
        assert subscriber.get_subscription(subscription=subscription_path(PUSH_SUBSCRIPTION))


def test_published_messages_are_recorded_in_the_ledger(tmp_path: Path, ledger: Ledger) -> None:
    """The BigQuery subscriptions of the topics write rows, even for undecodable messages."""
    with localpubsub.running(data=tmp_path / "pubsub") as server:
        host = server.host
        prepare_topology(host, ENDPOINT, POLICY)
        publish(host, job_row("a"), job_row("b"), job_row("c"), replace(job_row("d"), data=b"\xff{"))
        publish(host, outcome_row("a", 1, items=[{"price": 1}]), dead_letter_row("b", 2))
        publish(host, replace(dead_letter_row("d", 2), data=b"\xff{"))
        done = Accounting(dispatched=4, succeeded=1, dead=2, in_flight=1, dead_infrastructure=1)
        wait_until(lambda: ledger.accounting("run-1") == done)
    url = "https://shop.example/b"
    assert ledger.dead_jobs("run-1") == [
        DeadJob("d", "", 5, "", "", "message"),
        DeadJob("b", url, 5, "", "", "infrastructure"),
    ]
    assert [result.items for result in ledger.results("run-1")] == [[{"price": 1}]]


def test_rows_of_these_tests_are_those_of_localpubsub(tmp_path: Path, ledger: Ledger) -> None:
    """The rows that tests/console/ledger/rows.py inserts are equal to those that localpubsub writes."""
    # Given messages of all four topics, some with unusual content
    outcome = OutcomeRecord.model_validate(OUTCOME | {"detail": "Wörter", "fetch_seconds": 0.25})
    published = [
        replace(job_row("a"), data=b"\xff\x00"),
        replace(outcome_row("a", 1), data=outcome.encode(), attributes=outcome.attributes("")),
        dead_letter_row("ü", 2),
        end_row(1, 3, DispatchReport()),
    ]
    # When localpubsub's subscriptions write them, and when the function `record` of the tests writes them
    with localpubsub.running(data=tmp_path / "pubsub") as server:
        prepare_topology(server.host, ENDPOINT, POLICY)
        publish(server.host, *published)
        wait_until(lambda: len(rows_in(ledger)) == 4)
    inserted = Ledger(tmp_path / "inserted")
    inserted.create()
    record(inserted, published)
    # Then the rows are equal, except for the columns that Pub/Sub assigns to each message
    assert rows_in(ledger) == rows_in(inserted)


def rows_in(ledger: Ledger) -> list[dict[str, object]]:
    """Return the rows of all four tables, without the columns that Pub/Sub assigns to each message."""
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [
            {**dict(row), "attributes": json.loads(row["attributes"])}
            for name in LEDGER_TABLES.values()
            for row in connection.execute(f"SELECT * FROM {table(name)}")  # noqa: S608 - the name is a constant
        ]
    assigned = {"subscription_name", "message_id", "publish_time"}
    return [{name: value for name, value in row.items() if name not in assigned} for row in rows]
