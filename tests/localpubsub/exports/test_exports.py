"""Tests of export subscriptions of a running server: states, tables, files and restarts."""

import asyncio
import json
import sqlite3
import time
import urllib.request
from contextlib import closing
from io import BytesIO
from pathlib import Path

import fastavro
import pytest
from google.pubsub_v1.types import (
    BigQueryConfig,
    CloudStorageConfig,
    Subscription,
    UpdateSubscriptionRequest,
)

from localpubsub.broker.broker import Broker
from localpubsub.clock import Clock
from localpubsub.exports.bigquery import BATCH_INTERVAL
from localpubsub.exports.bigquery_row import RowPlan
from localpubsub.exports.bigquery_tables import BigQueryTables
from localpubsub.exports.exports import Exports
from localpubsub.protocol.messages import PubsubMessage
from localpubsub.protocol.messages import Subscription as SubscriptionMessage
from localpubsub.protocol.messages import Topic as TopicMessage
from localpubsub.storage.store import Store
from tests.localpubsub.exports.written_files import count, files
from tests.localpubsub.set_clock import SetClock
from tests.servers.pubsub_client import PubsubClient, running_localpubsub
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

STATES = BigQueryConfig.State


def execute(warehouse: Path, statement: str) -> None:
    """Execute a statement on the tables, as a user would."""
    with closing(sqlite3.connect(warehouse)) as database:
        database.execute(statement)
        database.commit()


def state(pubsub: PubsubClient, subscription: str) -> tuple[int, int]:
    """Return the state of the export and the state of the subscription."""
    found = pubsub.subscriber.get_subscription(subscription=subscription)
    return found.bigquery_config.state or found.cloud_storage_config.state, found.state


def wait_until_leased(pubsub: PubsubClient) -> None:
    """Wait until exports have leased all messages, because a stopping server writes only leased messages."""

    def leased() -> bool:
        with urllib.request.urlopen(f"{pubsub.server.http_url}/state.json") as response:  # noqa: S310 - local server
            found = json.load(response)["subscriptions"]
        return all(each["outstanding"] == each["backlog"] for each in found)

    wait_until(leased)


def test_state_is_not_found_then_schema_mismatch_then_active() -> None:
    """The state changes as the table is created and completed; then all waiting messages are written."""
    with running_localpubsub(create_tables=False) as pubsub:
        warehouse = pubsub.server.warehouse
        assert warehouse
        topic = pubsub.topic()
        config = BigQueryConfig(table="p.d.t", use_table_schema=True, write_metadata=True)
        subscription = pubsub.subscription(topic, bigquery_config=config)
        error = Subscription.State.RESOURCE_ERROR
        wait_until(lambda: state(pubsub, subscription) == (STATES.NOT_FOUND, error))
        pubsub.publish(topic, *[b'{"n": %d}' % n for n in range(10)])
        execute(warehouse, 'CREATE TABLE "d.t" (n INTEGER)')
        wait_until(lambda: state(pubsub, subscription) == (STATES.SCHEMA_MISMATCH, error))
        execute(warehouse, 'DROP TABLE "d.t"')
        execute(
            warehouse,
            'CREATE TABLE "d.t" '
            "(subscription_name TEXT, message_id TEXT, publish_time TEXT, attributes TEXT, n INT)",
        )
        wait_until(lambda: state(pubsub, subscription) == (STATES.ACTIVE, Subscription.State.ACTIVE))
        wait_until(lambda: count(warehouse, "d.t") == 10)


def test_state_is_permission_denied_while_the_tables_cannot_be_opened(tmp_path: Path) -> None:
    """While the file cannot be opened, the state is PERMISSION_DENIED, and the message is written later."""
    (tmp_path / "warehouse.db").mkdir()
    with running_localpubsub(data=tmp_path) as pubsub:
        topic = pubsub.topic()
        config = BigQueryConfig(table="p.d.t", use_table_schema=True)
        subscription = pubsub.subscription(topic, bigquery_config=config)
        pubsub.publish(topic, b'{"n": 1}')
        wait_until(lambda: state(pubsub, subscription)[0] == STATES.PERMISSION_DENIED)
        (tmp_path / "warehouse.db").rmdir()
        wait_until(lambda: count(tmp_path / "warehouse.db", "d.t") == 1)


