"""Tests of export subscriptions of a server that is killed with SIGKILL."""

import sqlite3
from contextlib import closing
from pathlib import Path

from google.pubsub_v1.types import BigQueryConfig, CloudStorageConfig, PubsubMessage

from tests.localpubsub.exports.written_files import count, files
from tests.servers.localpubsub_process import running_process
from tests.servers.pubsub_client import connect
from tests.servers.waiting import wait_until

MESSAGES = 2_000
PER_REQUEST = 100


def test_every_message_has_a_row_after_sigkill(tmp_path: Path) -> None:
    """If the server is killed while it writes rows, every message has a row after a restart."""
    warehouse = tmp_path / "warehouse.db"
    published: list[str] = []
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        config = BigQueryConfig(table="p.d.t", use_table_schema=True, write_metadata=True)
        pubsub.subscription(topic, bigquery_config=config)
        for start in range(0, MESSAGES, PER_REQUEST):
            messages = [PubsubMessage(data=b'{"n": %d}' % (start + n)) for n in range(PER_REQUEST)]
            published += pubsub.publisher.publish(topic=topic, messages=messages).message_ids
        server.kill()
    with running_process("--data", str(tmp_path)):
        wait_until(lambda: count(warehouse, "d.t") >= MESSAGES and _backlog(tmp_path) == 0)
    with closing(sqlite3.connect(warehouse)) as database:
        found = {row[0] for row in database.execute('SELECT message_id FROM "d.t"')}
        values = {row[0] for row in database.execute('SELECT n FROM "d.t"')}
    assert found == set(published)
    assert values == set(range(MESSAGES))


def test_messages_of_an_unfinished_file_are_redelivered_after_sigkill(tmp_path: Path) -> None:
    """After a kill, messages of the unfinished file get into another file, and no partial file remains."""
    bucket = tmp_path / "buckets" / "pages"
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        topic = pubsub.topic()
        config = CloudStorageConfig(bucket="pages", max_messages=1000)
        pubsub.subscription(topic, cloud_storage_config=config)
        for part in range(3):
            pubsub.publish(topic, *[b"%d" % (500 * part + n) for n in range(500)])
        wait_until(lambda: len(files(bucket)) == 1 and _backlog(tmp_path) == 500)
        server.kill()
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        pubsub.publish(topic, *[b"%d" % n for n in range(1500, 2000)])
        wait_until(lambda: len(files(bucket)) == 2 and _backlog(tmp_path) == 0)
        server.kill()
    lines = [int(line) for path in files(bucket) for line in path.read_bytes().splitlines()]
    assert sorted(lines) == list(range(2000))
    assert {path.name for path in bucket.iterdir()} == {path.name for path in files(bucket)}


def _backlog(data: Path) -> int:
    """Return how many messages on disk are not acknowledged."""
    with closing(sqlite3.connect(data / "pubsub.sqlite")) as database:
        return int(database.execute("SELECT count(*) FROM backlog").fetchone()[0])
