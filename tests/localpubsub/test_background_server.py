"""Tests localpubsub.running(), which runs the server in a background thread of another program."""

import socket
import sqlite3
import threading
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from google.api_core.exceptions import InternalServerError, MethodNotImplemented, NotFound
from google.pubsub_v1.types import (
    DeadLetterPolicy,
    IngestionDataSourceSettings,
    PubsubMessage,
    PushConfig,
)

import localpubsub
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient, running_localpubsub
from tests.servers.push_endpoint import running_endpoint
from tests.servers.waiting import MAX_WAIT_SECONDS


def test_running_leaves_no_thread() -> None:
    """After the block of running() has ended, no thread of the server is left."""
    before = set(threading.enumerate())
    for _ in range(3):
        with localpubsub.running() as server:
            assert server.host.startswith("127.0.0.1:")
    assert set(threading.enumerate()) <= before  # threads of other tests may have ended meanwhile


def test_running_twice_starts_independent_servers() -> None:
    """Two servers in one process have separate ports and separate topics."""
    with localpubsub.running() as one, localpubsub.running() as two:
        assert one.host != two.host
        with gapic_clients(one.host) as (first, _), gapic_clients(two.host) as (second, _):
            first.create_topic(name="projects/p/topics/only-there")
            with pytest.raises(NotFound):
                second.get_topic(topic="projects/p/topics/only-there")


def test_running_on_a_port_in_use_raises_cannot_start() -> None:
    """A port in use raises CannotStart, whose message names the port and the option --port."""
    with localpubsub.running() as server:
        port = int(server.host.rpartition(":")[2])
        with (
            pytest.raises(localpubsub.CannotStart, match=f"127.0.0.1:{port}.*--port"),
            localpubsub.running(port=port),
        ):
            pass


def has_ipv6() -> bool:
    """Return whether this machine has an IPv6 loopback address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "connect_host"),
    [("localhost", "localhost"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "127.0.0.1")],
)
def test_running_listens_on_the_given_host(host: str, connect_host: str) -> None:
    """IPv4 and IPv6 hosts work, and clients can use the addresses of RunningServer."""
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with localpubsub.running(host=host) as server:
        assert server.host.rpartition(":")[0] == connect_host
        with urllib.request.urlopen(f"{server.http_url}/healthz") as response:  # noqa: S310 - the test's own server
            assert response.status == 200
        for each in (server.host, server.http_url.removeprefix("http://")):
            with gapic_clients(each) as (publisher, _):
                publisher.create_topic(name=f"projects/p/topics/at-{each.rpartition(':')[2]}", timeout=120)


def test_running_on_a_foreign_address_raises_cannot_start() -> None:
    """An address of another machine raises CannotStart, whose message names the option --host."""
    with (
        pytest.raises(localpubsub.CannotStart, match=r"cannot listen on 192\.0\.2\.1:.*Check --host"),
        localpubsub.running(host="192.0.2.1"),
    ):
        pass


def test_running_without_data_directory_is_ephemeral() -> None:
    """A server that is started without a data directory has none."""
    with localpubsub.running() as server:
        assert server.data is None


def test_health_check_and_certificates_are_served() -> None:
    """GET /healthz returns 200, and the response with the certificates allows caching."""
    with localpubsub.running() as server:
        url = server.certs_url.replace("/oauth2/v1/certs", "/healthz")
        with urllib.request.urlopen(url) as response:  # noqa: S310 - the test's own server
            assert (response.status, response.read()) == (200, b'{"status": "ok"}')
        with urllib.request.urlopen(server.certs_url) as response:  # noqa: S310 - the test's own server
            assert "max-age=" in response.headers["Cache-Control"]


def test_backlog_from_disk_is_pushed_completely(tmp_path: Path) -> None:
    """After a restart with 1,500 messages on disk, each message is pushed exactly once."""
    with running_localpubsub(data=tmp_path) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        ids = [each for _ in range(6) for each in pubsub.publish(topic, *[b"x" * 2000] * 250)]
    with (
        running_endpoint() as endpoint,
        localpubsub.running(data=tmp_path) as server,
        gapic_clients(server.host) as (_, subscriber),
    ):
        push = PushConfig(push_endpoint=endpoint.url)
        subscriber.modify_push_config(subscription=subscription, push_config=push)
        endpoint.wait_for(len(ids))
    assert sorted(push.message_id for push in endpoint.pushes) == sorted(ids)


def test_publish_that_cannot_be_written_is_not_confirmed(tmp_path: Path) -> None:
    """If SQLite cannot write, the publish fails with an explanation; the next publish succeeds."""
    with running_localpubsub(data=tmp_path) as pubsub:
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        with closing(sqlite3.connect(tmp_path / "pubsub.sqlite")) as other:
            other.execute("BEGIN IMMEDIATE")
            # Without retry=None the client would retry until the file is writable again.
            with pytest.raises(InternalServerError, match="localpubsub could not write"):
                pubsub.publisher.publish(topic=topic, messages=[PubsubMessage(data=b"lost")], retry=None)
        assert pubsub.pull_now(subscription) == []
        pubsub.publish(topic, b"kept")
        assert [received.message.data for received in pubsub.pull(subscription)] == [b"kept"]


UNSUPPORTED: dict[str, Callable[[PubsubClient], object]] = {
    "use_topic_schema for Avro files": lambda pubsub: pubsub.created(
        pubsub.topic(), cloud_storage_config={"bucket": "abc", "avro_config": {"use_topic_schema": True}}
    ),
    "ingestion": lambda pubsub: pubsub.topic(
        ingestion_data_source_settings=IngestionDataSourceSettings(aws_kinesis={"stream_arn": "x"})
    ),
}


@pytest.mark.parametrize("call", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_unsupported_field_is_rejected_with_unimplemented(call: Callable[[PubsubClient], object]) -> None:
    """A request with an unsupported field is rejected with an explanation; the field is not ignored."""
    with (
        running_localpubsub() as pubsub,
        pytest.raises(MethodNotImplemented, match="localpubsub does not offer"),
    ):
        call(pubsub)


def test_advance_redelivers_a_push_without_waiting_for_its_deadline() -> None:
    """When 601 s pass at once, an open push with an ack deadline of 600 s is closed and sent again."""
    with (
        running_endpoint() as endpoint,
        localpubsub.running() as server,
        gapic_clients(server.host) as clients,
    ):
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), MAX_WAIT_SECONDS, *clients)
        endpoint.respond = lambda _: "silence" if len(endpoint.pushes) == 1 else 204
        topic, dead = pubsub.topic(), pubsub.topic()
        policy = DeadLetterPolicy(dead_letter_topic=dead, max_delivery_attempts=5)
        push = PushConfig(push_endpoint=endpoint.url)
        pubsub.subscription(topic, push_config=push, dead_letter_policy=policy, ack_deadline_seconds=600)
        pubsub.publish(topic, b"x")
        endpoint.wait_for(1)
        server.advance(601)
        pushes = endpoint.wait_for(2)
        endpoint.wait_until(lambda: endpoint.closed_early == 1)
        with pytest.raises(ValueError, match="cannot go back"):
            server.advance(-1)
    assert [each.envelope["deliveryAttempt"] for each in pushes] == [1, 2]
