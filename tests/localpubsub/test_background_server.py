"""The server inside another program."""

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
    IngestionDataSourceSettings,
    MessageTransform,
    PubsubMessage,
    PushConfig,
)

import localpubsub
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import running_endpoint


def test_it_leaves_no_thread_behind() -> None:
    """Starting and stopping it in every test of a suite costs nothing in the end."""
    before = set(threading.enumerate())
    for _ in range(3):
        with localpubsub.running() as server:
            assert server.host.startswith("127.0.0.1:")
    assert set(threading.enumerate()) == before


def test_two_servers_are_two_servers() -> None:
    """Each has its own port and its own topics."""
    with localpubsub.running() as one, localpubsub.running() as two:
        assert one.host != two.host
        with gapic_clients(one.host) as (first, _), gapic_clients(two.host) as (second, _):
            first.create_topic(name="projects/p/topics/only-there")
            with pytest.raises(NotFound):
                second.get_topic(topic="projects/p/topics/only-there")


def test_a_port_in_use_raises_the_sentence() -> None:
    """The program that embeds it gets the same sentence as the command line."""
    with localpubsub.running() as server:
        port = int(server.host.rpartition(":")[2])
        with (
            pytest.raises(localpubsub.CannotStart, match=f"127.0.0.1:{port}.*--port"),
            localpubsub.running(port=port),
        ):
            pass


def has_ipv6() -> bool:
    """Whether this machine's loopback interface has an address of that family."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "reached"),
    [("localhost", "localhost"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "127.0.0.1")],
)
def test_it_listens_where_it_is_told(host: str, reached: str) -> None:
    """Of both families of addresses; what it says of itself can be used as it stands."""
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with localpubsub.running(host=host) as server:
        assert server.host.rpartition(":")[0] == reached
        with urllib.request.urlopen(f"{server.http_url}/healthz") as answer:  # noqa: S310 - our own server
            assert answer.status == 200
        for each in (server.host, server.http_url.removeprefix("http://")):
            with gapic_clients(each) as (publisher, _):
                publisher.create_topic(name=f"projects/p/topics/at-{each.rpartition(':')[2]}", timeout=120)


def test_an_address_that_is_not_here_is_one_sentence() -> None:
    """It is no other server that is in the way."""
    with (
        pytest.raises(localpubsub.CannotStart, match=r"cannot listen on 192\.0\.2\.1:.*Check --host"),
        localpubsub.running(host="192.0.2.1"),
    ):
        pass


def test_it_is_ephemeral_unless_told_where() -> None:
    """Nothing is written where nobody asked for it."""
    with localpubsub.running() as server:
        assert server.data is None


def test_it_says_that_it_lives() -> None:
    """GET /healthz, for whoever waits for it."""
    with localpubsub.running() as server:
        url = server.certs_url.replace("/oauth2/v1/certs", "/healthz")
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own server
            assert (answer.status, answer.read()) == (200, b'{"status": "ok"}')
        with urllib.request.urlopen(server.certs_url) as answer:  # noqa: S310 - our own server
            assert "max-age=" in answer.headers["Cache-Control"]


def test_a_backlog_from_disk_is_pushed_whole(tmp_path: Path) -> None:
    """After a restart nothing is in memory: messages are read ahead, each is pushed, and none twice."""
    with localpubsub.running(data=tmp_path) as server, gapic_clients(server.host) as clients:
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 8, *clients)
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


def test_what_the_disk_refuses_is_not_confirmed(tmp_path: Path) -> None:
    """A publish that could not be written fails with a sentence; afterwards the server goes on."""
    with localpubsub.running(data=tmp_path) as server, gapic_clients(server.host) as clients:
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 8, *clients)
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic)
        with closing(sqlite3.connect(tmp_path / "pubsub.sqlite")) as another:
            another.execute("BEGIN IMMEDIATE")
            # Without the client's own retries, which would go on until the disk is well again.
            with pytest.raises(InternalServerError, match="localpubsub could not write"):
                pubsub.publisher.publish(topic=topic, messages=[PubsubMessage(data=b"lost")], retry=None)
        assert pubsub.pull_now(subscription) == []
        pubsub.publish(topic, b"kept")
        assert [received.message.data for received in pubsub.pull(subscription)] == [b"kept"]


NOT_YET: dict[str, Callable[[PubsubClient], object]] = {
    "transforms": lambda pubsub: pubsub.created(pubsub.topic(), message_transforms=[MessageTransform()]),
    "topic transforms": lambda pubsub: pubsub.topic(message_transforms=[MessageTransform()]),
    "avro by the topic's schema": lambda pubsub: pubsub.created(
        pubsub.topic(), cloud_storage_config={"bucket": "abc", "avro_config": {"use_topic_schema": True}}
    ),
    "ingestion": lambda pubsub: pubsub.topic(
        ingestion_data_source_settings=IngestionDataSourceSettings(aws_kinesis={"stream_arn": "x"})
    ),
}


@pytest.mark.parametrize("call", NOT_YET.values(), ids=NOT_YET)
def test_what_is_not_offered_says_so(call: Callable[[PubsubClient], object]) -> None:
    """UNIMPLEMENTED with a sentence; never a feature that is silently ignored."""
    with localpubsub.running() as server, gapic_clients(server.host) as clients:
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 8, *clients)
        with pytest.raises(MethodNotImplemented, match="localpubsub does not offer"):
            call(pubsub)
