"""Topics and subscriptions on a real (local) Pub/Sub, and the ledger that fills from them."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

import localpubsub
from console.errors import StackFailed
from console.ledger.ledger import Accounting, DeadJob, Ledger
from console.ledger.sqlite_views import Row, table
from console.stack.collector import Collector
from console.stack.ports import settle_ports
from console.stack.pubsub_setup import (
    prepare_topology,
    publisher_client,
    subscriber_client,
    subscription_path,
    topic_path,
)
from console.stack.services import PROJECT, DeliveryPolicy, Politeness
from contract.outcome_record import OutcomeRecord
from contract.topology import (
    DEAD_LETTER_SUBSCRIPTION,
    DEAD_LETTER_TOPIC,
    JOBS_TOPIC,
    LEDGER_SUBSCRIPTIONS,
    LEDGER_TABLES,
    OUTCOMES_TOPIC,
    PUSH_SUBSCRIPTION,
)
from tests.console.rows import dead_row, job_row, outcome_row
from tests.contract.documents import OUTCOME
from tests.servers.waiting import wait_until

ENDPOINT = "http://127.0.0.1:9/"
POLICY = DeliveryPolicy(
    ack_deadline_seconds=33, max_delivery_attempts=7, minimum_backoff_seconds=3, maximum_backoff_seconds=44
)


@pytest.fixture
def host() -> Iterator[str]:
    """Yield the address of an empty Pub/Sub."""
    with localpubsub.running() as server:
        yield server.host


def publish(host: str, *rows: Row) -> None:
    """Publish the messages behind rows, and wait for their confirmations."""
    with publisher_client(host) as publisher:
        futures = [publisher.publish(topic_path(row.topic), row.data, **row.attributes) for row in rows]
        for future in futures:
            future.result(timeout=120)


def test_everything_the_services_need_is_made(host: str) -> None:
    """Three topics; the push subscription with its policies; a place for dead letters; the ledger's."""
    prepare_topology(host, ENDPOINT, POLICY)
    with publisher_client(host) as publisher, subscriber_client(host) as subscriber:
        topics = {topic.name for topic in publisher.list_topics(project=f"projects/{PROJECT}")}
        made = subscriber.list_subscriptions(project=f"projects/{PROJECT}")
        subscriptions = {subscription.name: subscription for subscription in made}
    assert topics == {topic_path(name) for name in (JOBS_TOPIC, OUTCOMES_TOPIC, DEAD_LETTER_TOPIC)}
    names = {PUSH_SUBSCRIPTION, DEAD_LETTER_SUBSCRIPTION, *LEDGER_SUBSCRIPTIONS.values()}
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
    for topic, name in LEDGER_SUBSCRIPTIONS.items():
        config = subscriptions[subscription_path(name)].bigquery_config
        assert config.table == f"{PROJECT}.scrapeq.{LEDGER_TABLES[topic]}"
        assert config.write_metadata
        assert config.use_table_schema == config.drop_unknown_fields == (topic == OUTCOMES_TOPIC)


def test_doing_it_again_moves_the_endpoint_and_keeps_the_backlog(host: str) -> None:
    """`scrapeq up` with other ports and policies goes on with the queue as it was."""
    prepare_topology(host, ENDPOINT, POLICY, writes_rows=False)
    publish(host, job_row("a"))
    prepare_topology(host, "http://127.0.0.1:10/", DeliveryPolicy(), writes_rows=False)
    with subscriber_client(host) as subscriber:
        push = subscriber.get_subscription(subscription=subscription_path(PUSH_SUBSCRIPTION))
        kept = subscriber.pull(subscription=subscription_path("scrape-jobs-ledger"), max_messages=9)
    assert push.push_config.push_endpoint == "http://127.0.0.1:10/"
    assert push.push_config.oidc_token.audience == "scrapeq-worker"
    assert push.dead_letter_policy.max_delivery_attempts == 5
    assert [dict(each.message.attributes)["job_id"] for each in kept.received_messages] == ["a"]


def test_a_subscription_keeps_the_ordering_it_was_made_with(host: str) -> None:
    """It cannot be changed: that is said, instead of keys that bind nobody."""
    ordered = DeliveryPolicy(politeness=Politeness.ORDERED)
    prepare_topology(host, ENDPOINT, ordered)
    prepare_topology(host, ENDPOINT, ordered)
    with subscriber_client(host) as subscriber:
        push = subscriber.get_subscription(subscription=subscription_path(PUSH_SUBSCRIPTION), timeout=120)
    assert push.enable_message_ordering
    with pytest.raises(StackFailed, match="was made for --politeness ordered"):
        prepare_topology(host, ENDPOINT, POLICY)