def test_rejected_row_does_not_block_other_rows(tmp_path: Path) -> None:
    """Without a dead-letter topic, an invalid message is retried while other messages are written."""
    with running_localpubsub(data=tmp_path) as pubsub:
        topic = pubsub.topic()
        pubsub.subscription(topic, bigquery_config=BigQueryConfig(table="p.d.t", use_table_schema=True))
        pubsub.publish(topic, b"no row")
        for n in range(5):
            pubsub.publish(topic, b'{"n": %d}' % n)
        wait_until(lambda: count(tmp_path / "warehouse.db", "d.t") == 5)


def test_update_of_the_table_redirects_the_export(tmp_path: Path) -> None:
    """After UpdateSubscription messages are written to the new table only."""
    with running_localpubsub(data=tmp_path) as pubsub:
        topic = pubsub.topic()
        config = BigQueryConfig(table="p.d.first", use_table_schema=True)
        name = pubsub.subscription(topic, bigquery_config=config)
        pubsub.publish(topic, b'{"n": 1}')
        wait_until(lambda: count(tmp_path / "warehouse.db", "d.first") == 1)
        config = BigQueryConfig(table="p.d.second", use_table_schema=True)
        update = Subscription(name=name, topic=topic, bigquery_config=config, labels={"a": "b"})
        for path in ("labels", "bigquery_config"):
            request = UpdateSubscriptionRequest(subscription=update, update_mask={"paths": [path]})
            pubsub.subscriber.update_subscription(request)
        pubsub.publish(topic, b'{"n": 2}')
        wait_until(lambda: count(tmp_path / "warehouse.db", "d.second") == 1)
        assert count(tmp_path / "warehouse.db", "d.first") == 1


