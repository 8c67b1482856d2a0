"""Tests that only their owner can read the files of a server, whatever the umask is."""

import urllib.request
from pathlib import Path

import pytest
from google.pubsub_v1.types import BigQueryConfig, CloudStorageConfig

from localpubsub.private_files import make_private_directory
from tests.localpubsub.exports.written_files import count, files
from tests.servers.private_files import open_all, open_to_others, umask
from tests.servers.pubsub_client import running_localpubsub
from tests.servers.waiting import wait_until


def write_every_kind_of_file(data: Path) -> None:
    """Run a server that writes its queue, its signing key, a table and a bucket; then stop it."""
    warehouse, buckets = data / "warehouse.db", data / "buckets"
    with running_localpubsub(data=data) as pubsub:
        topic = pubsub.topic()
        pubsub.subscription(topic, bigquery_config=BigQueryConfig(table="p.d.t", write_metadata=True))
        bucket = CloudStorageConfig(bucket="bucket", filename_prefix="a/")
        pubsub.subscription(topic, cloud_storage_config=bucket)
        written, rows = len(files(buckets)), count(warehouse, "d.t")
        pubsub.publish(topic, b"x")
        wait_until(lambda: count(warehouse, "d.t") > rows)
        wait_until(lambda: any(buckets.rglob(".partial-*")))
        urllib.request.urlopen(f"{pubsub.server.http_url}/oauth2/v1/certs").close()  # noqa: S310 - local server
        # The files that SQLite writes beside a database exist while it is open.
        beside = {"pubsub.sqlite-wal", "pubsub.sqlite-shm", "warehouse.db-wal", "warehouse.db-shm"}
        assert beside <= {path.name for path in data.iterdir()}
        assert beside.isdisjoint(open_to_others(data))
    assert len(files(buckets)) > written
    assert open_to_others(data) == {}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_files_of_a_server_are_private(tmp_path: Path, mask: int) -> None:
    """All files and directories are private, also missing directories above the data directory."""
    with umask(mask):
        write_every_kind_of_file(tmp_path / "new" / "data")
    assert open_to_others(tmp_path / "new") == {}


def test_files_of_an_earlier_version_are_restricted(tmp_path: Path) -> None:
    """The directory and the files that others may read are restricted when a server opens them."""
    data = tmp_path / "data"
    with umask(0o022):
        write_every_kind_of_file(data)
        open_all(data)
        for exported in files(data / "buckets"):
            exported.unlink()  # an exported file is not opened again; its directory protects it
        write_every_kind_of_file(data)
    assert open_to_others(data) == {}


def test_directory_that_all_users_share_is_not_restricted(tmp_path: Path) -> None:
    """A directory with the sticky bit, as /tmp, keeps its permissions."""
    tmp_path.chmod(0o1777)
    make_private_directory(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777