def test_the_environment_of_the_shell_is_not_followed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PUBSUB_EMULATOR_HOST may name another Pub/Sub; the stack's own is what is set up."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    prepare_topology(host, ENDPOINT, POLICY)
    with subscriber_client(host) as subscriber:
        assert subscriber.get_subscription(subscription=subscription_path(PUSH_SUBSCRIPTION))


@pytest.mark.parametrize("writes_rows", [True, False])
def test_what_is_published_comes_to_the_ledger(tmp_path: Path, ledger: Ledger, writes_rows: bool) -> None:
    """All three topics are recorded, by Pub/Sub's own subscriptions or, where it has none, by the console."""
    with ExitStack() as held:
        host = held.enter_context(localpubsub.running(data=tmp_path / "pubsub")).host
        prepare_topology(host, ENDPOINT, POLICY, writes_rows=writes_rows)
        if not writes_rows:
            held.enter_context(Collector(host, ledger))
        publish(host, job_row("a"), job_row("b"), job_row("c"), replace(job_row("d"), data=b"\xff{"))
        publish(host, outcome_row("a", 1, items=[{"price": 1}]), dead_row("b", 2))
        publish(host, replace(dead_row("d", 2), data=b"\xff{"))
        done = Accounting(dispatched=4, succeeded=1, dead=2, in_flight=1)
        wait_until(lambda: ledger.accounting("run-1") == done)
    url = "https://shop.example/b"
    assert ledger.dead("run-1") == [DeadJob("d", "", 5, "", ""), DeadJob("b", url, 5, "", "")]
    assert [result.items for result in ledger.results("run-1")] == [[{"price": 1}]]


def test_both_ways_write_the_same_rows(tmp_path: Path, ledger: Ledger) -> None:
    """From the tables upward there is one path: a row does not tell who wrote it."""
    # Given messages of all three topics, with what is odd in them
    outcome = OutcomeRecord.model_validate(OUTCOME | {"detail": "Wörter", "fetch_seconds": 0.25})
    published = [
        replace(job_row("a"), data=b"\xff\x00"),
        replace(outcome_row("a", 1), data=outcome.encode(), attributes=outcome.attributes("")),
        dead_row("ü", 2),
    ]
    # When localpubsub's subscriptions write them, and the console
    with localpubsub.running(data=tmp_path / "pubsub") as server:
        prepare_topology(server.host, ENDPOINT, POLICY)
        publish(server.host, *published)
        wait_until(lambda: len(rows_in(ledger)) == 3)
    collected = Ledger(tmp_path / "collected")
    collected.create()
    collected.record(published)
    # Then nothing but Pub/Sub's own numbers and times tells their rows apart
    assert rows_in(ledger) == rows_in(collected)


def rows_in(ledger: Ledger) -> list[dict[str, object]]:
    """Return the rows of all three tables, without what Pub/Sub gives each message."""
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [
            {**dict(row), "attributes": json.loads(row["attributes"])}
            for name in LEDGER_TABLES.values()
            for row in connection.execute(f"SELECT * FROM {table(name)}")  # noqa: S608 - our own name
        ]
    given = {"subscription_name", "message_id", "publish_time"}
    return [{name: value for name, value in row.items() if name not in given} for row in rows]


def test_what_is_not_written_is_not_acknowledged(tmp_path: Path, ledger: Ledger) -> None:
    """Where the ledger cannot be written the collection ends and says why; the messages are still there."""
    # Given a ledger that was taken away
    away = ledger.path.with_suffix(".away")
    ledger.path.rename(away)
    # When something is published and collected
    with localpubsub.running(data=tmp_path / "queue") as server:
        prepare_topology(server.host, ENDPOINT, POLICY, writes_rows=False)
        with Collector(server.host, ledger) as collector:
            publish(server.host, job_row("a"))
            wait_until(lambda: collector.fault() is not None)
    # Then it comes again once the ledger is back, since nobody has acknowledged it
    away.rename(ledger.path)
    with localpubsub.running(data=tmp_path / "queue") as server, Collector(server.host, ledger):
        wait_until(lambda: ledger.accounting("run-1").dispatched == 1)


def test_the_collection_survives_a_restart_of_the_queue(tmp_path: Path, ledger: Ledger) -> None:
    """A queue that was away for a moment is collected from again, without any help."""
    port = settle_ports({"Pub/Sub": (0, "")})["Pub/Sub"]
    with localpubsub.running(data=tmp_path / "queue", port=port) as server:
        prepare_topology(server.host, ENDPOINT, POLICY, writes_rows=False)
        collector = Collector(server.host, ledger)
        collector.__enter__()
    with collector, localpubsub.running(data=tmp_path / "queue", port=port) as server:
        publish(server.host, job_row("a"))
        wait_until(lambda: ledger.accounting("run-1").dispatched == 1)