def test_rows_of_messages_that_arrive_soon_after_a_batch_are_written_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first message is written at once, and those of the next BATCH_INTERVAL seconds in one batch."""
    batches: list[int] = []
    write = BigQueryTables.write

    def recorded(tables: BigQueryTables, plan: RowPlan, records: list[bytes]) -> list[str]:
        batches.append(len(records))
        return write(tables, plan, records)

    async def run() -> None:
        clock = SetClock()
        broker = Broker(Store(None), clock)
        exports = Exports(broker, tmp_path / "w.db", tmp_path / "buckets", create=True)
        topic = "projects/p/topics/topic"
        await broker.catalogue.create_topic(TopicMessage(name=topic))
        config = SubscriptionMessage(name="projects/p/subscriptions/sub", topic=topic)
        config.bigquery_config.table = "p.d.t"
        subscription = await broker.catalogue.create_subscription(config)

        async def until_written() -> None:
            while len(subscription.backlog):  # noqa: ASYNC110 - no event announces an ack
                await asyncio.sleep(0.01)

        await broker.publish(topic, [PubsubMessage(data=b"x")])
        await until_written()
        for _ in range(3):
            await broker.publish(topic, [PubsubMessage(data=b"x")])
            await asyncio.sleep(0.01)  # usually enough for a batch of this message alone
        clock.pass_by(BATCH_INTERVAL)
        await until_written()
        await exports.close()
        await broker.close()

    monkeypatch.setattr(BigQueryTables, "write", recorded)
    asyncio.run(asyncio.wait_for(run(), MAX_WAIT_SECONDS))
    assert batches == [1, 3]
    assert count(tmp_path / "w.db", "d.t") == 4


def test_full_file_gets_its_name_and_a_stop_finishes_the_last_file(tmp_path: Path) -> None:
    """The first 1,000 messages fill a file; the stop of the server finishes a file with the other 500."""
    with running_localpubsub(data=tmp_path) as pubsub:
        topic = pubsub.topic()
        config = CloudStorageConfig(
            bucket="pages",
            filename_prefix="run/",
            filename_suffix=".txt",
            filename_datetime_format="YYYY/MM/DD_hh-mm-ss",
            max_messages=1000,
        )
        pubsub.subscription(topic, cloud_storage_config=config)
        pubsub.publish(topic, *[b"%d" % n for n in range(1000)])
        wait_until(lambda: len(files(tmp_path / "buckets/pages")) == 1)
        pubsub.publish(topic, *[b"%d" % n for n in range(1000, 1500)])
        wait_until_leased(pubsub)
    found = files(tmp_path / "buckets/pages")
    assert sorted(len(path.read_bytes().splitlines()) for path in found) == [500, 1000]
    lines = [int(line) for path in found for line in path.read_bytes().splitlines()]
    assert sorted(lines) == list(range(1500))
    assert all(path.parts[-4] == "run" and path.suffix == ".txt" for path in found)
    with running_localpubsub(data=tmp_path):
        time.sleep(
            0.2
        )  # A restarted server must not write the messages again, and no event would announce it.
    assert files(tmp_path / "buckets/pages") == found


def test_file_has_at_most_max_bytes(tmp_path: Path) -> None:
    """A message that would exceed max_bytes begins a new file; a single larger message is still written."""
    with running_localpubsub(data=tmp_path) as pubsub:
        topic = pubsub.topic()
        config = CloudStorageConfig(bucket="pages", max_bytes=1000)
        pubsub.subscription(topic, cloud_storage_config=config)
        pubsub.publish(topic, *[b"x" * 399] * 6, b"y" * 5000)
        wait_until_leased(pubsub)
    sizes = [path.stat().st_size for path in files(tmp_path / "buckets/pages")]
    assert sorted(sizes) == [800, 800, 800, 5001]


@pytest.mark.parametrize("metadata", [False, True])
def test_avro_file_has_data_and_metadata(tmp_path: Path, metadata: bool) -> None:
    """An Avro file contains the data as bytes and, with write_metadata, the metadata."""
    with running_localpubsub(data=tmp_path) as pubsub:
        topic = pubsub.topic()
        config = CloudStorageConfig(bucket="pages", avro_config={"write_metadata": metadata})
        subscription = pubsub.subscription(topic, cloud_storage_config=config)
        (message_id,) = pubsub.publish(topic, b"\x00data", key="value")
        wait_until_leased(pubsub)
    (file,) = files(tmp_path / "buckets/pages")
    (found,) = fastavro.reader(BytesIO(file.read_bytes()))
    assert isinstance(found, dict)
    assert found.pop("data") == b"\x00data"
    if metadata:
        assert found.pop("publish_time").timestamp() == pytest.approx(time.time(), abs=60)
        expected = {
            "subscription_name": subscription,
            "message_id": message_id,
            "attributes": {"key": "value"},
        }
        assert found == expected


def test_state_is_not_found_until_the_bucket_is_created() -> None:
    """The state is NOT_FOUND while the bucket is missing, and becomes ACTIVE once it exists."""
    with running_localpubsub(create_tables=False) as pubsub:
        assert pubsub.server.buckets
        name = pubsub.subscription(pubsub.topic(), cloud_storage_config=CloudStorageConfig(bucket="abc"))
        wait_until(lambda: state(pubsub, name)[0] == CloudStorageConfig.State.NOT_FOUND)
        (pubsub.server.buckets / "abc").mkdir(parents=True)
        wait_until(lambda: state(pubsub, name)[0] == CloudStorageConfig.State.ACTIVE)


def test_file_is_finished_after_max_duration(tmp_path: Path) -> None:
    """A file that is not full is finished after 60 s of the server's time, its maximum duration."""

    async def run() -> None:
        broker = Broker(Store(None), Clock(scale=100))
        exports = Exports(broker, tmp_path / "w.db", tmp_path / "buckets", create=True)
        topic = "projects/p/topics/topic"
        await broker.catalogue.create_topic(TopicMessage(name=topic))
        config = SubscriptionMessage(name="projects/p/subscriptions/sub", topic=topic)
        config.cloud_storage_config.bucket = "abc"
        config.cloud_storage_config.max_duration.seconds = 60
        subscription = await broker.catalogue.create_subscription(config)
        began = broker.clock.now()
        await broker.publish(topic, [PubsubMessage(data=json.dumps({}).encode())])
        while not files(tmp_path / "buckets"):  # noqa: ASYNC110 - no event announces a file
            await asyncio.sleep(0.01)
        assert broker.clock.now() - began >= 60
        while len(subscription.backlog):  # noqa: ASYNC110 - no event announces an ack
            await asyncio.sleep(0.01)
        await exports.close()
        await broker.close()

    asyncio.run(asyncio.wait_for(run(), MAX_WAIT_SECONDS))
